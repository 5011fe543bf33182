"""A project's own code, as it is on the disk or at a git revision: what may be read, filtered and split by file.

What is ignored, secret, binary or huge is never read, by the rules in the revision and by those of the folder today.
Every other file that is left out is counted under the name of its filter.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from codecompose_ls import settings
from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission, walk
from codecompose_ls.index.repository import Repository
from codecompose_ls.languages import language_of
from codecompose_ls.tuning.corpus import Document, source_text
from codecompose_ls.tuning.duplicates import DuplicateIndex, Signature, signature
from codecompose_ls.tuning.filters import PROJECT_FILTERS, reason_to_drop

#: Beyond this nobody can train over lunch; which files stay is drawn by their paths' hashes (characters).
MAX_PROJECT_CHARACTERS = 30_000_000
#: Folders of other people's code that was checked in.
VENDORED_FOLDERS = frozenset(("vendor", "_vendor", "vendored", "third_party", "thirdparty", "external"))
#: Validation is this share of the characters, but no more than takes long to measure.
VALIDATION_SHARE, MAX_VALIDATION_CHARACTERS = 0.1, 400_000
#: From so many files on it pays to read in several processes.
_MANY_FILES = 500


@dataclass(frozen=True, slots=True)
class ProjectText:
    """What a project has to learn from: documents sorted by path, and how many files each filter dropped.

    `revision` is the full id of the commit they are of, None for what is on the disk.
    """

    name: str
    revision: str | None
    documents: tuple[Document, ...]
    dropped: Counter[str]

    @property
    def characters(self) -> int:
        return sum(len(document.text) for document in self.documents)

    def without(self, paths: frozenset[str]) -> ProjectText:
        """Return the project without some files."""
        return replace(self, documents=tuple(one for one in self.documents if one.path not in paths))


def collect(folder: Path, *, revision: str | None = None) -> ProjectText:
    """Read, filter and sort a project's files at a revision, or on the disk; raises `InputError`.

    Git is asked for a revision's files; the work tree is neither looked at nor changed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    folder = folder.resolve()
    if revision is None:
        return _collect(folder, name=folder.name, revision=None, today=None)
    repository = Repository(folder)
    commit, name = repository.commit(revision), repository.top.name
    today = Admission(repository.top, settings.load(root=repository.top)[0].ignore)
    return _collect(repository.tree(commit, name=name), name=name, revision=commit, today=(repository.top, today))


def split(
    documents: Sequence[Document], *, share: float = VALIDATION_SHARE, most: int = MAX_VALIDATION_CHARACTERS
) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """Split by file into (the rest, about `share` of the characters and at most `most`), both in the order given.

    Files are taken in the order of their paths' SHA-256, those left out that would take more than the share: so a file
    is on the same side at every revision, nearly always. At least one file is taken, the smallest; none is all.
    """
    limit = min(most, int(share * sum(len(document.text) for document in documents)))
    taken: set[str] = set()
    for document in sorted(documents, key=_draw):
        if len(document.text) <= limit:
            taken.add(document.path)
            limit -= len(document.text)
    if not taken and len(documents) > 1:
        taken = {min(documents, key=lambda document: (len(document.text), document.path)).path}
    rest = tuple(document for document in documents if document.path not in taken)
    return rest, tuple(document for document in documents if document.path in taken)


def _draw(document: Document) -> str:
    return hashlib.sha256(document.path.encode(errors="surrogateescape")).hexdigest()


def _collect(root: Path, *, name: str, revision: str | None, today: tuple[Path, Admission] | None) -> ProjectText:
    dropped: Counter[str] = Counter()
    loaded, _ = settings.load(root=root)
    admission = Admission(root, loaded.ignore)
    tasks = []
    for place in walk(root, admission, look_inside=False):
        path = place.relative_to(root).as_posix()
        reason = _refusal(path, place, admission, today)
        if reason is None and language_of(path) in loaded.disabled_languages:
            reason = "language switched off"
        if reason:
            dropped[reason] += 1
        else:
            tasks.append((name, path, place))
    documents = sorted(_distinct(_read_all(tasks), dropped), key=lambda document: document.path)
    return ProjectText(name, revision, tuple(_within_limit(documents, dropped)), dropped)


def _refusal(path: str, place: Path, admission: Admission, today: tuple[Path, Admission] | None) -> str | None:
    """Return the name of the rule by which a file may not be learnt from, whatever is in it."""
    if VENDORED_FOLDERS.intersection(PurePosixPath(path).parts[:-1]):
        return "vendored"
    if today is not None and today[1].misplaced(today[0] / path):
        return "ignored today"
    refusal = admission.refusal(place)
    if refusal is None:
        return None
    words = {"larger than 1 MB": "wrong size", "binary": "binary", "holds a secret": "secret"}
    return words.get(refusal, "unreadable")


def _read_all(tasks: list[tuple[str, str, Path]]) -> Iterator[tuple[Document | None, str, Signature | None]]:
    if len(tasks) <= _MANY_FILES:
        yield from map(_read, tasks)
        return
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(_read, tasks, chunksize=64)


def _read(task: tuple[str, str, Path]) -> tuple[Document | None, str, Signature | None]:
    """Read and filter one file: a document and its signature, or the reason to drop it."""
    package, path, place = task
    try:
        text = source_text(place.read_bytes())
    except OSError:
        return None, "unreadable", None
    except UnicodeDecodeError:
        return None, "not UTF-8", None
    if reason := reason_to_drop(path, text, PROJECT_FILTERS):
        return None, reason, None
    return Document(package, path, language_of(path) or "", text), "", signature(text)


def _distinct(
    read: Iterator[tuple[Document | None, str, Signature | None]], dropped: Counter[str]
) -> Iterator[Document]:
    index, seen = DuplicateIndex(), set()
    for document, reason, marks in read:
        if document is None or marks is None:
            dropped[reason] += 1
        elif document.text in seen:
            dropped["exact duplicate"] += 1
        elif not index.add(marks):
            dropped["near-duplicate"] += 1
        else:
            seen.add(document.text)
            yield document


def _within_limit(documents: list[Document], dropped: Counter[str]) -> Iterator[Document]:
    left, kept = MAX_PROJECT_CHARACTERS, set()
    for document in sorted(documents, key=_draw):
        if len(document.text) <= left:
            left -= len(document.text)
            kept.add(document.path)
    for document in documents:
        if document.path in kept:
            yield document
        else:
            dropped["project too large"] += 1
