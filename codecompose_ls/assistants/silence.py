"""What is done while a chat model says nothing: its user is told so and, where another can do the work, it is looked
whether it is there at all.

A large model reads a long prompt for a minute or more, and is waited for as long as the settings say. A server that
accepts and never answers is another matter: one that is alive lists its models in the meantime, whatever it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from codecompose_ls.backends.chat import Chat

T = TypeVar("T")

#: After so many seconds of silence, and again after each as long, the user is told and the model is looked at.
PAUSE_S = 5.0


class Silence:
    """From a question to the first text of its answer; `tell` gets a line on how it is going.

    `looks` says whether a model that gives no sign of life is given up.
    """

    def __init__(self, chat: Chat, tell: Callable[[str], None], *, looks: bool) -> None:
        self._chat, self._tell, self._looks = chat, tell, looks
        self._broken = asyncio.Event()

    @property
    def is_broken(self) -> bool:
        return self._broken.is_set()

    def end(self) -> None:
        self._broken.set()

    async def attend(self, answering: Coroutine[Any, Any, T]) -> T:
        """Return what comes of an answer. Raises what it raises, and `BackendError` where it was given up."""
        answer, watch = asyncio.ensure_future(answering), asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({answer, watch}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                watch.result()
            return await answer
        finally:
            answer.cancel()
            watch.cancel()
            # Until then the connection is not closed.
            await asyncio.gather(answer, watch, return_exceptions=True)

    async def _watch(self) -> None:
        hearing, seconds = asyncio.ensure_future(self._broken.wait()), 0.0
        try:
            while not (await asyncio.wait({hearing}, timeout=PAUSE_S))[0]:
                seconds += PAUSE_S
                self._tell(f"{self._chat.model} has said nothing for {seconds:.0f} s")
                if self._looks:
                    await self._chat.look()
        finally:
            hearing.cancel()
