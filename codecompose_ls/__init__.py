"""CodeCompose LS: a language server that completes code as ghost text, offline, with a model of its own."""

__version__ = "0.1.0"
