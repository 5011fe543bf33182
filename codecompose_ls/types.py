"""Values that travel between the stages of a completion; all frozen, all plain.

    CompletionRequest -> Context -> Prompt -> Piece, Piece, ... -> Suggestion

Offsets and lengths are Unicode code points (indices of a Python str) everywhere but in `lsp`, which alone knows
about UTF-8 and UTF-16 positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Protocol


class Trigger(str, Enum):
    """Why a completion was asked for (LSP 3.18 InlineCompletionTriggerKind)."""

    INVOKED = "invoked"
    AUTOMATIC = "automatic"


class Source(str, Enum):
    """Where a suggestion came from; the latency figures are kept by source."""

    TYPED_THROUGH = "typed_through"
    CACHE = "cache"
    JOINED = "joined"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Document:
    """A text at one version. `path` is relative to the repository, with forward slashes, as the header prints it."""

    uri: str
    path: str
    language: str
    text: str
    version: int = 0
    kernel: str | None = None
    #: Text of the notebook cells before and after this one, already joined; empty for plain files.
    before: str = ""
    after: str = ""
    #: What the repository is called; empty where that is not known.
    repository: str = ""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A cursor in a document.

    `selected` is the popup item the editor would insert, replacing the text from `selected_start` to the cursor.
    """

    document: Document
    offset: int
    trigger: Trigger = Trigger.AUTOMATIC
    selected: str | None = None
    selected_start: int | None = None


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines of another file of the workspace, whose `path` is relative to the repository."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a backend may know: windows around the cursor and metadata; `multiline` allows more than one line."""

    language: str
    path: str
    prefix: str
    suffix: str
    kernel: str | None = None
    multiline: bool = False
    #: What stands elsewhere in the repository of that name, for a prompt; the order is that of the prompt.
    snippets: tuple[Snippet, ...] = ()
    repository: str = ""
    #: The document, and its whole text on both sides of the windows' cursor: for an index, never for a prompt.
    uri: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids ready for an engine, and the ids that end a generation."""

    token_ids: tuple[int, ...]
    stop_ids: frozenset[int]


class Opening(IntEnum):
    """What an answer that must say something may begin with; each rules out more than the one before it."""

    #: A new line, as where the cursor opens a scope.
    NEW_LINE = 0
    #: White space, as where the cursor stands in a line's indentation.
    SPACE = 1
    #: Nothing but something to see.
    VISIBLE = 2


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to pick the next token; temperature 0 is greedy."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    #: None: the model may end at once. Otherwise it may not, as long as there is anything else to say.
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it is generated; the last piece has `finish`.

    `logprob` is the natural log probability of the tokens behind the text.
    """

    text: str
    logprob: float = 0.0
    #: "stop" (the model ended), "length" (max_tokens), None while going on.
    finish: str | None = None
    #: Who said it, where a backend has more than one to ask; empty: the backend's own `model`.
    model: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggestion as the editor gets it: `text` replaces `offset` to `end` of the request's document."""

    id: str
    text: str
    offset: int
    end: int
    source: Source
    language: str
    model: str
    #: The probability that its first line is exactly right, 0 to 1 (completion/confidence.py).
    confidence: float = 1.0
    #: Milliseconds from request to answer.
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the pipeline says to one request: a suggestion, or why there is none.

    Reasons: "empty", "filtered:<filter>", "superseded", "cancelled", "failed", "off", ...
    """

    suggestion: Suggestion | None
    reason: str = ""
    latency_ms: float = 0.0
    #: Milliseconds by stage, for the log and `bench`.
    stages: dict[str, float] = field(default_factory=dict)


class Turn(Protocol):
    """One turn of a talk; `role` is "system", "user" or "assistant"."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> str: ...


class Stop(Protocol):
    """Set from the event loop, read by the engine between two tokens; `threading.Event` is one."""

    def is_set(self) -> bool: ...


#: Milliseconds since some fixed moment; injected so that tests never sleep.
Clock = Callable[[], float]
