"""From pieces to what a client reads: text up to a stop string, and server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Send

from codecompose_ls.service.faults import fault_of
from codecompose_ls.types import Piece


async def until(stops: Sequence[str], pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    """Yield the pieces up to the first of `stops`, which is left out; text that may begin one waits for the next piece.

    One piece comes out for each that goes in, so that tokens can be counted.
    """
    held = ""
    async with aclosing(pieces):
        async for piece in pieces:
            text = held + piece.text
            found = [place for place in (text.find(stop) for stop in stops) if place >= 0]
            if found:
                yield replace(piece, text=text[: min(found)], finish="stop")
                return
            kept = 0 if piece.finish else max((_overlap(text, stop) for stop in stops), default=0)
            held = text[len(text) - kept :]
            yield replace(piece, text=text[: len(text) - kept])


def _overlap(text: str, stop: str) -> int:
    """Return how much of the end of `text` is a beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


async def begun(chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[dict[str, Any], None]:
    """Wait for the first chunk, so that what goes wrong before it still has a status, and return all of them."""
    first = await anext(chunks)

    async def all_of_them() -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return all_of_them()


class EventStream(StreamingResponse):
    """Server-sent events, one JSON object each; the last is [DONE], or an error in OpenAI's shape."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[dict[str, Any], None]) -> None:
        self._events = _events(chunks)
        # Proxies must not collect them.
        super().__init__(self._events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._events):
            await super().stream_response(send)


async def _events(chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[str, None]:
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                yield _event(chunk)
        except Exception as error:
            # The status is sent long ago; the client learns it in an event.
            yield _event(fault_of(error).body)
            return
    yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"
