"""An editor with one document for the tests of Life: what it does is told the way a server would tell it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.life import Life
from codecompose_ls.types import Answer, CompletionRequest, Document, Source, Suggestion

URI = "file:///project/app.py"


class Alarm:
    """A callback that waits for its time."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Timer:
    """`call_later` with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._alarms: list[tuple[float, int, Alarm]] = []

    def __call__(self, delay: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(callback)
        heapq.heappush(self._alarms, (self.now + delay, next(self._order), alarm))
        return alarm

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._alarms and self._alarms[0][0] <= until + 1e-9:
            self.now, _, alarm = heapq.heappop(self._alarms)
            if alarm.callback is not None:
                alarm.callback()
        self.now = until

    @property
    def pending(self) -> int:
        return sum(alarm.callback is not None for _, _, alarm in self._alarms)


class Editor:
    """A document, a cursor and a `Life` that is told of both."""

    def __init__(
        self, text: str = "", *, record: Callable[[Event], None] | None = None, language: str = "python"
    ) -> None:
        self.language = language
        self.events: list[Event] = []
        self.timer = Timer()
        self.life = Life(record or self.events.append, timer=self.timer, clock=lambda: self.timer.now)
        self.text = text
        self.cursor = len(text)
        self.life.opened(URI, language, text)

    def ask(self, text: str | None, id: str = "one", **answered: Any) -> None:
        """Ask at the cursor and answer with a suggestion of this text, or with none for a reason."""
        request = CompletionRequest(Document(URI, "app.py", self.language, self.text), self.cursor)
        self.life.answered(request, self.answer(text, id, **answered))

    def answer(
        self,
        text: str | None,
        id: str = "one",
        *,
        source: Source = Source.ENGINE,
        reason: str = "",
        cover: int = 0,
        model: str = "base",
        latency_ms: float = 7.0,
    ) -> Answer:
        if text is None:
            return Answer(None, reason, latency_ms)
        suggestion = Suggestion(id, text, self.cursor, self.cursor + cover, source, self.language, model)
        return Answer(suggestion, latency_ms=latency_ms)

    def put(self, inserted: str, *, remove: int = 0, before: int = 0) -> None:
        """Insert at the cursor, in place of `before` characters before and `remove` after it."""
        start = self.cursor - before
        self.text = self.text[:start] + inserted + self.text[self.cursor + remove :]
        self.cursor = start + len(inserted)
        self.life.changed(URI, self.text)

    def type(self, text: str) -> None:
        for character in text:
            self.put(character)

    def replace(self, text: str) -> None:
        """Become another text, as by undo or reload."""
        self.text, self.cursor = text, len(text)
        self.life.changed(URI, text)

    def wait(self, seconds: float) -> None:
        self.timer.advance(seconds)

    def kinds(self, *, id: str | None = None) -> list[str]:
        """What has been told so far, typing aside; of one suggestion, its requests aside as well."""
        asked = (Kind.GENERATED, Kind.CACHED)
        told = [event for event in self.events if event.kind is not Kind.TYPED]
        if id is not None:
            told = [event for event in told if event.suggestion == id and event.kind not in asked]
        return [event.kind.value for event in told]

    def characters(self, kind: Kind) -> list[int | None]:
        return [event.characters for event in self.events if event.kind is kind]

    def typed(self) -> int:
        """Characters typed, all told."""
        self.wait(30)
        return sum(event.characters or 0 for event in self.events if event.kind is Kind.TYPED)


def shown(text: str, id: str = "one", *, document: str = "x = ") -> Editor:
    editor = Editor(document)
    editor.ask(text, id)
    editor.wait(1)
    return editor
