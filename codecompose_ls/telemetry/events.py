"""Events: the words for what happens to a suggestion, the same in code, database and dashboard.

    requested -> generated | cached | empty | filtered(reason) | cancelled | failed
              -> shown
              -> accepted | partly accepted | dismissed | typed over
              -> retained at 30 s, 2 min, 5 min, 10 min

Every request has exactly one of the first six, so `requested` is their sum; a suggestion, however often it is asked
for and drawn, has each later word at most once, but partly accepted, which grows, and accepted, which can replace a
lesser end. `typed` counts characters for percent_code_typed. Events hold neither code nor paths.

`Life` tells events, the store stamps them: `id`, `at`, `sequence` and, instead of the suggestion's id, a salted hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What happened."""

    GENERATED = "generated"
    CACHED = "cached"
    EMPTY = "empty"
    FILTERED = "filtered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    #: Still valid 750 ms after it was drawn, or accepted or partly accepted before.
    SHOWN = "shown"
    ACCEPTED = "accepted"
    PARTLY_ACCEPTED = "partly accepted"
    DISMISSED = "dismissed"
    #: The user typed: something else, or all of it by hand.
    TYPED_OVER = "typed over"
    RETAINED = "retained"
    TYPED = "typed"
    #: An assistant ran: `source` is its name, `latency_ms` to its first text. No figure of suggestions counts these.
    ASSISTED = "assisted"
    ASSIST_APPLIED = "assist applied"
    ASSIST_DISMISSED = "assist dismissed"


#: What can become of a request.
OUTCOMES = (Kind.GENERATED, Kind.CACHED, Kind.EMPTY, Kind.FILTERED, Kind.CANCELLED, Kind.FAILED)
#: What can become of a suggestion that was shown; later ones replace earlier ones, the first two each other never.
ENDS = (Kind.DISMISSED, Kind.TYPED_OVER, Kind.PARTLY_ACCEPTED, Kind.ACCEPTED)
#: Seconds after its acceptance at which a suggestion is looked at again.
RETENTION_S = (30, 120, 300, 600)
#: What is said of a suggestion that was shown, and is counted where and when it was shown.
FATES = (Kind.SHOWN, *ENDS, Kind.RETAINED)
#: What is said of assistants.
ASSISTS = (Kind.ASSISTED, Kind.ASSIST_APPLIED, Kind.ASSIST_DISMISSED)


class Position(str, Enum):
    """Where in its line the cursor was."""

    LINE_START = "line start"
    MID_LINE = "mid-line"
    LINE_END = "line end"


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the database; only what the kind needs is set."""

    kind: Kind
    language: str = ""
    #: The name of the weights: of those that answered; of typing, and of requests without a suggestion, of those that
    #: answered last in the document.
    model: str = ""
    #: The suggestion's id; the store salts it.
    suggestion: str | None = None
    #: Of a request: where the answer came from, what asked for it, milliseconds to the answer.
    source: str | None = None
    trigger: str | None = None
    #: Of a request: where its cursor was; of what became of a suggestion: where it was when it was first asked for.
    position: Position | None = None
    latency_ms: float | None = None
    #: The filter of filtered, the client's reason of dismissed.
    reason: str | None = None
    #: Code points: of the suggestion (a request), accepted so far (accepted, partly accepted), still there (retained),
    #: typed since the last such event (typed; less than 0 when typing turns out to have been an acceptance).
    characters: int | None = None
    #: Of retained: seconds since the acceptance, and edit similarity to what was accepted, 0 to 1.
    after_s: int | None = None
    similarity: float | None = None
    #: Of what ends a suggestion by its user's decision: milliseconds since it was drawn.
    decision_ms: float | None = None
    #: One of `editors.NAMES`, "" where the client does not say; the roll-out's group of users, "" for none.
    editor: str = ""
    cohort: str = ""
    #: The store's: unique in the world (UUID 4, hex); Unix time, which may jump; the order within one server's run.
    id: str = ""
    at: float = 0.0
    sequence: int = 0
    #: The team service's: a hash of whose event it is; "" in a user's own database.
    user: str = ""
