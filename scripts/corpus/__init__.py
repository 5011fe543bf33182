"""The training corpus: fetched by name from the registries, by `python -m scripts.corpus`.

DIR/train/ECOSYSTEM/PACKAGE/... and DIR/heldout/ECOSYSTEM/PACKAGE/... hold source files at their original relative
paths, DIR/packages.jsonl a line for each package. Standard library only (tomli on Python 3.10).
"""
