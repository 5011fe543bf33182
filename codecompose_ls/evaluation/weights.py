"""The weights that are put to the test: by their names, and known by their content, whichever engine serves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codecompose_ls.backends.on_disk import needs_torch
from codecompose_ls.evaluation.projects import names
from codecompose_ls.models.bases import base_folder
from codecompose_ls.models.files import content_hash, is_adapter
from codecompose_ls.models.manifest import check_unchanged
from codecompose_ls.models.model import load_model
from codecompose_ls.models.registry import resolve


def by_name(models: Sequence[str]) -> dict[str, Path]:
    """Return the folder of each model, a name or a folder, by a short name; raises `ModelError`."""
    folders = list(dict.fromkeys(resolve(model) for model in models))
    return dict(zip(names(folders), folders, strict=True))


def content_of(folder: Path) -> str:
    """Return the hash that stands for a model or an adapter on its base; raises `ModelError` where it is not whole."""
    if not needs_torch(folder):
        return load_model(folder).content_hash
    content = content_hash(folder)
    check_unchanged(folder, content)
    return content_hash(folder, base=content_hash(base_folder(folder))) if is_adapter(folder) else content
