"""A generation under way: what it was asked for, its text so far, and who waits for it.

A request can join a flight that began at its cursor, or earlier as long as what was typed since agrees with the text so
far. The last one to leave stops it; a speculative flight, which nobody has waited for, goes on until it lands or is
stopped.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from dataclasses import dataclass
from uuid import uuid4

from codecompose_ls.backends.backend import Backend, Priority
from codecompose_ls.completion.cache import Entry, Key
from codecompose_ls.completion.confidence import aligned
from codecompose_ls.completion.postprocess import postprocess
from codecompose_ls.completion.stopping import Place, stop_at
from codecompose_ls.errors import Cancelled, CodeComposeError
from codecompose_ls.types import Context, Piece, Sampling


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a backend, and for whom."""

    key: Key
    place: Place
    context: Context
    sampling: Sampling
    priority: Priority = Priority.REQUEST
    invoked: bool = False


class Flight:
    """One generation; `landed` yields what came of it."""

    def __init__(self, ask: Ask, backend: Backend) -> None:
        self.ask, self.backend = ask, backend
        self.text = ""
        #: What the user has typed since, as far as the latest waiter knows.
        self.typed = ""
        #: The backend's failure, in one line.
        self.error = ""
        self.stop_flag = threading.Event()
        self.task = asyncio.ensure_future(self._run())
        self._waiters = 0

    def typed_since(self, key: Key) -> str | None:
        """Return what was typed since the flight began, or None when its text cannot serve a request for `key`."""
        mine = self.ask.key
        same = (mine.uri, mine.language, mine.model, mine.suffix) == (key.uri, key.language, key.model, key.suffix)
        if not same or self.task.done() or self.stop_flag.is_set() or not key.prefix.startswith(mine.prefix):
            return None
        typed = key.prefix[len(mine.prefix) :]
        return typed if _agree(self.text, typed) else None

    def join(self, typed: str = "") -> None:
        self.typed = typed
        self._waiters += 1

    def leave(self) -> None:
        self._waiters -= 1
        if self._waiters == 0:
            self.stop()

    def stop(self) -> None:
        """Tell the engine to stop before its next token, and end the task even if the backend hangs."""
        if not self.task.done():
            self.stop_flag.set()
            self.task.cancel()

    async def landed(self) -> Entry | None:
        """Wait for the end; None when it was stopped. Being cancelled while waiting does not stop the flight."""
        await asyncio.wait({self.task})
        return None if self.task.cancelled() else self.task.result()

    async def _run(self) -> Entry:
        try:
            pieces = await self._stream()
        except Cancelled:
            return self._nothing("cancelled")
        except CodeComposeError as error:
            self.error = str(error)
            return self._nothing("failed")
        except Exception as error:
            # A fault of the backend must cost one suggestion, not the server.
            self.error = f"{type(error).__name__}: {error}"
            return self._nothing("failed")
        if not _agree(self.text, self.typed):
            return self._nothing("diverged")
        if not self.text:
            return self._nothing("empty")
        result = postprocess(self.text, self.ask.place, invoked=self.ask.invoked)
        if not result.text:
            return self._nothing(f"filtered:{result.dropped_by}")
        model = next((piece.model for piece in reversed(pieces) if piece.model), self.ask.key.model)
        return Entry(uuid4().hex, result.text, model, aligned(result.text, pieces))

    async def _stream(self) -> list[Piece]:
        """Collect text until the backend ends, a stop rule speaks or the typist disagrees; return what it came in."""
        ask = self.ask
        pieces: list[Piece] = []
        stream = self.backend.stream(ask.context, ask.sampling, stop=self.stop_flag, priority=ask.priority)
        async with aclosing(stream) as streamed:
            async for piece in streamed:
                self.text += piece.text
                pieces.append(piece)
                end = stop_at(self.text, self.ask.place)
                if end is not None or not _agree(self.text, self.typed):
                    self.stop_flag.set()
                    self.text = self.text[:end]
                    break
                if piece.finish == "length" and "\n" in self.text.strip():
                    # The last line is cut off in its midst.
                    self.text = self.text[: self.text.rfind("\n")]
        return pieces

    def _nothing(self, reason: str) -> Entry:
        return Entry("", "", self.ask.key.model, reason=reason)


def _agree(text: str, typed: str) -> bool:
    """Say whether what was typed and the text so far can be the same text."""
    return text.startswith(typed) or typed.startswith(text)
