"""One request on its way through the pipeline: what it sees, its stopwatch, and the flight it waits for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from codecompose_ls.completion.cache import Key
from codecompose_ls.completion.flight import Flight
from codecompose_ls.completion.window import Window, window
from codecompose_ls.types import Answer, Clock, CompletionRequest, Document, Suggestion, Trigger


@dataclass(frozen=True, slots=True)
class View:
    """A request with the popup's selection put in, and the window around the cursor that results."""

    request: CompletionRequest
    document: Document
    offset: int
    window: Window
    key: Key

    @property
    def invoked(self) -> bool:
        return self.request.trigger is Trigger.INVOKED

    @property
    def selected_start(self) -> int:
        """Where the popup's item begins; the cursor without one."""
        start = self.request.selected_start
        return self.request.offset if self.request.selected is None or start is None else start


def view_of(request: CompletionRequest, *, model: str, limits: tuple[int, int]) -> View:
    """Put the popup's selected item into the document, as if the editor had inserted it, and look around the cursor."""
    document, offset = request.document, request.offset
    if request.selected is not None:
        start = offset if request.selected_start is None else request.selected_start
        document = replace(document, text=document.text[:start] + request.selected + document.text[offset:])
        offset = start + len(request.selected)
    seen = window(document, offset, limits=limits)
    key = Key(document.uri, document.language, model, seen.prefix, seen.suffix)
    return View(request, document, offset, seen, key)


class Turn:
    """The state of one request; times in milliseconds."""

    def __init__(self, clock: Clock) -> None:
        self.started = self._last = clock()
        self.flight: Flight | None = None
        self.task: asyncio.Task[Answer] | None = None
        self._clock = clock
        self._stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Book the time since the last lap to a stage."""
        now = self._clock()
        self._stages[stage] = self._stages.get(stage, 0.0) + now - self._last
        self._last = now

    def board(self, flight: Flight | None, *, typed: str = "") -> None:
        """Wait for this flight instead of the one before, if any."""
        previous, self.flight = self.flight, flight
        if flight is not None:
            flight.join(typed)
        if previous is not None:
            previous.leave()

    async def outcome(self, *, patience_ms: float) -> Answer | None:
        """Wait for the task's answer, "superseded" when a newer turn has cancelled it, None when patience runs out."""
        assert self.task is not None
        try:
            await asyncio.wait({self.task}, timeout=patience_ms / 1000)
        except asyncio.CancelledError:
            self.task.cancel()
            raise
        if not self.task.done():
            self.task.cancel()
            return None
        return self.answer(None, "superseded") if self.task.cancelled() else self.task.result()

    def answer(self, suggestion: Suggestion | None, reason: str = "") -> Answer:
        latency = self._clock() - self.started
        if suggestion is not None:
            suggestion = replace(suggestion, latency_ms=latency)
        return Answer(suggestion, reason, latency, dict(self._stages))
