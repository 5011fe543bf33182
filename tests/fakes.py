"""Stand-ins for tests: a backend whose answers, speed and failures are the test's to say."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from codecompose_ls.backends.backend import Priority
from codecompose_ls.errors import Cancelled
from codecompose_ls.types import Context, Piece, Sampling, Stop


class Hang:
    """A step that never ends."""


HANG = Hang()
#: A step of an answer: text, an event to wait for, an error to fail with, or no end.
Step = str | asyncio.Event | Exception | Hang
Answer = str | Exception | Sequence[Step]


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of `FakeBackend.stream`."""

    context: Context
    sampling: Sampling
    stop: Stop
    priority: Priority


class FakeBackend:
    """Streams prepared answers in the order it is asked, and then empty ones.

    A str comes word by word. A sequence can be slow: an event in it is waited for, and `HANG` never ends. With `reply`
    the answer is computed from the context instead. Each piece has the same `logprob`: it is sure of all that it says.
    A stop that is set raises `Cancelled` before the next piece.
    """

    def __init__(
        self,
        *answers: Answer,
        reply: Callable[[Context], str] | None = None,
        model: str = "fake",
        window_chars: tuple[int, int] = (2800, 1200),
        logprob: float = -0.001,
    ) -> None:
        self.answers = deque(answers)
        self.reply = reply
        self.model = model
        self.window_chars = window_chars
        self.logprob = logprob
        self.notice = ""
        self.idle = True
        self.snippet_chars = 0
        self.asked: list[Asked] = []
        self.warmed: list[Context] = []
        self.is_closed = False
        #: Set with every call of `stream`; a test that waits for the next one clears it.
        self.called = asyncio.Event()

    async def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        self.asked.append(Asked(context, sampling, stop, priority))
        self.called.set()
        answer = self.reply(context) if self.reply else self.answers.popleft() if self.answers else ""
        if isinstance(answer, Exception):
            raise answer
        steps = re.findall(r"\s+|\w+|\W", answer) if isinstance(answer, str) else answer
        for step in steps:
            # Whoever else is ready gets to run between two pieces, as with an engine on a thread of its own.
            await asyncio.sleep(0)
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Exception):
                raise step
            elif isinstance(step, Hang):
                await asyncio.get_running_loop().create_future()
            else:
                if stop.is_set():
                    raise Cancelled
                yield Piece(step, logprob=self.logprob)
        yield Piece("", finish="stop")

    async def warm(self, context: Context) -> None:
        self.warmed.append(context)

    def close(self) -> None:
        self.is_closed = True
