"""What can be asked of code: assistants as files, carried out by a chat model or by analysis."""
