"""Training: corpus, filters, objectives, pre-training. torch is imported inside functions only."""
