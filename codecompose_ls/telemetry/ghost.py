"""Ghost text: a suggestion over a document that changes below it; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codecompose_ls.telemetry.edits import CLOSERS, Edit
from codecompose_ls.types import Suggestion


@dataclass(frozen=True, slots=True)
class Ghost:
    """`text[:position]` stands in the document from `offset` on, before the cursor; the rest would be inserted at the
    cursor, in place of the `tail` characters after it."""

    text: str
    offset: int
    position: int
    tail: int

    @property
    def cursor(self) -> int:
        return self.offset + self.position

    @property
    def rest(self) -> str:
        return self.text[self.position :]

    @property
    def is_complete(self) -> bool:
        return self.position == len(self.text)

    @property
    def is_at_word_end(self) -> bool:
        """Whether the cursor does not stand inside a word of the text."""
        left, right = self.text[self.position - 1 : self.position], self.text[self.position : self.position + 1]
        return not (_is_word(left) and _is_word(right))

    def is_same(self, other: Ghost) -> bool:
        """Return whether the two would insert the same at the same place."""
        return self.cursor == other.cursor and self.rest == other.rest

    def follow(self, before: str, after: str, edit: Edit) -> Ghost | None:
        """Return the ghost after a change of the document, `position` moved by what was typed or accepted of it; None
        when the document and the text have diverged."""
        cursor, rest, growth = self.cursor, self.rest, edit.growth
        if _is_replaced(before, after, cursor, cursor + self.tail, rest):
            return replace(self, position=len(self.text), tail=0)
        if 0 < growth <= len(rest) and _is_replaced(before, after, cursor, cursor, rest[:growth]):
            return replace(self, position=self.position + growth)
        if 0 < -growth <= self.position and _is_replaced(before, after, cursor + growth, cursor, ""):
            return replace(self, position=self.position + growth)
        pair = rest[:1] + CLOSERS.get(rest[:1], "")
        if len(pair) == 2 and _is_replaced(before, after, cursor, cursor, pair):
            return replace(self, position=self.position + 1, tail=self.tail + 1)
        if edit.end < cursor and edit.end <= self.offset:
            return replace(self, offset=self.offset + growth)
        return self if edit.start > cursor + self.tail else None


def ghost_over(document: str, cursor: int, suggestion: Suggestion) -> Ghost:
    """Lay a suggestion over the document it was made for."""
    text = suggestion.text
    if "\n" in text and "\r" not in text and "\r\n" in document:
        text = text.replace("\n", "\r\n")
    position = cursor - suggestion.offset
    if 0 <= position < len(text) and document.startswith(text[:position], suggestion.offset):
        return Ghost(text, suggestion.offset, position, max(0, suggestion.end - cursor))
    # It rewrites what stands before the cursor: it can be accepted, but not typed through.
    return Ghost(text, suggestion.offset, 0, suggestion.end - suggestion.offset)


def _is_replaced(before: str, after: str, start: int, end: int, text: str) -> bool:
    """Return whether `after` is `before` with `text` in place of [start, end)."""
    return (
        len(after) - len(before) == len(text) - (end - start)
        and after.startswith(text, start)
        and after.endswith(before[end:])
        and before.startswith(after[:start])
    )


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
