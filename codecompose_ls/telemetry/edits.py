"""Edits: what changed between two versions of a text, whatever the client said of it, and what of it was typed."""

from __future__ import annotations

from dataclasses import dataclass

#: More than this at once is not typing; long enough for an identifier picked from the popup.
PASTE_CHARS = 32
#: What editors insert of their own accord behind an opening character.
CLOSERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}


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
    head = _agreement(before, after, shorter)
    tail = _agreement(before, after, shorter - head, from_end=True)
    return Edit(head, before[head : len(before) - tail], after[head : len(after) - tail])


def _agreement(one: str, other: str, most: int, *, from_end: bool = False) -> int:
    """Return for how many characters, at most `most`, two texts agree: by bisection, since texts are long."""
    equal = 0
    while equal < most:
        middle = (equal + most + 1) // 2
        if from_end:
            same = one[len(one) - middle : len(one) - equal] == other[len(other) - middle : len(other) - equal]
        else:
            same = one[equal:middle] == other[equal:middle]
        equal, most = (middle, most) if same else (equal, middle - 1)
    return equal


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
