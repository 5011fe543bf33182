"""Which weights answer in which workspace: a history for each, in one small JSON file that is replaced whole.

    {"/home/me/project": [{"name": "project-lora", "at": "2026-11-21T12:00:00+00:00"}, ...]}

The last of a history is in force, for the folder and all below it that have none of their own. A running server reads
the file when it has changed; whoever writes it holds the registry's lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from codecompose_ls import folders
from codecompose_ls.errors import ModelError


@dataclass(frozen=True, slots=True)
class Promotion:
    """A model put in force, and when."""

    name: str
    at: str


@dataclass(frozen=True, slots=True)
class Promotions:
    """The histories by workspace, the oldest promotion first; every change makes a new one."""

    histories: Mapping[Path, tuple[Promotion, ...]] = field(default_factory=dict)

    def place(self, workspace: Path) -> Path | None:
        """Return the innermost folder with a history that holds `workspace`."""
        workspace = workspace.resolve()
        return next((folder for folder in (workspace, *workspace.parents) if folder in self.histories), None)

    def promoted(self, workspace: Path) -> str | None:
        """Return the name of the model in force, if one has been promoted."""
        place = self.place(workspace)
        return self.histories[place][-1].name if place else None

    def workspaces(self, name: str) -> tuple[Path, ...]:
        """Return where a model is in force."""
        return tuple(place for place, history in self.histories.items() if history[-1].name == name)

    def promote(self, name: str, workspace: Path) -> Promotions:
        place = workspace.resolve()
        history = self.histories.get(place, ())
        if history and history[-1].name == name:
            return self
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return Promotions({**self.histories, place: (*history, Promotion(name, now))})

    def roll_back(self, place: Path) -> Promotions:
        """Take the last promotion of a folder back."""
        return _kept({**self.histories, place: self.histories[place][:-1]})

    def without(self, name: str) -> Promotions:
        """Forget a model."""
        return _kept({place: tuple(one for one in h if one.name != name) for place, h in self.histories.items()})


def read() -> Promotions:
    """Read the file; without one nothing is promoted. Raises `ModelError`."""
    try:
        said = json.loads(path().read_text(encoding="utf-8"))
        return _kept({Path(place): tuple(map(_promotion, history)) for place, history in said.items()})
    except FileNotFoundError:
        return Promotions()
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ModelError(f"{path()} cannot be read ({error}); delete it and promote again") from error


def write(promotions: Promotions) -> None:
    """Replace the file. Raises `OSError`."""
    said = {str(place): [asdict(one) for one in history] for place, history in promotions.histories.items()}
    partial = path().with_suffix(".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w", encoding="utf-8") as file:
        json.dump(said, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path())


class Watch:
    """Tells a running server whether the file has been replaced; each look is one call of the operating system.

    A stat takes some microseconds and works on every file system, so there is no need for a library that watches.
    """

    def __init__(self) -> None:
        self._path = str(path())
        self._seen: tuple[int, int, int] | None = (-1, -1, -1)

    def has_changed(self) -> bool:
        """Return whether there is something to read since the last look; the first one always says so."""
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def path() -> Path:
    return folders.data() / "promotions.json"


def _promotion(said: Any) -> Promotion:
    name, at = said["name"], said["at"]
    if not isinstance(name, str) or not isinstance(at, str):
        raise TypeError("'name' and 'at' must be strings")
    return Promotion(name, at)


def _kept(histories: Mapping[Path, tuple[Promotion, ...]]) -> Promotions:
    """A folder whose history is empty has none."""
    return Promotions({place: history for place, history in histories.items() if history})
