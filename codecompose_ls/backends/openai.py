"""OpenAI's `/v1/completions` and `/v1/chat/completions`: vLLM, TGI, hosted services, and our own.

`suffix` stands for a template that the server applies (our own service, DeepSeek, Mistral's `/v1/fim`); vLLM, TGI and
llama.cpp refuse it, and read sentinels in the prompt instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codecompose_ls.backends.dialect import Message, spread
from codecompose_ls.backends.events import Json, dig, number_at, text_at
from codecompose_ls.backends.request import Request
from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.prompt.text import prompt_text, stop_texts
from codecompose_ls.types import Context, Piece, Sampling

#: More stop sequences than these are refused by OpenAI and by TGI.
MAX_STOPS = 4
#: What some servers or models do not take, and what they want instead.
OPTIONAL: dict[str, str | None] = {
    "logprobs": None,
    "skip_special_tokens": None,
    "stop": None,
    "seed": None,
    "top_p": None,
    "temperature": None,
    "max_tokens": "max_completion_tokens",
}


class OpenAI:
    """Implements `dialect.Dialect`. The address ends where an OpenAI client's base URL does, as in `http://host/v1`."""

    default_url = "http://127.0.0.1:8000/v1"
    models_path = "/models"
    needs_model = True
    takes_snippets = False

    def completion(self, context: Context, sampling: Sampling, *, model: str, template: FimTemplate | None) -> Request:
        body = {"model": model, "stream": True, "logprobs": 1, **_sampled(sampling)}
        if template is None:
            body |= {"prompt": context.prefix, "suffix": context.suffix}
        else:
            # vLLM and TGI drop sentinels from the text before they look for stops in it, unless they are told not to.
            body |= {
                "prompt": prompt_text(context, template),
                "stop": list(stop_texts(template)[:MAX_STOPS]),
                "skip_special_tokens": False,
            }
        return Request("/completions", body, OPTIONAL)

    def piece(self, event: Json) -> Piece | None:
        # Mistral answers `/v1/fim/completions` in the form of a chat.
        text = text_at(event, "choices", 0, "text") or text_at(event, "choices", 0, "delta", "content")
        return _piece(event, text, _logprob(dig(event, "choices", 0, "logprobs")))

    def warm_up(self, context: Context, *, model: str, template: FimTemplate | None) -> Request | None:
        return None

    def chat(self, messages: Sequence[Message], sampling: Sampling, *, model: str) -> Request:
        body = {"model": model, "stream": True, "messages": spread(messages), **_sampled(sampling)}
        return Request("/chat/completions", body, OPTIONAL)

    def chat_piece(self, event: Json) -> Piece | None:
        text = text_at(event, "choices", 0, "delta", "content") or text_at(event, "choices", 0, "message", "content")
        return _piece(event, text)

    def model_names(self, listing: Json) -> list[str]:
        models = dig(listing, "data")
        return [text_at(model, "id") for model in models] if isinstance(models, list) else []


def _sampled(sampling: Sampling) -> dict[str, Any]:
    chosen: dict[str, Any] = {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature}
    if sampling.temperature > 0:
        chosen |= {"top_p": sampling.top_p, "seed": sampling.seed}
    return chosen


def _logprob(logprobs: Any) -> float:
    """Return the sum over an event's tokens: `token_logprobs`, or `content` as in a chat (llama.cpp)."""
    for form in ("token_logprobs", "content"):
        values = dig(logprobs, form)
        if isinstance(values, list):
            return sum(number_at(value) or number_at(value, "logprob") for value in values)
    return 0.0


def _piece(event: Json, text: str, logprob: float = 0.0) -> Piece | None:
    reason = text_at(event, "choices", 0, "finish_reason")
    finish = ("length" if reason == "length" else "stop") if reason else None
    return Piece(text, logprob, finish) if text or finish else None
