"""The weights that are put to the test: by their names, and known by their content, whichever engine serves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codecompose_ls.backends.on_disk import needs_torch
from codecompose_ls.errors import ModelError
from codecompose_ls.evaluation.projects import names
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.models.bases import base_folder
from codecompose_ls.models.files import METADATA, TOKENIZER, content_hash, is_adapter, read_json
from codecompose_ls.models.manifest import check_unchanged
from codecompose_ls.models.model import load_model
from codecompose_ls.models.registry import resolve
from codecompose_ls.prompt.families import find_family


def by_name(models: Sequence[str]) -> dict[str, Path]:
    """Return the folder of each model, a name or a folder, by a short name; raises `ModelError`."""
    folders = list(dict.fromkeys(resolve(model) for model in models))
    return dict(zip(names(folders), folders, strict=True))


def check_fills(folder: Path) -> None:
    """Raise `ModelError` for a base of which no line can be asked: none of its tokens stands for a middle."""
    if not needs_torch(folder):
        return
    named = (folder / METADATA).is_file() and read_json(folder / METADATA).get("family")
    if not named and find_family(Tokenizer(folder / TOKENIZER).has_token) is None:
        mend = "take one that does, or compare it in codecompose-ls evaluate study"
        raise ModelError(f"the model at {folder} does not fill in the middle, so its gate cannot be asked: {mend}")


def content_of(folder: Path) -> str:
    """Return the hash that stands for a model or an adapter on its base; raises `ModelError` where it is not whole."""
    if not needs_torch(folder):
        return load_model(folder).content_hash
    content = content_hash(folder)
    check_unchanged(folder, content)
    return content_hash(folder, base=content_hash(base_folder(folder))) if is_adapter(folder) else content
