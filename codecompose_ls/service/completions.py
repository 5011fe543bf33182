"""POST /v1/completions: what follows a prompt, or stands between `prompt` and `suffix`.

With a suffix this side, and only this side, applies the model's FIM template; a prompt without one is taken as it is,
sentinels and all, so that a client may as well apply the template itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from codecompose_ls.backends.backend import PromptBackend
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.generation import Generation, generate
from codecompose_ls.service.requests import CompletionRequest
from codecompose_ls.service.streaming import EventStream, begun
from codecompose_ls.types import Piece, Prompt

#: Tokens of an answer when the client names no number; OpenAI's.
DEFAULT_TOKENS = 16


def router(catalogue: Catalogue) -> APIRouter:
    routes = APIRouter()

    @routes.post("/v1/completions")
    async def complete(request: CompletionRequest) -> Response:
        generations = generate(
            catalogue,
            request.model,
            lambda backend: _prompt(request, backend),
            sampling=request.sampling(request.max_tokens or DEFAULT_TOKENS),
            stops=request.stop,
        )
        if request.stream:
            return EventStream(await begun(_chunks(request, generations)))
        generation = [generation async for generation in generations][-1]
        choice = _choice(request, generation.pieces, finish=generation.finish)
        return JSONResponse({**_head(generation), "choices": [choice], "usage": generation.usage})

    return routes


def _prompt(request: CompletionRequest, backend: PromptBackend) -> Prompt:
    context = request.context
    if request.suffix is None:
        return backend.written(context.prefix)
    # The windows' far ends are cut by tokens later; without this, a whole file would be turned into tokens first.
    window = sum(backend.window_chars)
    return backend.prompt(replace(context, prefix=context.prefix[-window:], suffix=context.suffix[:window]))


async def _chunks(
    request: CompletionRequest, generations: AsyncGenerator[Generation, None]
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield a chunk whenever there is text, and one at the end."""
    sent = 0
    async for generation in generations:
        pieces = generation.pieces[sent:]
        if generation.finish or any(piece.text for piece in pieces):
            yield {**_head(generation), "choices": [_choice(request, pieces, finish=generation.finish)]}
            sent = len(generation.pieces)
    if request.include_usage:
        yield {**_head(generation), "choices": [], "usage": generation.usage}


def _head(generation: Generation) -> dict[str, Any]:
    return generation.head("cmpl", "text_completion")


def _choice(request: CompletionRequest, pieces: list[Piece], *, finish: str | None) -> dict[str, Any]:
    logprobs = None
    if request.logprobs is not None:
        logprobs = {
            "tokens": [piece.text for piece in pieces],
            "token_logprobs": [piece.logprob for piece in pieces],
            "top_logprobs": None,
        }
    text = "".join(piece.text for piece in pieces)
    return {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}
