"""The journal of a predictor: its outcomes on disk, a JSON line each, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import codecompose_ls
from codecompose_ls import folders
from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.evaluation.sweep import sweep

#: A line is with the system at once, so that a killed process loses none; a machine without power at most so many.
_SYNCED_LINES = 16
#: Packages with no say in what is suggested or how it is judged.
_SILENT = frozenset(("assistants", "cli", "lsp", "telemetry", "tuning"))


class JsonLines:
    """JSON values in a file, a line each; what a kill has cut in the midst is cut off.

    Raises `InputError` where the file cannot be written: what is in it by then stays.
    """

    def __init__(self, path: Path, *, is_good: Callable[[Any], bool] = lambda value: True) -> None:
        self._path = path
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.values = self._read(is_good)
            self._file = path.open("a", encoding="utf-8")
        self._unsynced = 0

    def append(self, value: Any) -> None:
        self.values.append(value)
        with self._writing():
            self._file.write(json.dumps(value) + "\n")
            self._file.flush()
            self._unsynced += 1
            if self._unsynced >= _SYNCED_LINES:
                self._sync()

    def close(self) -> None:
        with self._writing(), self._file:
            self._sync()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            mend = "mend that, or set CODECOMPOSE_CACHE to a folder elsewhere; what is in it is kept"
            raise InputError(f"{self._path} cannot be written ({error.strerror}): {mend}") from error

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._unsynced = 0

    def _read(self, is_good: Callable[[Any], bool]) -> list[Any]:
        values = []
        good = 0
        content = self._path.read_bytes() if self._path.exists() else b""
        for line in content.splitlines(keepends=True):
            try:
                value = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or not is_good(value):
                break
            values.append(value)
            good += len(line)
        if good < len(content):
            os.truncate(self._path, good)
        return values


class Journal:
    """The outcomes under one key, by case. Two processes may write at once: the later line of a case counts."""

    def __init__(self, key: str, *, fresh: bool = False) -> None:
        self.path = folders.cache() / "evaluations" / f"{key}.jsonl"
        if fresh:
            self.path.unlink(missing_ok=True)
        sweep(self.path.parent)
        sweep(self.path.parent / "trees")
        self._lines = JsonLines(self.path, is_good=_is_outcome)
        self.outcomes = {outcome.case: outcome for outcome in map(Outcome.from_json, self._lines.values)}

    def append(self, outcome: Outcome) -> None:
        self.outcomes[outcome.case] = outcome
        self._lines.append(asdict(outcome))

    def close(self) -> None:
        self._lines.close()


def _is_outcome(value: Any) -> bool:
    try:
        Outcome.from_json(value)
    except (TypeError, AttributeError):
        return False
    return True


def key_of(conditions: Mapping[str, Any]) -> str:
    """Return the key of a predictor's journal: whatever could change an outcome, our own code among it."""
    text = json.dumps({**conditions, "code": _code()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def _code() -> str:
    root = Path(codecompose_ls.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] not in _SILENT:
            digest.update(path.as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
