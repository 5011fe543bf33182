"""A person typing a file that exists, through a real server, and taking the suggestions that are right.

Knows nothing about drawing; `demo` draws the keystrokes, `bench` times them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsprotocol import types as lsp

    from codecompose_ls.lsp.client.session import Session


@dataclass(frozen=True, slots=True)
class Keystroke:
    """What stands on the screen after one key: `text` with the cursor at `offset`, and the ghost text there, if any."""

    text: str
    offset: int
    ghost: str
    #: Id of the suggestion the ghost text belongs to; the same id from key to key while it is typed through.
    suggestion: str
    latency_ms: float
    #: The ghost text is what comes next, so the typist takes it with this key.
    accepted: bool


def ghost_of(items: list[lsp.InlineCompletionItem]) -> tuple[str, str]:
    """Return the ghost text of an answer and the id that rides in its command; empty without a suggestion."""
    if not items:
        return "", ""
    command = items[0].command
    return str(items[0].insert_text), str(command.arguments[0]) if command and command.arguments else ""


class Typist:
    """Types `text[start:end]` into a document that holds the rest of `text` already.

    `pause_s` is the time between two keys, counted from key to key as a person does.
    """

    def __init__(self, session: Session, *, pause_s: float = 0.0) -> None:
        self._session = session
        self._pause_s = pause_s

    async def type(self, uri: str, text: str, *, start: int, end: int, language: str) -> AsyncIterator[Keystroke]:
        """Open `uri` without `text[start:end]`, then type it; yields one keystroke a request."""
        head, middle, tail = text[:start], text[start:end], text[end:]
        await self._session.open(uri, head + tail, language)
        typed = 0
        while typed < len(middle):
            pressed = time.perf_counter()
            items = await self._session.inline(uri, start + typed)
            latency_ms = (time.perf_counter() - pressed) * 1000
            ghost, suggestion = ghost_of(items)
            if items:
                await self._session.show(items[0])
            taken = ghost if ghost.strip() and middle.startswith(ghost, typed) else ""
            yield Keystroke(head + middle[:typed] + tail, start + typed, ghost, suggestion, latency_ms, bool(taken))
            key = taken or self._next_key(middle, typed)
            self._session.change(uri, start + typed, start + typed, key)
            if taken:
                await self._session.accept(items[0])
            typed += len(key)
            await asyncio.sleep(max(0.0, self._pause_s - (time.perf_counter() - pressed)))

    @staticmethod
    def _next_key(middle: str, typed: int) -> str:
        """One character; a newline brings its indentation along, as editors indent by themselves."""
        if middle[typed] != "\n":
            return middle[typed]
        rest = middle[typed + 1 :]
        return "\n" + rest[: len(rest) - len(rest.lstrip(" \t"))]
