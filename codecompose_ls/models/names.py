"""From the name of a model to its folder."""

from __future__ import annotations

import re
from pathlib import Path

from codecompose_ls import folders
from codecompose_ls.errors import ModelError

#: The weights we ship, and their name.
BASE, SHIPPED = Path(__file__).parent / "base", "base"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def models() -> Path:
    """Return the folder that holds all models but the shipped one."""
    return folders.data() / "models"


def is_name(name: str) -> bool:
    """Tell whether a model may be called so; what is hidden is on its way in or out."""
    return _NAME.fullmatch(name) is not None


def registered() -> list[Path]:
    """Return the folders of all models but the shipped one, by name."""
    found = models().iterdir() if models().is_dir() else ()
    return sorted(folder for folder in found if is_name(folder.name) and folder.is_dir())


def resolve(name: str | Path) -> Path:
    """Return the folder of "base", of a model in the registry, or of a path. Raises `ModelError`."""
    if name == SHIPPED:
        return BASE
    path, folder = Path(name).expanduser(), models() / name
    # A name first: where a project is tuned, there is likely to be a folder of its name.
    for candidate in (folder, path) if is_name(str(name)) else (path,):
        if candidate.is_dir():
            return candidate.resolve()
    raise ModelError(f"no model '{name}': neither {path.absolute()} nor {folder} is a folder")
