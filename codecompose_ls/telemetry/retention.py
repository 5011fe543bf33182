"""Retention: what has become of accepted text 30 s, 2 min, 5 min and 10 min later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from codecompose_ls.telemetry.edits import Edit
from codecompose_ls.telemetry.events import RETENTION_S


class Cancel(Protocol):
    def cancel(self) -> object: ...


#: Call back after so many seconds; `asyncio.AbstractEventLoop.call_later` is one.
Timer = Callable[[float, Callable[[], None]], Cancel]


@dataclass(slots=True)
class Span:
    """[start, end) of a document: a place that moves with the edits around it and grows with those inside."""

    start: int
    end: int

    def shift(self, edit: Edit) -> None:
        if edit.end <= self.start:
            self.start += edit.growth
            self.end += edit.growth
        elif edit.start < self.end:
            after = edit.start + len(edit.inserted)
            # What begins outside belongs outside.
            self.start = self.start if edit.start >= self.start else after
            self.end = max(self.end + edit.growth, after)


class Kept:
    """An accepted text and its place in a document; calls `look(after_s, kept)` at each moment of `RETENTION_S`."""

    def __init__(self, text: str, span: Span, *, look: Callable[[int, Kept], None], timer: Timer) -> None:
        self.text = text
        self.span = span
        self._look = look
        self._timer = timer
        self._wait(0)

    def forget(self) -> None:
        """Look no more."""
        self._pending.cancel()

    def _wait(self, index: int) -> None:
        passed = RETENTION_S[index - 1] if index else 0
        self._pending = self._timer(RETENTION_S[index] - passed, lambda: self._reach(index))

    def _reach(self, index: int) -> None:
        self._look(RETENTION_S[index], self)
        if index + 1 < len(RETENTION_S):
            self._wait(index + 1)


def edit_similarity(one: str, other: str) -> float:
    """Return how alike two texts are, 0 to 1 (rapidfuzz's ratio: normalised insertions and deletions)."""
    from rapidfuzz.fuzz import ratio

    return ratio(one, other) / 100
