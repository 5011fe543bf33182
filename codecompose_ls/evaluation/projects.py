"""Projects: which files of a folder are measured; only what the server itself may read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def find_projects(
    folder: Path, *, each: bool = False, language: str | None = None, ignore: tuple[str, ...] = ()
) -> list[Project]:
    """Return the project in `folder` or, with `each`, one for every folder in it; raises `InputError` without files."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    roots = sorted(child for child in folder.iterdir() if child.is_dir()) if each else [folder]
    projects = [_project(root, language=language, ignore=ignore) for root in roots]
    found = [project for project in projects if project.files]
    if not found:
        raise InputError(f"{folder}: no {language or 'source'} files to measure, or all are ignored")
    return found


def _project(root: Path, *, language: str | None, ignore: tuple[str, ...]) -> Project:
    root = root.resolve()
    files = (path for path in walk(root, Admission(root, ignore)) if language in (None, language_of(path)))
    return Project(root.name, root, tuple(sorted(path.relative_to(root).as_posix() for path in files)))
