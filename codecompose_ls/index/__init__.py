"""The workspace: which files may be read, and what they hold."""
