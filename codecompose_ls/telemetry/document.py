"""Document: the text of an open document from version to version, and what is watched in it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from codecompose_ls.telemetry.edits import Edit, edit_between, typed_characters
from codecompose_ls.telemetry.retention import Kept
from codecompose_ls.telemetry.suggested import Suggested

#: Versions that are remembered, to tell undo from typing.
_REMEMBERED = 512


@dataclass(slots=True)
class Document:
    """An open document; `suggested` is what its screen shows or is about to."""

    language: str
    text: str
    #: The name of the weights that answered last here.
    model: str = ""
    suggested: Suggested | None = None
    #: What was accepted and is looked at again, by suggestion.
    kept: dict[str, Kept] = field(default_factory=dict)
    _earlier: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def __post_init__(self) -> None:
        self._earlier.append(hash(self.text))

    def change(self, text: str) -> tuple[Edit, int]:
        """Take the next text; return how it differs from the one before, and how many characters of it were typed."""
        edit, version = edit_between(self.text, text), hash(text)
        # A text that was there before comes back by undo or redo, or by typing anew what has been counted already.
        typed = 0 if version in self._earlier else typed_characters(edit)
        self.text = text
        self._earlier.append(version)
        for kept in self.kept.values():
            kept.span.shift(edit)
        return edit, typed
