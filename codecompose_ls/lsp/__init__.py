"""The protocol face: the only package that knows pygls and lsprotocol."""
