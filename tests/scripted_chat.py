"""A chat model that says what the test wants, piece by piece, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from codecompose_ls.backends.dialect import Message
from codecompose_ls.errors import Cancelled
from codecompose_ls.types import Piece, Sampling, Stop


class ScriptedChat:
    """Implements `Chat`: each talk gets the same answer; `finish` is how it ends, None for a stream that just stops."""

    model = "scripted"

    def __init__(self, answer: str = "", *, finish: str | None = "stop", piece: int = 7, context: int = 8192) -> None:
        self.context = context
        self.answer, self.finish, self.piece = answer, finish, piece
        self.asked: list[str] = []
        self.sampled: list[Sampling] = []

    async def chat(self, messages: Sequence[Message], sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        self.asked += [message.content for message in messages]
        self.sampled.append(sampling)
        for start in range(0, len(self.answer), self.piece):
            if stop.is_set():
                raise Cancelled
            yield Piece(self.answer[start : start + self.piece])
        if self.finish is not None:
            yield Piece("", finish=self.finish)

    async def look(self) -> None:
        pass

    def close(self) -> None:
        pass
