"""llama.cpp's own server: `/infill` puts the sides together by the model's metadata, `/completion` takes one text.

Its `/v1/chat/completions` is OpenAI's. `cache_prompt` keeps the keys and values of what two requests share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from codecompose_ls.backends.dialect import Message
from codecompose_ls.backends.events import Json, dig, number_at, text_at
from codecompose_ls.backends.openai import OpenAI
from codecompose_ls.backends.request import Request
from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.prompt.text import prompt_text, stop_texts
from codecompose_ls.types import Context, Piece, Sampling


class LlamaCpp:
    """Implements `dialect.Dialect`. The address is the server's root."""

    default_url = "http://127.0.0.1:8080"
    models_path = "/v1/models"
    needs_model = False
    takes_snippets = True

    def __init__(self) -> None:
        self._openai = OpenAI()

    def completion(self, context: Context, sampling: Sampling, *, model: str, template: FimTemplate | None) -> Request:
        body: dict[str, Any] = {
            "stream": True,
            "cache_prompt": True,
            "n_predict": sampling.max_tokens,
            "n_probs": 1,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        if model:
            body["model"] = model  # a server that has several
        if template is None:
            extra = [{"filename": snippet.path, "text": snippet.text} for snippet in context.snippets]
            sides = {"input_prefix": context.prefix, "input_suffix": context.suffix, "input_extra": extra}
            return Request("/infill", body | sides)
        body |= {"prompt": prompt_text(context, template), "stop": list(stop_texts(template))}
        return Request("/completion", body)

    def piece(self, event: Json) -> Piece | None:
        text, finish = text_at(event, "content"), None
        if dig(event, "stop") is True:
            # `stopped_limit` in servers from before 2025.
            by_limit = text_at(event, "stop_type") == "limit" or dig(event, "stopped_limit") is True
            finish = "length" if by_limit else "stop"
        probabilities = dig(event, "completion_probabilities")
        places = range(len(probabilities)) if isinstance(probabilities, list) and finish is None else ()
        logprob = sum(number_at(probabilities, place, "logprob") for place in places)
        return Piece(text, logprob, finish) if text or finish else None

    def warm_up(self, context: Context, *, model: str, template: FimTemplate | None) -> Request | None:
        return self.completion(context, Sampling(max_tokens=0), model=model, template=template)

    def chat(self, messages: Sequence[Message], sampling: Sampling, *, model: str) -> Request:
        asked = self._openai.chat(messages, sampling, model=model)
        return replace(asked, path="/v1" + asked.path)

    def chat_piece(self, event: Json) -> Piece | None:
        return self._openai.chat_piece(event)

    def model_names(self, listing: Json) -> list[str]:
        return self._openai.model_names(listing)
