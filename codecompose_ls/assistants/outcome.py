"""What came of a task: a text to show, edits that were checked, or why there are none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

#: Who did it where no model was asked, or none has answered.
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

    @property
    def path(self) -> Path:
        """Where the file is, for a URI of one on disk."""
        # The server imports this module when it starts, and HTTP comes with this one.
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(self.uri).path))


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
    #: One line that says why analysis did what a chat model was asked for.
    notice: str = ""


def unanswered(why: str) -> str:
    """Say what became of a chat model that was to be asked."""
    return f"the chat model did not answer: {why}"


def origin(how: str, *, why: str = "") -> str:
    """Return the line that says `how` analysis has done something; `why` is what kept the chat model from it."""
    said = f"{unanswered(why)}; {how}." if why else f"{how}; no model was asked."
    return f"*{said[0].upper()}{said[1:]}*"


def results(edits: Iterable[FileEdit]) -> dict[Path, str]:
    """Return the text that each edited file has after all of its edits."""
    texts: dict[Path, str] = {}
    for edit in sorted(edits, key=lambda one: -one.start):
        text = texts.get(edit.path, edit.source)
        texts[edit.path] = text[: edit.start] + edit.text + text[edit.end :]
    return texts


def unified_diff(edits: Iterable[FileEdit], root: Path) -> str:
    """Return edits as `git apply` takes them, with paths as seen from `root`."""
    from difflib import unified_diff as unified

    edits = list(edits)
    sources = {edit.path: edit for edit in edits}
    parts: list[str] = []
    for path, text in results(edits).items():
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        old = "/dev/null" if sources[path].creates else f"a/{name}"
        lines = unified(_lines(sources[path].source), _lines(text), old, f"b/{name}")
        parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return "".join(parts)


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends; only a line feed ends one, as for git."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
