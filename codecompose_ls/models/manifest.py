"""The files that make up a model, their hashes, and what may be among them: safetensors and text, never a pickle.

`manifest.json` is {"files": {name: SHA-256}, "content_hash": SHA-256 of configuration and weights}.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from codecompose_ls.errors import ModelError
from codecompose_ls.models.adapter import read_adapter
from codecompose_ls.models.files import (
    CONFIG,
    check_tensors,
    content_hash,
    damaged,
    is_adapter,
    read_json,
    weight_files,
)

MANIFEST = "manifest.json"

#: Files by their names: each call opens one for reading.
Files = Mapping[str, Callable[[], IO[bytes]]]

#: Hugging Face's files and ours.
_ENDINGS = (".safetensors", ".json", ".txt", ".md", ".jinja", ".model")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def is_model_file(name: str) -> bool:
    """Tell whether a file may belong to a model: a plain name, and nothing that runs code when it is loaded."""
    return _FILE_NAME.fullmatch(name) is not None and name.endswith(_ENDINGS) and name != MANIFEST


def model_files(folder: Path) -> Files:
    """Return a folder's files, what does not belong to a model left out. Raises `ModelError`."""
    if not folder.is_dir():
        raise ModelError(f"no model at {folder}: it is no folder")
    paths = (path for path in sorted(folder.iterdir()) if path.is_file() and is_model_file(path.name))
    return {path.name: _opener(path) for path in paths}


def copy(files: Files, target: Path, *, expected: Mapping[str, str] | None = None) -> None:
    """Write files and their manifest to an empty folder. Raises `ModelError` where a hash is not the expected one."""
    hashes = {name: _copied(files[name], target / name) for name in files}
    for name, hash in (expected or {}).items():
        if hashes.get(name) != hash:
            raise ModelError(f"{name} is not what it was when the model was exported (its hash differs); copy it again")
    # Now, so that what is no model at all is said before its hash is asked for.
    check(target)
    manifest = {"files": hashes, "content_hash": content_hash(target)}
    (target / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def check(folder: Path) -> str:
    """Return "full", "lora" or "prefix" for a folder whose files are whole. Raises `ModelError`."""
    if is_adapter(folder):
        return read_adapter(folder).kind
    read_json(folder / CONFIG)
    for path in weight_files(folder):
        check_tensors(path)
    return "full"


def check_unchanged(folder: Path, content: str) -> None:
    """Raise `ModelError` where `content`, the hash of a folder's content, is not the one that its manifest names."""
    manifest = folder / MANIFEST
    if manifest.is_file() and read_json(manifest).get("content_hash", content) != content:
        raise damaged(folder, f"its weights or config.json have changed since its {MANIFEST} was written")


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _copied(open: Callable[[], IO[bytes]], target: Path) -> str:
    """Copy one file, down to the disk, and return its SHA-256."""
    digest = hashlib.sha256()
    with open() as source, target.open("wb") as file:
        while block := source.read(1 << 20):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
