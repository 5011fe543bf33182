"""The folder of `--output`: made and tried before anything is measured, so that no figures are lost for want of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from codecompose_ls.errors import InputError


def prepare(folder: Path) -> None:
    """Make a folder and check that it can be written to; raises `InputError`."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output {folder}: there is a file of that name; name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\n")
    except OSError as error:
        raise InputError(f"--output {folder}: it cannot be written to ({error.strerror}); name another one") from error
