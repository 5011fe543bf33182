"""Write edits to disk: to files that are still what the edits were made for, each whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from codecompose_ls.assistants.outcome import FileEdit, results
from codecompose_ls.errors import InputError


def apply(edits: Sequence[FileEdit]) -> None:
    """Write what edits make of their files. Raises `InputError` for one that has changed or cannot be written."""
    for edit in edits:
        if edit.path.exists() if edit.creates else _bytes(edit.path) != edit.source.encode("utf-8"):
            raise InputError(f"{edit.path}: has changed meanwhile, so nothing was written")
    for path, text in results(edits).items():
        _write(path, text)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing of it: whatever happens meanwhile, the old one is there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        partial.write_bytes(text.encode("utf-8"))
        if path.exists():
            shutil.copymode(path, partial)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            partial.unlink()
