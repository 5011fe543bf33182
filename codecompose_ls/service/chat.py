"""POST /v1/chat/completions: the next turn of a talk, by the model's own chat template."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from codecompose_ls.backends.backend import PromptBackend, TalkBackend
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.faults import Fault
from codecompose_ls.service.generation import Generation, generate
from codecompose_ls.service.requests import ChatRequest
from codecompose_ls.service.streaming import EventStream, begun
from codecompose_ls.types import Prompt

#: Tokens of an answer when the client names no number.
DEFAULT_TOKENS = 512


def router(catalogue: Catalogue) -> APIRouter:
    routes = APIRouter()

    @routes.post("/v1/chat/completions")
    async def chat(request: ChatRequest) -> Response:
        generations = generate(
            catalogue,
            request.model,
            lambda backend: _prompt(request, backend),
            sampling=request.sampling(request.max_completion_tokens or request.max_tokens or DEFAULT_TOKENS),
            stops=request.stop,
        )
        if request.stream:
            return EventStream(await begun(_chunks(request, generations)))
        generation = [generation async for generation in generations][-1]
        message = {"role": "assistant", "content": generation.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": generation.finish}
        head = generation.head("chatcmpl", "chat.completion")
        return JSONResponse({**head, "choices": [choice], "usage": generation.usage})

    return routes


def _prompt(request: ChatRequest, backend: PromptBackend) -> Prompt:
    if not isinstance(backend, TalkBackend) or not backend.chats:
        raise Fault(
            400,
            f"'{request.model}' does not chat: it has no chat template; it answers at /v1/completions",
            code="model_does_not_chat",
            param="model",
        )
    return backend.talk(request.messages)


async def _chunks(
    request: ChatRequest, generations: AsyncGenerator[Generation, None]
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield who speaks, then the text, then why it ends."""
    is_first = True
    async for generation in generations:
        if is_first:
            yield _chunk(generation, {"role": "assistant", "content": ""})
            is_first = False
        if text := generation.pieces[-1].text:
            yield _chunk(generation, {"content": text})
        if generation.finish:
            yield _chunk(generation, {}, finish=generation.finish)
    if request.include_usage:
        yield {**generation.head("chatcmpl", "chat.completion.chunk"), "choices": [], "usage": generation.usage}


def _chunk(generation: Generation, delta: dict[str, str], *, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**generation.head("chatcmpl", "chat.completion.chunk"), "choices": [choice]}
