"""Projects: which files of a folder are measured; only what the server itself may read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codecompose_ls import settings
from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission, walk
from codecompose_ls.languages import language_of


@dataclass(frozen=True, slots=True)
class Project:
    """A folder and its source files, relative to it, with forward slashes, sorted."""

    name: str
    root: Path
    files: tuple[str, ...]

    def read(self, path: str) -> str:
        """Return a file's text with its line ends as they are; raises OSError or UnicodeDecodeError."""
        return (self.root / path).read_bytes().decode("utf-8")

    def only(self, language: str | None) -> Project:
        """Return the project with the files of one language alone; None keeps all."""
        return replace(self, files=tuple(path for path in self.files if language in (None, language_of(path))))

    def fingerprint(self) -> str:
        """Return a SHA-256 of the names and contents of its files."""
        digest = hashlib.sha256(self.name.encode(errors="surrogateescape"))
        for path in self.files:
            try:
                content = (self.root / path).read_bytes()
            except OSError:
                content = b""
            digest.update(f"\n{len(content)} {path}\n".encode(errors="surrogateescape") + content)
        return digest.hexdigest()


def project_at(root: Path, *, name: str) -> Project:
    """Return the project in a folder, without what the user's settings or its own ignore; it may have no files."""
    root = root.resolve()
    loaded, _ = settings.load(root=root)
    files = sorted(path.relative_to(root).as_posix() for path in walk(root, Admission(root, loaded.ignore)))
    return Project(name, root, tuple(files))


def find_projects(folders: Sequence[Path], *, each: bool = False) -> list[Project]:
    """Return a project for every folder or, with `each`, for every folder in them that has a file.

    Raises `InputError` for a folder named in vain, so that no project goes missing unnoticed.
    """
    roots = find_roots(folders, each=each)
    projects = [project_at(root, name=name) for root, name in zip(roots, names(roots), strict=True)]
    found = [project for project in projects if project.files]
    missing = [] if each and found else [project.root for project in projects if not project.files]
    if missing or not found:
        raise InputError(f"{', '.join(map(str, missing or folders))}: no source files to measure, or all are ignored")
    return found


def check_folders(folders: Sequence[Path]) -> None:
    """Raise `InputError` where one is none."""
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is a file; name a folder" if folder.exists() else f"{folder}: no such folder")


def find_roots(folders: Sequence[Path], *, each: bool = False) -> list[Path]:
    """Return the folders or, with `each`, the folders in them, resolved; raises `InputError` where one is none."""
    check_folders(folders)
    if each:
        folders = [child for folder in folders for child in sorted(folder.iterdir()) if child.is_dir()]
    return list(dict.fromkeys(folder.resolve() for folder in folders))


def names(roots: Sequence[Path]) -> list[str]:
    """Return a name for each folder: its own, with as many of those above it as it takes to tell all apart."""
    for length in range(1, max((len(root.parts) for root in roots), default=0)):
        found = ["/".join(root.parts[-length:]) for root in roots]
        if len(set(found)) == len(roots):
            return found
    return [root.as_posix() for root in roots]
