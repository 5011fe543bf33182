"""Ollama's `/api/generate`, where `suffix` asks for the model's own template and `raw` for none, and `/api/chat`.

Answers are lines of JSON.
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

#: A model is kept in memory for so long after the last request; by default it is 5 minutes, less than a coffee.
KEEP_ALIVE = "30m"


class Ollama:
    """Implements `dialect.Dialect`. The address is the server's root."""

    default_url = "http://127.0.0.1:11434"
    models_path = "/api/tags"
    needs_model = True
    takes_snippets = False

    def completion(self, context: Context, sampling: Sampling, *, model: str, template: FimTemplate | None) -> Request:
        body = {"model": model, "stream": True, "keep_alive": KEEP_ALIVE, "logprobs": True}
        if template is None:
            # Without any suffix it takes the request for a question and applies the template for talking.
            body |= {"prompt": context.prefix, "suffix": context.suffix or "\n", "options": _options(sampling)}
        else:
            options = _options(sampling) | {"stop": list(stop_texts(template))}
            body |= {"prompt": prompt_text(context, template), "raw": True, "options": options}
        return Request("/api/generate", body)

    def piece(self, event: Json) -> Piece | None:
        tokens = dig(event, "logprobs")
        places = range(len(tokens)) if isinstance(tokens, list) else ()
        return _piece(event, text_at(event, "response"), sum(number_at(tokens, place, "logprob") for place in places))

    def warm_up(self, context: Context, *, model: str, template: FimTemplate | None) -> Request | None:
        # Without a prompt it loads the model, which may take longer than anyone waits for a completion.
        return Request("/api/generate", {"model": model, "keep_alive": KEEP_ALIVE})

    def chat(self, messages: Sequence[Message], sampling: Sampling, *, model: str) -> Request:
        body = {"model": model, "stream": True, "keep_alive": KEEP_ALIVE, "messages": spread(messages)}
        return Request("/api/chat", {**body, "options": _options(sampling)})

    def chat_piece(self, event: Json) -> Piece | None:
        return _piece(event, text_at(event, "message", "content"))

    def model_names(self, listing: Json) -> list[str]:
        models = dig(listing, "models")
        return [text_at(model, "name") for model in models] if isinstance(models, list) else []


def _options(sampling: Sampling) -> dict[str, Any]:
    return {
        "num_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }


def _piece(event: Json, text: str, logprob: float = 0.0) -> Piece | None:
    finish = None
    if dig(event, "done") is True:
        finish = "length" if text_at(event, "done_reason") == "length" else "stop"
    return Piece(text, logprob, finish) if text or finish else None
