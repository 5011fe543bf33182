"""The other end of the wire: a small LSP client, and the people who sit at it in `demo` and `bench`."""
