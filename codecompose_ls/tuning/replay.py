"""General code: what is replayed while a project is learnt, against forgetting, and what shows whether it helped.

It comes from the standard library and the installed packages of the running interpreter, or from a folder. One package
in five is never replayed: hidden lines in it measure what is retained (docs/metrics.md). The same packages give the
same files.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from codecompose_ls import settings
from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission
from codecompose_ls.languages import LANGUAGES, language_of
from codecompose_ls.tuning.corpus import Document, source_text
from codecompose_ls.tuning.duplicates import DuplicateIndex, signature
from codecompose_ls.tuning.filters import PROJECT_FILTERS, reason_to_drop

#: One package in so many is kept for measuring.
RETAINED_PACKAGES = 5
#: Less than this many characters short of the fraction is close enough.
_REST_CHARACTERS = 2_000
_PLACES = {"stdlib": "standard library", "platlib": "installed packages", "purelib": "installed packages"}
#: Tests, demonstrations and tables; and what is found elsewhere.
_LEFT_OUT = frozenset(
    ("test", "tests", "idlelib", "lib2to3", "turtledemo", "pydoc_data", "site-packages", "_vendor", "include")
)


@dataclass(frozen=True, slots=True)
class GeneralCode:
    """Files of general code below one folder, by paths relative to it with forward slashes, in drawn order."""

    name: str
    root: Path
    files: tuple[str, ...] = ()
    #: Of the files that count.
    endings: frozenset[str] = frozenset((".py",))


def replay_documents(
    fraction: float, characters: int, *, folder: Path | None = None, exclude: Sequence[Document] = ()
) -> tuple[Document, ...]:
    """Return general code that makes up about `fraction` of a corpus with `characters` of a project's own.

    Nothing near to a document of `exclude` is in it, nor any package that `exclude` seems to be: an installed copy of
    the project would show what it has yet to prove it can guess. Raises `InputError` where a folder has no code.
    """
    if fraction <= 0:
        return ()
    wanted = int(fraction / (1 - fraction) * characters)
    documents: list[Document] = []
    for document, _ in _read(_sources(folder), retained=False, exclude=exclude):
        if not documents or len(document.text) <= wanted:
            documents.append(document)
            wanted -= len(document.text)
        if wanted < _REST_CHARACTERS:
            break
    if folder is not None and not documents:
        raise InputError(f"--replay-from {folder}: no source code to replay")
    return tuple(documents)


def retained_code(
    *, folder: Path | None = None, exclude: Sequence[Document] = (), files: int = 60
) -> tuple[GeneralCode, ...]:
    """Return up to `files` files of general code that are never replayed, by where they are."""
    found: dict[Path, GeneralCode] = {}
    for number, (document, source) in enumerate(_read(_sources(folder), retained=True, exclude=exclude), start=1):
        before = found.get(source.root) or replace(source, files=())
        found[source.root] = replace(before, files=(*before.files, document.path))
        if number == files:
            break
    return tuple(found.values())


def _sources(folder: Path | None) -> list[GeneralCode]:
    if folder is not None:
        if not folder.is_dir():
            raise InputError(f"--replay-from {folder}: no such folder")
        endings = frozenset(ending for language in LANGUAGES.values() for ending in language.extensions)
        return [GeneralCode(folder.resolve().name, folder.resolve(), endings=endings)]
    # By folder: libraries that depend on the platform, and those that do not, are nearly always in the same.
    places = {Path(sysconfig.get_path(key)).resolve(): name for key, name in _PLACES.items()}
    return [GeneralCode(name, root) for root, name in places.items()]


def _read(
    sources: Sequence[GeneralCode], *, retained: bool, exclude: Sequence[Document]
) -> Iterator[tuple[Document, GeneralCode]]:
    """Yield the filtered documents of one side, the sources taking turns."""
    own, index = _names(exclude), DuplicateIndex()
    for document in exclude:
        index.add(signature(document.text))
    for turn in zip_longest(*(_drawn(source, retained=retained) for source in sources)):
        for source, path in zip(sources, turn, strict=True):
            if path is None or PurePosixPath(path).with_suffix("").parts[0] in own:
                continue
            if (found := _document(source, path)) and index.add(signature(found.text)):
                yield found, source


def _names(documents: Sequence[Document]) -> set[str]:
    """Return what a project could be installed as: the names of its folders, and of modules near its top."""
    paths = [PurePosixPath(document.path) for document in documents]
    folders = {part for path in paths for part in path.parts[:-1]}
    return folders | {path.stem for path in paths if len(path.parts) == 1 or path.parts[0] == "src"}


def _drawn(source: GeneralCode, *, retained: bool) -> Iterator[str]:
    """Yield the files of one side in drawn order, packages taking turns: large ones must not crowd out the others."""
    root, admission = source.root, Admission(source.root, settings.load()[0].ignore)
    packages = [entry.name for entry in _entries(root)]
    if len(packages) > RETAINED_PACKAGES:
        kept = [package for package in packages if _is_retained(package) is retained]
        lanes = [_files(root / package, admission) for package in kept]
    else:
        # Files of a package resemble each other; where packages are few, each file is for itself all the same.
        lanes = [(file for file in _files(root, admission) if _is_retained(_relative(file, root)) is retained)]
    for turn in zip_longest(*lanes):
        yield from (_relative(file, root) for file in turn if file is not None and file.suffix in source.endings)


def _files(place: Path, admission: Admission) -> Iterator[Path]:
    """Yield the source files at or below a place; a folder is listed only when it is come to."""
    if place.name in _LEFT_OUT or place.name.startswith(".") or place.is_symlink():
        return
    if place.is_dir():
        if not admission.skips(place):
            for entry in _entries(place):
                yield from _files(place / entry.name, admission)
    elif admission.misplaced(place) is None:
        yield place


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: _hash(entry.name))
    except OSError:
        return []


def _is_retained(name: str) -> bool:
    return int(_hash(name), 16) % RETAINED_PACKAGES == 0


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _document(source: GeneralCode, path: str) -> Document | None:
    try:
        text = source_text((source.root / path).read_bytes())
    except (OSError, UnicodeDecodeError):
        return None
    if reason_to_drop(path, text, PROJECT_FILTERS):
        return None
    return Document(source.name, path, language_of(path) or "", text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
