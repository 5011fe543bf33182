"""What a model on disk is."""
