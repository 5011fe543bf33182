"""Cross-validation by file: a project's files in k folds, and which of them train, validate and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.evaluation.randomness import generator
from codecompose_ls.languages import language_of
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.duplicates import DuplicateIndex, signature
from codecompose_ls.tuning.filters import reason_to_drop

#: One fold tests, one validates, and something has to be left to train on.
LEAST_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Folds:
    """A project whose files are in folds; no two of them are near-duplicates. `dropped` counts files by reason."""

    project: Project
    documents: tuple[tuple[Document, ...], ...]
    dropped: Counter[str]

    def roles(self, fold: int) -> Roles:
        """Return who trains, validates and tests when fold `fold` is the test: the next one validates, others train.

        So over all k rotations every file tests once and validates once.
        """
        count = len(self.documents)
        rest = [self.documents[(fold + distance) % count] for distance in range(2, count)]
        training = tuple(document for part in rest for document in part)
        return Roles(training, self.documents[(fold + 1) % count], self.documents[fold])

    def asked(self, fold: int) -> Project:
        """Return the project with the files of one fold alone."""
        return replace(self.project, files=tuple(sorted(document.path for document in self.documents[fold])))


@dataclass(frozen=True, slots=True)
class Roles:
    """The documents of one rotation."""

    training: tuple[Document, ...]
    validation: tuple[Document, ...]
    test: tuple[Document, ...]


def split(project: Project, *, folds: int, seed: int = 0) -> Folds:
    """Put a project's files into `folds` folds of about equally many characters; raises `InputError`.

    What training data is filtered by is dropped first, and so is every file near to another one of the project: it
    would otherwise be asked for in one fold after it was learned in the other (Allamanis 2019).
    """
    if folds < LEAST_FOLDS:
        raise InputError(f"--folds {folds}: one fold tests, one validates and one trains, so it takes {LEAST_FOLDS}")
    documents, dropped = _documents(project)
    if len(documents) < folds:
        raise InputError(f"{project.root}: {len(documents)} files are left to learn from, too few for {folds} folds")
    generator(seed, project.name).shuffle(documents)
    parts: list[list[Document]] = [[] for _ in range(folds)]
    for document in documents:
        min(parts, key=_characters).append(document)
    return Folds(project, tuple(map(tuple, parts)), dropped)


def _documents(project: Project) -> tuple[list[Document], Counter[str]]:
    """Read a project's files as training does; near-duplicates and filtered ones are counted, not returned."""
    documents: list[Document] = []
    dropped: Counter[str] = Counter()
    index = DuplicateIndex()
    for path in project.files:
        try:
            text = project.read(path).replace("\r\n", "\n").replace("\r", "\n")
        except (OSError, UnicodeDecodeError):
            dropped["unreadable"] += 1
            continue
        reason = reason_to_drop(path, text)
        if reason is None and not index.add(signature(text)):
            reason = "near-duplicate"
        if reason is None:
            documents.append(Document(project.name, path, language_of(path) or "", text))
        else:
            dropped[reason] += 1
    return documents, dropped


def _characters(documents: Sequence[Document]) -> int:
    return sum(len(document.text) for document in documents)
