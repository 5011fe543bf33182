"""Suggested: one suggestion's progress into a document, what of it was typed, and what accepted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from codecompose_ls.telemetry.edits import Edit, is_keystroke
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.ghost import Ghost
from codecompose_ls.telemetry.retention import Cancel, Span


@dataclass(slots=True)
class Suggested:
    """A suggestion as far as it has come; the characters counted are those of its own text."""

    id: str
    uri: str
    language: str
    model: str
    ghost: Ghost
    shown: bool = False
    end: Kind | None = None
    accepted: int = 0
    #: Where in its line the cursor was when it was first asked for.
    position: Position | None = None
    #: When it came to the screen, as the client has said or else as it was answered.
    drawn_at: float = 0.0
    is_drawn: bool = False
    #: The timer that runs from when it is drawn until it counts as shown.
    dwell: Cancel | None = None
    #: How much of the text has been counted, as typed or as accepted; where the first acceptance began, the last ended.
    counted: int = field(init=False)
    first: int | None = None
    last: int = 0
    #: The edit at which document and text diverged.
    divergence: Edit | None = None
    #: The last step, of the text and of the document, that counted as typed: the client may yet claim it.
    step: int = 0
    step_typed: int = 0

    def __post_init__(self) -> None:
        self.counted = self.ghost.position

    def lay(self, ghost: Ghost, *, now: float) -> None:
        """Come to the screen anew, perhaps at another place; what was counted stays counted."""
        self.drawn_at, self.is_drawn = now, False
        self.divergence, self.step, self.step_typed = None, 0, 0
        gone = len(self.ghost.text) - len(ghost.text)
        if ghost.offset == self.ghost.offset + gone and self.ghost.text.endswith(ghost.text):
            # The rest of it, where it was left.
            self.ghost = replace(self.ghost, position=gone + ghost.position, tail=ghost.tail)
            self.counted = max(self.counted, self.ghost.position)
        else:
            self.ghost, self.counted, self.first, self.last = ghost, ghost.position, None, 0

    def drawn(self, now: float) -> None:
        """Be on the screen from now on; being drawn again changes nothing."""
        if not self.is_drawn:
            self.drawn_at, self.is_drawn = now, True

    @property
    def is_whole(self) -> bool:
        """Whether all of the text has been counted."""
        return self.counted == len(self.ghost.text)

    @property
    def is_awaited(self) -> bool:
        """Whether the document does not have all of the accepted text: not yet, or not any more."""
        return self.divergence is None and self.ghost.position < self.last

    def advance(self, ghost: Ghost, typed: int, *, by_words: bool) -> tuple[int, int]:
        """Go on to where the ghost is now; return the characters accepted and typed.

        `typed` is what the document's change would count as typing. More than a keystroke at once is an acceptance
        when it is all the rest or, with `by_words`, when it ends a word.
        """
        moved, inserted = ghost.position - self.ghost.position, ghost.text[self.ghost.position : ghost.position]
        step = max(0, ghost.position - self.counted)
        self.ghost, self.counted = ghost, self.counted + step
        if not step:
            # Typed again, or claimed before it came: it has been counted.
            return 0, 0
        if not is_keystroke(inserted) and (ghost.is_complete or (by_words and ghost.is_at_word_end)):
            return step, 0
        self.step, self.step_typed = step, max(0, typed - (moved - step))
        return 0, self.step_typed

    def diverge(self, edit: Edit, typed: int) -> None:
        """Part from the document at this edit."""
        self.divergence, self.step, self.step_typed = edit, 0, typed

    def claim(self, rest: int) -> tuple[int, int]:
        """Take the client's word that all but the last `rest` characters is accepted, come or still to come; return
        the characters accepted and those that counted as typed and were not."""
        target = max(0, len(self.ghost.text) - rest)
        if target > self.counted:
            # Its text is still to come, or came reshaped by the client.
            accepted, untyped = target - self.counted, 0 if self.divergence is None else self.step_typed
        else:
            accepted = max(0, target - (self.counted - self.step))
            untyped = self.step_typed if accepted else 0
        self.counted = max(self.counted, target)
        if accepted:
            self.step = self.step_typed = 0
        return accepted, untyped

    def accept(self, characters: int) -> None:
        """Count the last `characters` counted as accepted."""
        self.accepted += characters
        self.last = self.counted
        if self.first is None:
            self.first = self.counted - characters

    def place(self) -> tuple[str, Span] | None:
        """Return the accepted text and where in the document it stands; None while it does not."""
        if self.first is None or self.is_awaited:
            return None
        text = self.ghost.text[self.first : self.last]
        if self.divergence is not None:
            start = self.divergence.start
            return text, Span(start, start + len(self.divergence.inserted))
        return text, Span(self.ghost.offset + self.first, self.ghost.offset + self.last)

    def event(
        self,
        kind: Kind,
        *,
        reason: str | None = None,
        characters: int | None = None,
        decision_ms: float | None = None,
        after_s: int | None = None,
        similarity: float | None = None,
    ) -> Event:
        """Return the news that this has become of it."""
        return Event(
            kind,
            self.language,
            self.model,
            suggestion=self.id,
            position=self.position,
            reason=reason,
            characters=characters,
            decision_ms=decision_ms,
            after_s=after_s,
            similarity=similarity,
        )
