"""The journal of a cell: how its model was tuned and every case it was asked, on disk as they come.

A study that was killed goes on from it. The key holds whatever could change the outcome; two studies that share a cell
share its journal.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import codecompose_ls
from codecompose_ls import folders
from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.journal import JsonLines
from codecompose_ls.evaluation.study.cell import Asked, Cell, CellResult, Tuning
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.tuning_recipe import TuningRecipe

#: Our own code that decides what a cell comes to.
_DECIDING = ("tuning", "prompt", "evaluation/hidden_lines.py", "evaluation/bleu.py", "completion/window.py")
_DECIDING_HERE = ("answers.py", "cell.py", "matches.py", "syntax.py", "worker.py")


@lru_cache(maxsize=1)
def code_hash() -> str:
    """Return a hash of our own code that decides what a cell comes to."""
    root, here = Path(codecompose_ls.__file__).parent, Path(__file__).parent
    paths = [root / name for name in _DECIDING] + [here / name for name in _DECIDING_HERE]
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Task:
    """All that it takes to do a cell, in whichever process. `recipe` None asks the base as it is.

    `code` is the hash of our own code as it was when the study was laid out.
    """

    cell: Cell
    base: Path
    base_hash: str
    recipe: TuningRecipe | None
    training: tuple[Document, ...]
    validation: tuple[Document, ...]
    cases: tuple[Case, ...]
    candidates: int
    prompt_tokens: int
    code: str = field(default_factory=code_hash)

    @property
    def key(self) -> str:
        """A name for the cell under these very conditions."""
        conditions = {
            "cell": asdict(self.cell),
            "base": self.base_hash,
            "recipe": asdict(self.recipe) if self.recipe else None,
            "documents": [_digest(documents) for documents in (self.training, self.validation)],
            "cases": [case.id for case in self.cases],
            "asked": (self.candidates, self.prompt_tokens),
            "code": self.code,
        }
        return hashlib.sha256(json.dumps(conditions, sort_keys=True).encode()).hexdigest()[:32]


@contextmanager
def held(task: Task) -> Iterator[None]:
    """Keep a cell from other processes, once they have done with it; raises `InputError`."""
    from filelock import FileLock

    lock = folders.cache() / "studies" / f"{task.key}.lock"
    with ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(lock))
        except OSError as error:
            mend = "mend that, or set CODECOMPOSE_CACHE to a folder elsewhere"
            raise InputError(f"{lock} cannot be written ({error.strerror}): {mend}") from error
        yield


class CellJournal:
    """What is known of a cell so far, and where its model is meanwhile."""

    def __init__(self, task: Task, *, fresh: bool = False) -> None:
        self._task = task
        self.folder = folders.cache() / "studies" / task.key
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lines = JsonLines(self.folder / "journal.jsonl", is_good=_is_known)
        self.tuning: Tuning | None = None
        self.asked: dict[str, Asked] = {}
        for value in self._lines.values:
            if "tuning" in value:
                self.tuning = Tuning.from_json(value["tuning"])
            else:
                asked = Asked.from_json(value)
                self.asked[asked.case] = asked

    @property
    def model(self) -> Path:
        """Where the tuned model is while it is needed."""
        return self.folder / "model"

    @property
    def waiting(self) -> list[Case]:
        """The cases that were not asked yet."""
        return [case for case in self._task.cases if case.id not in self.asked]

    @property
    def is_complete(self) -> bool:
        return not self.waiting and (self._task.recipe is None or self.tuning is not None)

    def tuned(self, tuning: Tuning) -> None:
        self.tuning = tuning
        self._lines.append({"tuning": asdict(tuning)})

    def append(self, asked: Asked) -> None:
        self.asked[asked.case] = asked
        self._lines.append(asdict(asked))

    def result(self) -> CellResult:
        """Return what came of the cell, its cases in their order."""
        return CellResult(self._task.cell, self.tuning, tuple(self.asked[case.id] for case in self._task.cases))

    def close(self) -> None:
        """Let go of the file; the model goes once nothing more will be asked of it."""
        self._lines.close()
        if self.is_complete:
            shutil.rmtree(self.model, ignore_errors=True)


def _is_known(value: Any) -> bool:
    try:
        Tuning.from_json(value["tuning"]) if "tuning" in value else Asked.from_json(value)
    except (TypeError, KeyError, ValueError, AttributeError):
        return False
    return True


def _digest(documents: Sequence[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.path, document.language, document.text):
            digest.update(f"{len(part)} {part}".encode(errors="replace"))
    return digest.hexdigest()
