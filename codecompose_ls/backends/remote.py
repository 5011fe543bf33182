"""A model behind an HTTP server: what it sees is masked, what it says is text and nothing else.

Implements `Backend`. Errors are `BackendError`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from codecompose_ls.backends.backend import Priority
from codecompose_ls.backends.circuit import State
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.dialect import Dialect
from codecompose_ls.backends.failures import Refused
from codecompose_ls.backends.masking import mask_context
from codecompose_ls.backends.request import Patience, Request
from codecompose_ls.errors import BackendError, Cancelled
from codecompose_ls.prompt.build import PREFIX_SHARE, SNIPPETS_SHARE
from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.prompt.text import BREAK, stop_texts
from codecompose_ls.types import Context, Piece, Sampling, Stop

#: Tokens kept free of what the server's model can take: for the answer, and for sentinels and metadata.
ANSWER_TOKENS, HEADER_TOKENS = 64, 32
#: Characters of code to a token, low enough for any tokenizer.
CHARACTERS_PER_TOKEN = 3
#: Loading a model may take long; nobody waits for it.
LOADING = Patience(read=120.0, total=120.0)
#: Characters that an answer may have for each token that was asked for.
CHARACTERS_OF_TOKEN = 128
#: Control characters (an escape could command a terminal), what reorders the text that is seen (CVE-2021-42574), halves
#: of characters, and what we have put in ourselves.
_NO_TEXT = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff" + BREAK + "]")


class RemoteBackend:
    """Asks the server behind `client` in its `dialect`; `template` is None where the server applies it.

    `context` is how many tokens its model takes, prompt and answer together.
    """

    def __init__(
        self, client: Client, dialect: Dialect, *, name: str, model: str, template: FimTemplate | None, context: int
    ) -> None:
        #: The model's name, with the server's.
        self.model = name
        self.client = client
        #: What the server calls it.
        self.asked_model = model
        self._dialect, self._template = dialect, template
        self._characters = (context - ANSWER_TOKENS - HEADER_TOKENS) * CHARACTERS_PER_TOKEN
        takes_snippets = bool(template.multi_file) if template else dialect.takes_snippets
        self.snippet_chars = int(self._characters * SNIPPETS_SHARE) if takes_snippets else 0
        self._stops = stop_texts(template) if template else ()
        self._warming: asyncio.Task[None] | None = None

    @property
    def notice(self) -> str:
        return self.client.notice

    @property
    def idle(self) -> bool:
        # Asking costs others: what is typed on at once is not worth it.
        return False

    @property
    def window_chars(self) -> tuple[int, int]:
        characters = self._characters - self.snippet_chars
        prefix = int(characters * PREFIX_SHARE)
        return prefix, characters - prefix

    @property
    def state(self) -> State:
        return self.client.circuit.state

    async def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        if stop.is_set():
            raise Cancelled
        told = self._told(context)
        request = self._dialect.completion(told, sampling, model=self.asked_model, template=self._template)
        room = sampling.max_tokens * CHARACTERS_OF_TOKEN
        async with aclosing(self.client.stream(request, self._dialect.piece)) as pieces:
            async for piece in pieces:
                if stop.is_set():
                    raise Cancelled
                kept = until(self._stops, plain(piece), room=room)
                room -= len(kept.text)
                yield replace(kept, model=self.model)
                if kept.finish and not piece.finish:
                    return

    async def warm(self, context: Context) -> None:
        if self._warming is None or self._warming.done():
            told = self._told(context)
            request = self._dialect.warm_up(told, model=self.asked_model, template=self._template)
            if request is not None and self.state is State.CLOSED:
                self._warming = asyncio.ensure_future(self._warm_up(request))

    async def probe(self) -> list[str]:
        """Return the names of the models that the server lists. Raises `BackendError`."""
        return self._dialect.model_names(await self.client.get(self._dialect.models_path))

    async def is_there(self) -> bool:
        """Look whether a server that was down answers again; if not, it is left alone for longer."""
        try:
            await self.probe()
        except BackendError as error:
            if not isinstance(error, Refused) or error.status >= 500:
                self.client.circuit.failed()
                return False
        return True

    def close(self) -> None:
        self.client.close()

    def _told(self, context: Context) -> Context:
        """Return what the server may see of a context: no secrets, and no more snippets than there is room for."""
        room, snippets = self.snippet_chars, []
        for snippet in context.snippets:
            room -= len(snippet.path) + len(snippet.text)
            if room < 0:
                break
            snippets.append(snippet)
        return mask_context(replace(context, snippets=tuple(snippets)))

    async def _warm_up(self, request: Request) -> None:
        with suppress(BackendError):
            async with aclosing(self.client.stream(request, self._dialect.piece, patience=LOADING)) as pieces:
                async for _ in pieces:
                    pass


def plain(piece: Piece) -> Piece:
    """Return a piece that is text and nothing else."""
    return replace(piece, text=_NO_TEXT.sub("", piece.text))


def until(stops: Sequence[str], piece: Piece, *, room: int) -> Piece:
    """Return a piece up to the first sentinel or the last character that there is room for; then it is the last."""
    ends = [place for place in (piece.text.find(stop) for stop in stops) if place >= 0]
    if ends:
        piece = replace(piece, text=piece.text[: min(ends)], finish="stop")
    return piece if len(piece.text) < room else replace(piece, text=piece.text[:room], finish="length")
