"""The models of this machine: what is known of each, how they come and go, and which one answers in a workspace.

A model is a folder NAME in the data folder's `models`, with a `manifest.json`. It appears whole or not at all and is
never changed: what is tuned anew has another name. Every function raises `ModelError` with one line that says what to
do.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codecompose_ls.errors import ModelError
from codecompose_ls.models import bases, promotions
from codecompose_ls.models.files import METADATA, DamagedError, content_hash, is_adapter, read_json
from codecompose_ls.models.manifest import Files, check, check_unchanged, copy, model_files
from codecompose_ls.models.names import BASE, SHIPPED, is_name, models, registered, resolve
from codecompose_ls.models.promotions import Promotions

__all__ = [
    "BASE",
    "SHIPPED",
    "Entry",
    "add",
    "check_new",
    "entries",
    "entry",
    "in_force",
    "promote",
    "promoted",
    "remove",
    "resolve",
    "roll_back",
    "take",
    "unused",
]

#: How long another command may take to add a model.
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the registry, or the shipped one; `metadata` is its codecompose.json."""

    name: str
    folder: Path
    #: "full", "lora" or "prefix".
    kind: str
    size_bytes: int
    metadata: Mapping[str, Any] = field(repr=False)
    #: Workspaces in which it is in force.
    promoted: tuple[Path, ...] = ()
    #: It was tuned on a base that was shipped once, and is not any more.
    outdated: bool = False
    #: Why it cannot be used.
    fault: str = ""

    @property
    def strategy(self) -> str:
        return str(self.metadata.get("strategy") or "")

    @property
    def base(self) -> str:
        """The name of the model that it was tuned from."""
        return bases.base_of(self.metadata)[0]

    @property
    def project(self) -> str:
        return str(_part(self.metadata, "provenance").get("project") or "")

    @property
    def gate(self) -> bool | None:
        """Whether it has passed the gate; None where none was measured."""
        passed = _part(_part(self.metadata, "evaluation"), "gate").get("passed")
        return passed if isinstance(passed, bool) else None


def entries() -> list[Entry]:
    """Return the shipped model and all others by name; what is wrong with one is its `fault`."""
    found = promotions.read()
    return [_entry(folder, found) for folder in (BASE, *registered())]


def entry(name: str) -> Entry:
    """Return what is known of "base" or of a model in the registry."""
    folder = BASE if name == SHIPPED else models() / name
    if not (is_name(name) and folder.is_dir()):
        raise ModelError(f"no model '{name}' in the registry; codecompose-ls models list says what there is")
    return _entry(folder, promotions.read())


def add(folder: Path, name: str) -> Path:
    """Copy a model's or an adapter's folder into the registry and return where it is now."""
    return take(model_files(folder), name)


def take(files: Files, name: str, *, expected: Mapping[str, str] | None = None) -> Path:
    """Add a model of these files, whose SHA-256 must be the `expected` ones, if given."""
    check_new(name)
    with _changing():
        target = models() / name
        check_new(name)
        with bases.beside() as beside:
            try:
                copy(files, beside, expected=expected)
            except DamagedError as error:
                # Nobody has seen the folder that it lies in.
                raise ModelError(f"'{name}' cannot be added: {error.what}; copy or export it again") from error
            if is_adapter(beside):
                # Under its own name, for the message when there is none.
                bases.keep(bases.base_folder(beside, name=name))
            os.rename(beside, target)
        return target


def check_new(name: str) -> None:
    """Raise `ModelError` where a model cannot be added under this name."""
    if not is_name(name) or name == SHIPPED:
        rules = "at most 64 letters, digits, '.', '_' and '-', a letter or a digit first, and not 'base'"
        raise ModelError(f"'{name}' cannot be the name of a model: {rules}")
    if (models() / name).exists():
        raise ModelError(f"there is a model '{name}' already: choose another name, or remove it first")


def unused(stem: str) -> str:
    """Return a name that no model has yet: `stem` made a name, with a number if need be."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:56] or "model"
    names = (stem, *(f"{stem}-{number}" for number in range(2, 10_000)))
    return next(name for name in names if name != SHIPPED and not (models() / name).exists())


def remove(name: str, *, force: bool = False) -> None:
    """Delete a model; with `force` even one that is in force or is the base of adapters."""
    if name == SHIPPED:
        raise ModelError("the model 'base' is the one we ship and cannot be removed")
    with _changing():
        one = entry(name)
        if one.promoted and not force:
            where = ", ".join(map(str, one.promoted))
            raise ModelError(f"'{name}' answers in {where}: roll back there first, or force it")
        users = [] if is_adapter(one.folder) else bases.users(one.folder)
        if users and not force:
            raise ModelError(f"'{name}' is the base of {', '.join(users)}: remove those first, or force it")
        # First of all, so that it is in force nowhere when it is gone.
        promotions.write(promotions.read().without(name))
        with bases.beside() as beside:
            os.rename(one.folder, beside / name)
        bases.drop_unused()


def promoted(workspace: Path) -> str | None:
    """Return the model in force in a workspace, if one has been promoted there or in a folder around it."""
    return promotions.read().promoted(workspace)


def in_force(setting: str, workspace: Path) -> str:
    """Return the name of what answers in a workspace: what the setting `model` says, unless that is left to us."""
    return setting if setting != SHIPPED else promoted(workspace) or SHIPPED


def promote(name: str, workspace: Path, *, force: bool = False) -> None:
    """Let a model answer in a workspace from now on; with `force` even one that has failed its gate."""
    if not workspace.is_dir():
        raise ModelError(f"{workspace} is no folder; give the one that the editor opens")
    with _changing():
        one = entry(name)
        if one.fault:
            raise ModelError(one.fault)
        check_unchanged(one.folder, content_hash(one.folder))
        if one.gate is False and not force:
            raise ModelError(
                f"'{name}' has failed its gate, so it is no better than its base here: leave it, or force it"
            )
        promotions.write(promotions.read().promote(name, workspace))


def roll_back(workspace: Path) -> str:
    """Take the last promotion in a workspace back, and return the name of what answers there now."""
    with _changing():
        before = promotions.read()
        place = before.place(workspace)
        if place is None:
            raise ModelError(f"nothing has been promoted for {workspace}: there is nothing to take back")
        after = before.roll_back(place)
        promotions.write(after)
        return after.promoted(workspace) or SHIPPED


def _entry(folder: Path, found: Promotions) -> Entry:
    name = SHIPPED if folder == BASE else folder.name
    promoted = found.workspaces(name)
    try:
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        metadata = read_json(folder / METADATA) if (folder / METADATA).is_file() else {}
        kind = check(folder)
        if is_adapter(folder):
            bases.base_folder(folder)
    except OSError as error:
        return Entry(name, folder, "", 0, {}, promoted, fault=f"'{name}' cannot be read ({error.strerror})")
    except ModelError as error:
        return Entry(name, folder, "", 0, {}, promoted, fault=str(error))
    return Entry(name, folder, kind, size, metadata, promoted, bases.is_outdated(metadata))


@contextmanager
def _changing() -> Iterator[None]:
    """Hold the registry's lock, and clear away what a command that was killed has left behind."""
    from filelock import FileLock, Timeout

    try:
        models().mkdir(parents=True, exist_ok=True)
        with FileLock(models() / ".lock", timeout=_PATIENCE_S):
            for left_behind in models().glob(".beside-*"):
                shutil.rmtree(left_behind, ignore_errors=True)
            yield
    except Timeout as error:
        raise ModelError("another command is changing the registry of models; try again when it is done") from error
    except OSError as error:
        raise ModelError(f"the registry of models at {models()} cannot be changed ({error})") from error


def _part(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object within one; what others have written may be anything."""
    part = said.get(key)
    return part if isinstance(part, dict) else {}
