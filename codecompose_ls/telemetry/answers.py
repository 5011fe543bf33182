"""Answers: what an answer to a request says of it; pure."""

from __future__ import annotations

from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.types import Answer, CompletionRequest, Source


def request_event(request: CompletionRequest, answer: Answer) -> Event:
    """Return the event of a request without its suggestion and its model."""
    kind, reason = _outcome(answer)
    return Event(
        kind,
        request.document.language,
        reason=reason,
        trigger=request.trigger.value,
        position=position_of(request.document.text, request.offset),
        latency_ms=answer.latency_ms,
    )


def position_of(text: str, offset: int) -> Position:
    """Say where in its line a cursor is; white space aside, and an empty line is a start."""
    start, end = text.rfind("\n", 0, offset) + 1, text.find("\n", offset)
    if not text[start:offset].strip():
        return Position.LINE_START
    return Position.MID_LINE if text[offset : len(text) if end < 0 else end].strip() else Position.LINE_END


def _outcome(answer: Answer) -> tuple[Kind, str | None]:
    """Return what became of a request, and for filtered by what."""
    if answer.suggestion is not None:
        known = answer.suggestion.source in (Source.TYPED_THROUGH, Source.CACHE)
        return (Kind.CACHED if known else Kind.GENERATED), None
    word, _, detail = answer.reason.partition(":")
    if word in ("filtered", "trigger"):
        return Kind.FILTERED, detail if word == "filtered" else answer.reason
    if word in ("superseded", "cancelled"):
        return Kind.CANCELLED, None
    return (Kind.FAILED if word == "failed" else Kind.EMPTY), None
