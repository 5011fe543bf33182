"""Models that talk, for the assistants: a list of messages in, a stream of text out.

`Chat` is what an assistant needs of any of them; `RemoteChat` asks a server, with the same care as for completions.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from codecompose_ls.backends.client import Client
from codecompose_ls.backends.dialect import Dialect, Message
from codecompose_ls.backends.masking import mask
from codecompose_ls.backends.remote import plain
from codecompose_ls.backends.request import Patience
from codecompose_ls.errors import Cancelled
from codecompose_ls.types import Piece, Sampling, Stop

#: An answer to read is waited for longer than one to type on.
PATIENCE = Patience(connect=5.0, read=60.0, write=10.0, pool=5.0, total=600.0)

#: A server that is alive has an answer of some kind in this time, even while a model reads.
LOOK = Patience(connect=5.0, read=5.0, write=5.0, pool=5.0, total=5.0)


class Chat(Protocol):
    """Answers talks. Errors are `EngineError`, `BackendError`, `ModelError`; a stop that was set raises `Cancelled`."""

    #: Name of the model that answers.
    model: str
    #: Tokens that it takes, prompt and answer together.
    context: int

    def chat(self, messages: Sequence[Message], sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        """Yield the next turn as it is generated; the caller may leave early (`aclose`), which stops the generation."""
        ...

    async def look(self) -> None:
        """See whether one that says nothing is there at all. Raises `BackendError` where it gives no sign of life."""
        ...

    def close(self) -> None: ...


class RemoteChat:
    """Implements `Chat`. Secrets in the messages are masked before they are sent."""

    def __init__(self, client: Client, dialect: Dialect, *, name: str, model: str, context: int) -> None:
        self.model, self.context = name, context
        self.client = client
        #: What the server calls it.
        self.asked_model = model
        self._dialect = dialect

    async def chat(self, messages: Sequence[Message], sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        masked = [replace(message, content=mask(message.content)) for message in messages]
        request = self._dialect.chat(masked, sampling, model=self.asked_model)
        async with aclosing(self.client.stream(request, self._dialect.chat_piece)) as pieces:
            async for piece in pieces:
                if stop.is_set():
                    raise Cancelled
                yield replace(plain(piece), model=self.model)

    async def probe(self) -> list[str]:
        """Return the names of the models that the server lists. Raises `BackendError`."""
        return self._dialect.model_names(await self.client.get(self._dialect.models_path))

    async def look(self) -> None:
        await self.client.look(self._dialect.models_path, LOOK)

    def close(self) -> None:
        self.client.close()
