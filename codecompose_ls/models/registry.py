"""From the name of a model to its folder."""

from __future__ import annotations

from pathlib import Path

from codecompose_ls import folders
from codecompose_ls.errors import ModelError

#: The weights we ship.
BASE = Path(__file__).parent / "base"


def resolve(name: str | Path) -> Path:
    """Return the folder of "base", of a path, or of a model in the data folder. Raises `ModelError`."""
    if name == "base":
        return BASE
    candidates = (Path(name).expanduser(), folders.data() / "models" / name)
    for folder in candidates:
        if folder.is_dir():
            return folder.resolve()
    raise ModelError(f"no model '{name}': neither {candidates[0].absolute()} nor {candidates[1]} is a folder")
