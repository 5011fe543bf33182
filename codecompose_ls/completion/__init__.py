"""The completion pipeline: from a cursor in a document to one answer."""

from codecompose_ls.completion.pipeline import Pipeline

__all__ = ["Pipeline"]
