"""The suggestion on a document's screen: what was given last, and whether the text typed since goes on as it said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto

from codecompose_ls.completion.cache import Entry
from codecompose_ls.types import Document


class Fate(Enum):
    """What a document's changes say about the suggestion given before them."""

    TYPED_THROUGH = auto()
    #: Something else was typed in its place.
    DIVERGED = auto()
    #: Text before its cursor was deleted: it was not wanted.
    BACKSPACED = auto()
    #: The cursor or the text is elsewhere.
    LEFT = auto()


@dataclass(frozen=True, slots=True)
class Given:
    """An entry and the document it was given in (with the popup's selection put in), cut at the cursor and its tail."""

    entry: Entry
    document: Document
    before: str
    tail: str
    after: str
    #: How many characters of `tail` the text replaces.
    covered: int

    @classmethod
    def at(cls, document: Document, offset: int, entry: Entry, *, tail: str, covered: int) -> Given:
        """Take note of an entry given at `offset`."""
        text = document.text
        return cls(entry, document, text[:offset], tail, text[offset + len(tail) :], covered)

    def typed(self, document: Document, offset: int) -> str:
        """Return what has been typed since, for the fates TYPED_THROUGH and DIVERGED."""
        return document.text[len(self.before) : offset].replace("\r\n", "\n")

    def fate(self, document: Document, offset: int, *, tail: str) -> Fate:
        """Compare document and cursor now, with `tail` after it, with those of the suggestion."""
        text = document.text
        if len(text) - offset - len(tail) != len(self.after) or not text.endswith(self.after):
            return Fate.LEFT
        if offset < len(self.before):
            return Fate.BACKSPACED if self.before.startswith(text[:offset]) else Fate.LEFT
        if not text.startswith(self.before):
            return Fate.LEFT
        return Fate.TYPED_THROUGH if self.entry.text.startswith(self.typed(document, offset)) else Fate.DIVERGED

    def accepted(self) -> tuple[str, int]:
        """Return the document's text and the cursor as they are once the suggestion is accepted."""
        text = self.before + self.entry.text
        return text + self.tail[self.covered :] + self.after, len(text)

    def next_cursors(self) -> Iterator[tuple[Document, int]]:
        """Yield document and cursor as they are after an acceptance, and after a new line from there."""
        text, offset = self.accepted()
        yield replace(self.document, text=text), offset
        if text[offset : offset + 1] in ("", "\r", "\n"):
            line = text[text.rfind("\n", 0, offset) + 1 : offset]
            new_line = "\n" + line[: len(line) - len(line.lstrip())]
            yield replace(self.document, text=text[:offset] + new_line + text[offset:]), offset + len(new_line)
