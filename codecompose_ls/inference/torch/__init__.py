"""Any causal model of Hugging Face's on torch: many requests in one running batch, each with its own adapter."""
