"""One answer of a model: checked, cut at stop strings, counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from codecompose_ls.backends.backend import PromptBackend
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.faults import Fault
from codecompose_ls.service.streaming import until
from codecompose_ls.types import Piece, Prompt, Sampling


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer as far as it has come: one piece for each token."""

    model: str
    prompt_tokens: int
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))
    pieces: list[Piece] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def finish(self) -> str | None:
        return self.pieces[-1].finish

    @property
    def usage(self) -> dict[str, int]:
        asked, answered = self.prompt_tokens, len(self.pieces)
        return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}

    def head(self, prefix: str, kind: str) -> dict[str, Any]:
        """Return the fields that every answer and every chunk of one begins with."""
        return {"id": f"{prefix}-{self.id}", "object": kind, "created": self.created, "model": self.model}


async def generate(
    catalogue: Catalogue,
    model: str,
    make_prompt: Callable[[PromptBackend], Prompt],
    *,
    sampling: Sampling,
    stops: Sequence[str],
) -> AsyncGenerator[Generation, None]:
    """Yield the generation after each of its pieces; leaving early stops it.

    Raises `Fault` for a name nobody knows and for a prompt that leaves no room, and what the backend raises.
    """
    async with catalogue.lease(model) as backend:
        prompt = await asyncio.to_thread(make_prompt, backend)
        asked = len(prompt.token_ids)
        if asked >= backend.capacity:
            raise Fault(
                400,
                f"the prompt has {asked} tokens, and '{model}' reads {backend.capacity - 1} at most",
                code="context_length_exceeded",
            )
        generation = Generation(model, asked)
        async with aclosing(until(stops, backend.answer(prompt, sampling, stop=threading.Event()))) as pieces:
            async for piece in pieces:
                generation.pieces.append(piece)
                yield generation
