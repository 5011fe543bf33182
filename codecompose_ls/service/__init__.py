"""The team's HTTP service: OpenAI's API over the registry of models."""
