"""What may stand in a request: the fields of OpenAI's API that we serve, and a clear refusal of those we do not."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator

from codecompose_ls.types import Context, Opening, Sampling

#: Longest answer, whatever the client asks for.
MAX_TOKENS = 4096
#: Below this a temperature leaves nothing but the likeliest token, and dividing by it leaves nothing at all.
COLDEST = 1e-4


def _listed(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


def _refused(value: Any) -> Any:
    if value:
        raise ValueError("is not served; leave it out")
    return value


def _single(value: int | None) -> int | None:
    if value not in (None, 1):
        raise ValueError("one answer is given to a request; ask again for another")
    return value


#: One string, several, or none.
Strings = Annotated[list[str], BeforeValidator(_listed)]


class StreamOptions(BaseModel):
    include_usage: bool = False


class Request(BaseModel):
    """The fields that completions and chat share; a null is as good as nothing said."""

    model: str
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: Strings = Field([], max_length=8)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    @field_validator("n")
    @classmethod
    def _one(cls, value: int | None) -> int | None:
        return _single(value)

    @field_validator("presence_penalty", "frequency_penalty", "logit_bias")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        return _refused(value)

    @field_validator("stop")
    @classmethod
    def _visible(cls, value: list[str]) -> list[str]:
        if not all(value):
            raise ValueError("a stop string needs a character")
        return value

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def sampling(self, max_tokens: int) -> Sampling:
        """Return how to pick tokens; a default is OpenAI's, and without a seed no two answers need be alike."""
        temperature = 1.0 if self.temperature is None else self.temperature
        return Sampling(
            max_tokens=max_tokens,
            temperature=temperature if temperature >= COLDEST else 0.0,
            top_k=self.top_k or 0,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=secrets.randbits(63) if self.seed is None else self.seed,
        )


class CompletionRequest(Request):
    """The body of /v1/completions.

    Ours are `language` and `path`, metadata that the model's header has room for, and `opening`: what an answer that
    must say something may begin with (`types.Opening`).
    """

    prompt: Strings = Field([""], min_length=1, max_length=1)
    suffix: str | None = None
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    logprobs: int | None = Field(None, ge=0, le=1)
    echo: bool | None = None
    best_of: int | None = None
    language: str = ""
    path: str = ""
    opening: Literal["new_line", "space", "visible"] | None = None

    @field_validator("echo")
    @classmethod
    def _silent(cls, value: Any) -> Any:
        return _refused(value)

    @field_validator("best_of")
    @classmethod
    def _best_of_one(cls, value: int | None) -> int | None:
        return _single(value)

    def sampling(self, max_tokens: int) -> Sampling:
        opening = None if self.opening is None else Opening[self.opening.upper()]
        return replace(super().sampling(max_tokens), opening=opening)

    @property
    def context(self) -> Context:
        """What stands before and after the cursor; only with a `suffix` is there one."""
        return Context(self.language, self.path, self.prompt[0], self.suffix or "")


class ChatMessage(BaseModel):
    """One turn. Parts of text are joined; a picture is no text."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str

    @field_validator("role", mode="after")
    @classmethod
    def _known_to_templates(cls, value: str) -> str:
        return "system" if value == "developer" else value

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
            raise ValueError("only parts with text are served")
        return "".join(part["text"] for part in value)


class ChatRequest(Request):
    """The body of /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    logprobs: bool | None = None
    tools: list[Any] | None = None

    @field_validator("tools", "logprobs")
    @classmethod
    def _not_served(cls, value: Any) -> Any:
        return _refused(value)
