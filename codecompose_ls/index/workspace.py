"""The workspace as the index knows it: the segment built from disk, and newer versions of single files over it.

Written to by one thread, read by the engine's; a reader gets a `View` that does not change any more.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from codecompose_ls.index.candidates import Flags
from codecompose_ls.index.lexemes import Vocabulary
from codecompose_ls.index.recent import Recent
from codecompose_ls.index.segment import Files, Segment

#: Newer versions of files are searched one lexeme after the other: past this many, the segment is due for a rebuild.
MAX_OVERLAY = 500_000
#: Texts whose lexemes are remembered: the parts of two or three documents.
REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class View:
    """What is known at one moment: sources, and which of their files are hidden by newer versions."""

    sources: tuple[tuple[Files, Flags], ...]
    #: How rare each id is in the project, 0 to about 1.5; with room for ids to come, as `words`.
    rarity: NDArray[np.float32]
    words: Flags

    def without(self, path: str) -> tuple[tuple[Files, Flags], ...]:
        """Return the sources with one path hidden: the document at hand speaks for itself."""
        return tuple((files, hidden | (files.names == path)) for files, hidden in self.sources)


class Workspace:
    """The newest version of every file; paths are relative to `root`, with forward slashes. Any thread may use it."""

    def __init__(
        self,
        vocabulary: Vocabulary | None = None,
        base: Segment | None = None,
        *,
        root: Path | None = None,
        recent: Recent | None = None,
    ) -> None:
        self.vocabulary = vocabulary or Vocabulary()
        self.recent = recent or Recent()
        self._root = root
        self._base = base
        self._newer: dict[str, Sequence[int]] = {}
        self._fresh: dict[str, Flags | None] = {}
        self._texts: dict[str, str] = {}
        self._gone: set[str] = set()
        self._lock = threading.Lock()
        self._view: View | None = None
        self._lexed: LRUCache[tuple[str, bool], Sequence[int]] = LRUCache(REMEMBERED)
        self._marked: LRUCache[tuple[int, str, str, bool], Flags | None] = LRUCache(REMEMBERED)

    @property
    def overlay(self) -> int:
        """Lexemes in newer versions of files."""
        with self._lock:
            return sum(map(len, self._newer.values()))

    @property
    def changed(self) -> set[str]:
        """The files that are not as the segment has them."""
        with self._lock:
            return {*self._newer, *self._gone}

    def paths(self) -> list[str]:
        """Return what is known, sorted."""
        with self._lock:
            base = self._base.paths if self._base else ()
            return sorted({path for path in base if path not in self._gone}.union(self._newer))

    def update(self, path: str, text: str) -> None:
        """Take a newer version of a file; 2 ms for 1,000 lines."""
        # Readers do not wait for this: the vocabulary only grows.
        lexemes = self.vocabulary.encode(text)
        fresh = self.recent.fresh(path, text, lexemes)
        with self._lock:
            self._newer[path], self._fresh[path] = lexemes, fresh
            self._texts[path] = text
            self._gone.discard(path)
            self._view = None

    def remove(self, path: str) -> None:
        """Forget a file, or all that is in a folder."""
        with self._lock:
            below = f"{path}/"
            known = (*self._newer, *(self._base.paths if self._base else ()))
            gone = {one for one in known if one == path or one.startswith(below)}
            if gone - self._gone:
                self._newer = {one: lexemes for one, lexemes in self._newer.items() if one not in gone}
                self._fresh = {one: fresh for one, fresh in self._fresh.items() if one not in gone}
                self._texts = {one: text for one, text in self._texts.items() if one not in gone}
                self._gone |= gone
                self._view = None

    def revert(self, path: str) -> None:
        """Show a file as the segment has it again."""
        with self._lock:
            self._newer.pop(path, None)
            self._fresh.pop(path, None)
            self._texts.pop(path, None)
            self._gone.discard(path)
            self._view = None

    def text(self, path: str) -> str | None:
        """Return the text of a file, which on disk may be another than the index has; None where there is none."""
        with self._lock:
            text = self._texts.get(path)
        if text is None and self._root is not None:
            try:
                text = (self._root / path).read_bytes().decode("utf-8", "replace")
            except OSError:
                return None
        return text

    def lexemes(self, *texts: str) -> list[Sequence[int]]:
        """Return the lexemes of texts; all but the first begin where the one before ended."""
        return [self._encoded(text, not number) for number, text in enumerate(texts)]

    def fresh(self, path: str, above: str, below: str) -> tuple[Flags | None, Flags | None]:
        """Return which lexemes of a document were typed lately, above a line and from somewhere in it on."""
        return self._fresh_lexemes(path, above, True), self._fresh_lexemes(path, below, False)

    def _encoded(self, text: str, opened: bool) -> Sequence[int]:
        """Return the lexemes of a text; while one types, what is above and below the line stays the same."""
        with self._lock:
            found = self._lexed.get((text, opened))
        if found is None:
            found = self.vocabulary.encode(text, opened=opened)
            with self._lock:
                self._lexed[text, opened] = found
        return found

    def _fresh_lexemes(self, path: str, text: str, opened: bool) -> Flags | None:
        key = self.recent.version, path, text, opened
        with self._lock:
            if key in self._marked:
                return self._marked[key]
        found = self.recent.fresh(path, text, self._encoded(text, opened), opened=opened)
        with self._lock:
            self._marked[key] = found
        return found

    def view(self) -> View:
        """Return what is known now."""
        with self._lock:
            if self._view is None or len(self._view.words) < len(self.vocabulary):
                self._view = self._make_view()
            return self._view

    def _make_view(self) -> View:
        words = self.vocabulary.words()
        changed = {*self._newer, *self._gone}
        sources: list[tuple[Files, Flags]] = []
        counts = np.ones(len(words), dtype=np.float32)
        if self._base is not None:
            hidden = np.array([path in changed for path in self._base.paths], dtype=np.bool_)
            sources.append((self._base, hidden))
            counts[: len(self._base.heads) - 1] += np.diff(self._base.heads)
        if self._newer:
            newer = Files.of(self._newer.items(), fresh=self._fresh.values())
            sources.append((newer, np.zeros(len(newer.paths), dtype=np.bool_)))
            counts += np.bincount(newer.tokens, minlength=len(counts))
        rarity = (np.log(counts.sum() / counts) / 10).astype(np.float32)
        return View(tuple(sources), rarity, words)
