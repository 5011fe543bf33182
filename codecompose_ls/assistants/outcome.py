"""What came of a task: a text to show, edits that were checked, or why there are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: Who did it where no model was asked.
ANALYSIS = "analysis"


@dataclass(frozen=True, slots=True)
class FileEdit:
    """Replace `source[start:end]` (code points) of the file at `uri` with `text`.

    Where `creates` is set there is no such file yet, and `source` is empty.
    """

    uri: str
    source: str = field(repr=False)
    start: int
    end: int
    text: str
    creates: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a task."""

    #: What to show, whether there are edits or not.
    markdown: str
    edits: tuple[FileEdit, ...] = ()
    #: One line that says why no edit is offered although one was asked for.
    refusal: str = ""
    #: "analysis" or the model's name.
    made_by: str = ANALYSIS
    #: One line about the edits, for whoever has to confirm them.
    description: str = ""


def results(edits: Iterable[FileEdit]) -> dict[str, str]:
    """Return the text that each edited file has after all of its edits, by URI."""
    texts: dict[str, str] = {}
    for edit in sorted(edits, key=lambda one: -one.start):
        text = texts.get(edit.uri, edit.source)
        texts[edit.uri] = text[: edit.start] + edit.text + text[edit.end :]
    return texts
