"""From context to token ids: FIM templates, metadata header, token budget."""
