"""The report: results as one HTML file with figures, which needs no network, no script and no other file."""

from codecompose_ls.evaluation.html.page import render, save

__all__ = ["render", "save"]
