"""What was typed lately: lines of a file that were not in it when the editor showed it first. In memory only."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from codecompose_ls.index.lexemes import BREAK, Ids

#: Files that are followed, those of the latest changes: some 60 kB for one of 1,000 lines.
FILES = 32


class Recent:
    """The lines that files had at first; paths are relative to the workspace. Any thread may use it."""

    def __init__(self) -> None:
        self._first: LRUCache[str, frozenset[int]] = LRUCache(FILES)
        #: Another number whenever `fresh` may have another answer.
        self.version = 0
        self._lock = threading.Lock()

    def saw(self, path: str, text: str) -> None:
        """Take note of a file that the editor shows; only its first text counts."""
        with self._lock:
            if path in self._first:
                return
        lines = frozenset(map(hash, map(str.strip, text.split("\n"))))
        with self._lock:
            self._first[path] = lines
            self.version += 1

    def forget(self) -> None:
        """Follow no file any more."""
        with self._lock:
            self._first.clear()
            self.version += 1

    def fresh(self, path: str, text: str, ids: Sequence[int] | Ids, *, opened: bool = True) -> NDArray[np.bool_] | None:
        """Return which lexemes of a file's text are on fresh lines, (lexemes,); None if it has none or is not followed.

        `ids` are its lexemes as `Vocabulary.encode` has them; without `opened` its first line is a part of one, and not
        fresh. A line break belongs to the line that it ends.
        """
        with self._lock:
            first = self._first.get(path)
        if first is None:
            return None
        lines = map(str.strip, text.split("\n")[0 if opened else 1 :])
        fresh = [hash(line) not in first for line in lines if line]
        if not any(fresh):
            return None
        breaks = np.asarray(ids, dtype=np.uint32) == BREAK
        lines_before = np.cumsum(breaks)
        by_line = np.zeros(int(lines_before[-1]) + 1, dtype=np.bool_)
        by_line[1 : 1 + len(fresh)] = fresh
        flags: NDArray[np.bool_] = by_line[lines_before - breaks]
        return flags
