"""The suggestion on a document's screen: what was given last, and whether the text typed since goes on as it said."""

from __future__ import annotations

from dataclasses import dataclass
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
    """An entry and the cursor it was given at, in the document as it was then (with the popup's selection put in)."""

    entry: Entry
    document: Document
    offset: int
    #: How many closing marks stood after the cursor, and how many of them the text replaces; in characters.
    tail: int
    covered: int

    def typed(self, document: Document, offset: int) -> str:
        """Return what has been typed since, for the fates TYPED_THROUGH and DIVERGED."""
        return document.text[self.offset : offset].replace("\r\n", "\n")

    def fate(self, document: Document, offset: int, *, tail: int) -> Fate:
        """Compare document and cursor now, `tail` closing marks after it, with those of the suggestion."""
        now, then = document.text, self.document.text
        if now[offset + tail :] != then[self.offset + self.tail :]:
            return Fate.LEFT
        if offset < self.offset:
            return Fate.BACKSPACED if then.startswith(now[:offset]) else Fate.LEFT
        if not now.startswith(then[: self.offset]):
            return Fate.LEFT
        return Fate.TYPED_THROUGH if self.entry.text.startswith(self.typed(document, offset)) else Fate.DIVERGED

    def accepted(self) -> tuple[str, int]:
        """Return the document's text and the cursor as they are once the suggestion is accepted."""
        text = self.document.text[: self.offset] + self.entry.text
        return text + self.document.text[self.offset + self.covered :], len(text)
