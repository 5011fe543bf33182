"""What every backend can do: stream a completion for a context, and say how it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from enum import IntEnum
from typing import Protocol, runtime_checkable

from codecompose_ls.types import Context, Piece, Prompt, Sampling, Stop, Turn


class Priority(IntEnum):
    """Lower runs first; a waiting higher priority stops a running lower one."""

    REQUEST = 0
    WARM = 1
    SPECULATE = 2


class Backend(Protocol):
    """Answers contexts.

    Errors are `EngineError`, `BackendError`, `ModelError`; a stop that was set raises `Cancelled`.
    """

    #: Name of the weights that answer, for the cache key, the status and telemetry.
    @property
    def model(self) -> str: ...

    #: What a person should know of it, in one line, as that another one answers in its place; empty when all is well.
    @property
    def notice(self) -> str: ...

    #: No request is running or waiting, so asking costs no debounce; warming and speculation give way and do not count.
    @property
    def idle(self) -> bool: ...

    #: Characters of prefix and suffix that fit its context window.
    @property
    def window_chars(self) -> tuple[int, int]: ...

    #: Characters of snippets of other files that help it; 0 for a model that they do not help.
    @property
    def snippet_chars(self) -> int: ...

    def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        """Yield text as it is generated; the consumer may leave early (`aclose`), which stops the generation."""
        ...

    async def warm(self, context: Context) -> None:
        """Prefill for a context that is likely to be asked next; never raises."""
        ...

    def close(self) -> None: ...


class PromptBackend(Protocol):
    """A backend whose prompts are made apart from their answers, so that a service may count, check and share them."""

    model: str

    #: Requests that it answers at once; more wait for their turn.
    @property
    def at_once(self) -> int: ...

    #: Tokens of prompt and answer together.
    @property
    def capacity(self) -> int: ...

    #: As in `Backend`.
    @property
    def window_chars(self) -> tuple[int, int]: ...

    def prompt(self, context: Context) -> Prompt:
        """Apply the family's FIM template to a context."""
        ...

    def written(self, text: str) -> Prompt:
        """Take a prompt as its author wrote it, sentinels and all; no template is applied."""
        ...

    def answer(self, prompt: Prompt, sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        """Yield one piece a token; otherwise as `Backend.stream`."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TalkBackend(PromptBackend, Protocol):
    """One that may know a chat template."""

    @property
    def chats(self) -> bool: ...

    def talk(self, messages: Sequence[Turn]) -> Prompt:
        """Apply the chat template. Raises `ModelError` for a model without one, `InputError` for what it refuses."""
        ...
