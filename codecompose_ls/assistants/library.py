"""Where assistants come from: those we ship, the user's own, and a project's once its user has trusted them.

The user's replace built-in ones of the same name; a project's replace none. Trust is of a folder's content: whatever
changes in it has to be trusted anew (DESIGN.md, Trust).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codecompose_ls import folders
from codecompose_ls.assistants.assistant import Assistant, parse
from codecompose_ls.errors import InputError

BUILT_IN, USER, PROJECT = "built-in", "user", "project"
CATALOGUE = Path(__file__).parent / "catalogue"
#: Those of ours that can be done for Python without a chat model.
BY_ANALYSIS = frozenset(("explain", "add-docstrings", "add-input-checks"))
#: A prompt that is longer is not one.
MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Library:
    """The assistants at hand in a workspace, by name; `problems` are lines about files that could not be used."""

    assistants: tuple[Assistant, ...]
    problems: tuple[str, ...] = ()
    #: Names of the project's assistants that wait for its user's trust.
    untrusted: tuple[str, ...] = ()
    root: Path | None = None

    def find(self, name: str) -> Assistant:
        """Return the assistant of a name. Raises `InputError`."""
        found = next((one for one in self.assistants if one.name == name), None)
        if found is None and name in self.untrusted:
            raise InputError(
                f"'{name}' is the project's and not trusted yet: read {project_folder(self.root or Path())}, "
                f"then run: codecompose-ls assist trust {self.root}"
            )
        if found is None:
            raise InputError(f"no assistant '{name}'; there are {', '.join(one.name for one in self.assistants)}")
        return found


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The files of one folder, read once: what is trusted is what is used."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            for part in (name.encode(), content):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


def library(root: Path | None) -> Library:
    """Return the assistants at hand in a workspace. Reads files; never raises for what is in them."""
    found: dict[str, Assistant] = {}
    problems: list[str] = []
    for folder, origin in ((CATALOGUE, BUILT_IN), (user_folder(), USER)):
        assistants, bad = _parsed(_read(folder), folder, origin)
        found |= {one.name: one for one in assistants}
        problems += bad
    if root is None:
        return Library(_sorted(found), tuple(problems))
    folder = project_folder(root)
    shelf = _read(folder)
    if not _trusts(root, shelf):
        names = tuple(sorted(Path(name).stem for name in shelf.files))
        return Library(_sorted(found), (*problems, *shelf.problems), names, root)
    assistants, bad = _parsed(shelf, folder, PROJECT)
    problems += bad
    for one in assistants:
        if one.name in found:
            problems.append(f"{folder / one.name}.md is not used: '{one.name}' is {_whose(found[one.name])}")
        else:
            found[one.name] = one
    return Library(_sorted(found), tuple(problems), (), root)


def user_folder() -> Path:
    """Return where the user's own assistants are: beside the settings."""
    return folders.settings().parent / "assistants"


def project_folder(root: Path) -> Path:
    return root / ".codecompose" / "assistants"


def trust(root: Path) -> tuple[str, ...]:
    """Trust a project's assistants as they are now, and return their names. Raises `InputError`."""
    shelf = _read(project_folder(root))
    if not shelf.files:
        raise InputError(f"{project_folder(root)}: no assistants to trust")
    trusted = {**_trusted(), os.path.realpath(root): shelf.hash}
    path = _record()
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(trusted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return tuple(sorted(Path(name).stem for name in shelf.files))


def is_trusted(root: Path) -> bool:
    """Return whether a project's assistants are those that its user has trusted."""
    return _trusts(root, _read(project_folder(root)))


def _trusts(root: Path, shelf: _Shelf) -> bool:
    return bool(shelf.files) and _trusted().get(os.path.realpath(root)) == shelf.hash


def _record() -> Path:
    return folders.data() / "trusted-assistants.json"


def _trusted() -> dict[str, str]:
    """Return the hashes that were trusted, by folder; what cannot be read is not trusted."""
    try:
        found = json.loads(_record().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(folder): str(value) for folder, value in found.items()} if isinstance(found, dict) else {}


def _read(folder: Path) -> _Shelf:
    files: dict[str, bytes] = {}
    problems: list[str] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md" and not path.name.startswith("."))
    except OSError:
        return _Shelf()
    for path in paths:
        # What a link points to may be anything on this machine.
        if path.is_symlink() or not path.is_file():
            problems.append(f"{path} is not used: it is not a file")
        elif path.stat().st_size > MAX_BYTES:
            problems.append(f"{path} is not used: it is larger than {MAX_BYTES // 1024} KiB")
        else:
            try:
                files[path.name] = path.read_bytes()
            except OSError as error:
                problems.append(f"{path} is not used: it cannot be read ({error.strerror})")
    return _Shelf(files, tuple(problems))


def _parsed(shelf: _Shelf, folder: Path, origin: str) -> tuple[list[Assistant], list[str]]:
    assistants: list[Assistant] = []
    problems = list(shelf.problems)
    for name, content in shelf.files.items():
        try:
            stem = Path(name).stem
            analysis = origin == BUILT_IN and stem in BY_ANALYSIS
            assistants.append(parse(stem, content.decode("utf-8"), origin=origin, analysis=analysis))
        except UnicodeDecodeError:
            problems.append(f"{folder / name} is not used: it is not UTF-8")
        except InputError as error:
            problems.append(f"{folder / name} is not used: {error}")
    return assistants, problems


def _sorted(assistants: Mapping[str, Assistant]) -> tuple[Assistant, ...]:
    return tuple(assistants[name] for name in sorted(assistants))


def _whose(assistant: Assistant) -> str:
    return "the name of a built-in one" if assistant.origin == BUILT_IN else "your own"
