"""Typed: sums up what is typed and tells it now and then, not key by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.retention import Cancel, Timer

TYPED_EVERY_S = 30.0


class Typed:
    """Characters typed, by language and by the model that answered last where they were typed."""

    def __init__(self, tell: Callable[[Event], None], *, timer: Timer) -> None:
        self._tell = tell
        self._timer = timer
        self._characters: Counter[tuple[str, str]] = Counter()
        self._telling: Cancel | None = None

    def count(self, characters: int, *, language: str, model: str) -> None:
        """Add characters; less than 0 takes back what turned out to be none."""
        self._characters[language, model] += characters
        if characters and self._telling is None:
            self._telling = self._timer(TYPED_EVERY_S, self.flush)

    def flush(self) -> None:
        """Tell what has been counted since the last time."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        for (language, model), characters in self._characters.items():
            if characters:
                self._tell(Event(Kind.TYPED, language, model, characters=characters))
        self._characters.clear()
