"""What a typist knows: the session, what was asked for, and what was given."""

from __future__ import annotations

from dataclasses import dataclass, field

START = 1e9
TEXTS = ["value", "print(x)", "()", ")", "foo(bar, baz)", "if x:\n    return y", "a", "name = other.name"]
MODELS = ["base", "tuned", "base"]


@dataclass(eq=False)
class Session:
    """One run of an editor: what all that happens in it has in common, and its clock, which jumps."""

    editor: str
    cohort: str
    language: str
    clock: float = START


@dataclass(eq=False)
class Asked:
    """A request, as the typist knows it."""

    session: Session
    day: str
    kind: str
    model: str
    position: str
    source: str = ""
    reason: str = ""
    latency_ms: float = 0.0


@dataclass(eq=False)
class Given:
    """A suggestion as the typist knows it: where it was given, how far it is in the document, what it came to."""

    session: Session
    id: str
    text: str
    before: str
    after: str
    model: str
    position: str
    done: int = 0
    #: How far its characters have been counted, by whichever way they came first.
    counted: int = 0
    #: When it came to the screen, in the client's words if it has any, and from when on it is timed.
    came_at: float = 0.0
    is_told: bool = False
    drawn_at: float | None = None
    shown: bool = False
    #: Where it is counted.
    day: str = ""
    end: str = ""
    decision_ms: float | None = None
    accepted: int = 0
    acceptances: int = 0
    first: int | None = None
    last: int = 0
    accepted_text: str = ""
    accepted_at: float = 0.0
    #: By seconds since the acceptance: similarity and characters.
    looks: dict[int, tuple[float, int]] = field(default_factory=dict)

    @property
    def rest(self) -> str:
        return self.text[self.done :]

    def place(self, document: str) -> int | None:
        """How much of it the document has, None when they have parted."""
        sizes = range(len(self.text) + 1)
        return next((n for n in reversed(sizes) if document == self.before + self.text[:n] + self.after), None)

    def come(self, now: float) -> None:
        """Come to the screen anew."""
        self.came_at, self.is_told, self.drawn_at = now, False, None

    def show(self, day: str) -> None:
        if not self.shown:
            self.shown, self.day = True, day

    def decide(self, now: float) -> None:
        if self.decision_ms is None:
            self.decision_ms = (now - self.came_at) * 1000


def is_no_key(text: str) -> bool:
    return len(text) > 1 and text != "()"


def latency(number: int) -> float:
    """Milliseconds, different ones."""
    return 1.3 ** (number % 29)
