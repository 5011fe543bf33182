"""How servers differ: what each is asked for the middle of a text or for the next turn of a talk, and how it answers.

A dialect is pure data in, data out: it knows neither HTTP nor the network. Exactly one side applies the FIM template:
with a `template` the request carries one text and the server is told to leave it as it is, without one it carries the
two sides of the cursor and the server puts them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from codecompose_ls.backends.events import Json
from codecompose_ls.backends.request import Request
from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.types import Context, Piece, Sampling


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a talk; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


class Dialect(Protocol):
    """One kind of server."""

    #: Where it listens when nobody says otherwise: on this machine.
    default_url: str
    #: Where it lists its models, and whether it has to be told which one is asked.
    models_path: str
    needs_model: bool
    #: Whether a server that applies the template can be told of other files, too.
    takes_snippets: bool

    def completion(
        self, context: Context, sampling: Sampling, *, model: str, template: FimTemplate | None
    ) -> Request: ...

    def piece(self, event: Json) -> Piece | None:
        """Read one object of an answer to `completion`; None where it says nothing."""
        ...

    def warm_up(self, context: Context, *, model: str, template: FimTemplate | None) -> Request | None:
        """Return what makes the server load its model or read a context ahead; None where nothing does."""
        ...

    def chat(self, messages: Sequence[Message], sampling: Sampling, *, model: str) -> Request: ...

    def chat_piece(self, event: Json) -> Piece | None:
        """Read one object of an answer to `chat`."""
        ...

    def model_names(self, listing: Json) -> list[str]:
        """Read what `models_path` answers."""
        ...


def spread(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return the turns of a talk as every dialect writes them."""
    return [{"role": message.role, "content": message.content} for message in messages]
