"""Edits: what changed between two versions of a text, whatever the client said of it, and what of it was typed."""

from __future__ import annotations

from dataclasses import dataclass

#: More than this at once is not typing; long enough for an identifier picked from the popup.
PASTE_CHARS = 32
#: What editors insert of their own accord behind an opening character.
CLOSERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}

_BLOCK_CHARS = 512


@dataclass(frozen=True, slots=True)
class Edit:
    """`removed`, which began at `start`, gave way to `inserted`."""

    start: int
    removed: str
    inserted: str

    @property
    def end(self) -> int:
        """Where the removed text ended."""
        return self.start + len(self.removed)

    @property
    def growth(self) -> int:
        return len(self.inserted) - len(self.removed)


def edit_between(before: str, after: str) -> Edit:
    """Return the smallest single edit that turns one text into the other, as far right as it can be."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head : head + _BLOCK_CHARS] == after[head : head + _BLOCK_CHARS]:
        head += _BLOCK_CHARS
    head = min(head, shorter)
    while head < shorter and before[head] == after[head]:
        head += 1
    old, new = len(before), len(after)
    while min(old, new) - _BLOCK_CHARS >= head and before[old - _BLOCK_CHARS : old] == after[new - _BLOCK_CHARS : new]:
        old, new = old - _BLOCK_CHARS, new - _BLOCK_CHARS
    while min(old, new) > head and before[old - 1] == after[new - 1]:
        old, new = old - 1, new - 1
    return Edit(head, before[head:old], after[head:new])


def typed_characters(edit: Edit) -> int:
    """Return how many characters of an edit were typed: all that it inserted, or none.

    None when it inserts more than one line break or more than `PASTE_CHARS` (a paste, a reload, most formatting and
    refactoring), or changes nothing but white space (formatting). The editor's own indentation and closing brackets
    count as typed, as they count as accepted. Undo takes more than an edit to see; `Life` leaves it out.
    """
    inserted, removed = edit.inserted, edit.removed
    if len(inserted) > PASTE_CHARS or inserted.count("\n") > 1:
        return 0
    return 0 if removed and inserted.split() == removed.split() else len(inserted)


def is_keystroke(inserted: str) -> bool:
    """Return whether one key could have inserted this: a character, a pair, or a new line with its indentation."""
    is_pair = len(inserted) == 2 and CLOSERS.get(inserted[0]) == inserted[1]
    return len(inserted) == 1 or is_pair or (inserted.startswith(("\n", "\r\n")) and not inserted.strip())
