"""The completion pipeline, from a document and a cursor to a suggestion."""
