"""The base that an adapter stands on: found by its content, and kept for as long as an adapter needs it.

An update of this package replaces the shipped base. A copy stays among the models, hidden, while adapters use it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from codecompose_ls.errors import ModelError
from codecompose_ls.models.files import METADATA, content_hash, is_adapter, read_json
from codecompose_ls.models.manifest import MANIFEST, copy, model_files
from codecompose_ls.models.names import BASE, SHIPPED, models, registered


def base_of(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and content hash of what a model was tuned from, as its codecompose.json says; "" for unknown."""
    base = metadata.get("base")
    name, hash = (base.get("name"), base.get("content_hash")) if isinstance(base, dict) else ("", "")
    return str(name or ""), str(hash or "")


def base_folder(adapter: Path, *, name: str = "") -> Path:
    """Return where the base of an adapter is. Raises `ModelError` when it is not on this machine.

    `name` is what the adapter is called, if not as its folder.
    """
    base, hash = base_of(read_json(adapter / METADATA))
    found = find(hash)
    if found is not None:
        return found
    name = name or adapter.name
    if base == SHIPPED:
        raise ModelError(f"'{name}' was tuned on an older base, which is not here any more: run codecompose-ls tune")
    raise ModelError(f"the base of '{name}', '{base}', is not in the registry: import it first")


def users(base: Path) -> list[str]:
    """Return the names of the adapters that stand on a base of the registry."""
    return [adapter.name for adapter, hash in _adapters() if hash and find(hash) == base]


def find(hash: str) -> Path | None:
    """Return the folder of the model with its own weights that has this content."""
    own = (folder for folder in registered() if not is_adapter(folder))
    if hash == shipped_hash(BASE):
        return BASE
    for folder in (_kept() / hash, *own) if hash else ():
        if folder.is_dir() and _content_of(folder) == hash:
            return folder
    return None


def is_outdated(metadata: Mapping[str, Any]) -> bool:
    """Tell whether a model was tuned on a base that was shipped once, and is not any more."""
    name, hash = base_of(metadata)
    return name == SHIPPED and hash != shipped_hash(BASE)


@cache
def shipped_hash(folder: Path) -> str:
    """Return the content's hash of what we ship, which stays as it is while a process runs."""
    return content_hash(folder)


def keep(base: Path) -> None:
    """Keep a copy of the shipped base; any other one is the user's own to keep."""
    kept = _kept() / shipped_hash(BASE)
    if base == BASE and not kept.exists():
        with beside() as copied:
            copy(model_files(base), copied)
            kept.parent.mkdir(exist_ok=True)
            os.rename(copied, kept)


def drop_unused() -> None:
    """Delete copies that no adapter uses any more; none while there is one that does not say what it uses."""
    used = {hash for _, hash in _adapters()}
    if None in used:
        return
    for kept in _kept().iterdir() if _kept().is_dir() else ():
        if kept.name not in used:
            shutil.rmtree(kept)


@contextmanager
def beside() -> Iterator[Path]:
    """Make an empty folder among the models, hidden, for what is on its way in or out."""
    folder = Path(tempfile.mkdtemp(prefix=".beside-", dir=models()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _adapters() -> Iterator[tuple[Path, str | None]]:
    """Yield the adapters of the registry, each with its base's content hash; None where it is too damaged to say."""
    for folder in registered():
        if is_adapter(folder):
            try:
                yield folder, base_of(read_json(folder / METADATA))[1]
            except ModelError:
                yield folder, None


def _kept() -> Path:
    return models() / ".bases"


def _content_of(folder: Path) -> str:
    """Return the content's hash, which the registry has written down for what it holds."""
    try:
        manifest = folder / MANIFEST
        return str(read_json(manifest)["content_hash"]) if manifest.is_file() else content_hash(folder)
    except (ModelError, KeyError):
        return ""
