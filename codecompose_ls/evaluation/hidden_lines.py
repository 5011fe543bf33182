"""Hidden lines: real files with the rest of one line taken away (definitions: docs/metrics.md)."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from codecompose_ls.evaluation.projects import Project
from codecompose_ls.evaluation.randomness import generator
from codecompose_ls.languages import TRIGGER_CHARACTERS, language_of
from codecompose_ls.tuning.filters import is_generated, is_minified

#: The lines hidden so far, by project and path.
Hidden = defaultdict[tuple[str, str], set[int]]

_LINE = re.compile(r"[^\r\n]+")


class Kind(str, Enum):
    """Where the cursor stands."""

    MID_LINE = "mid_line"
    LINE_START = "line_start"


@dataclass(frozen=True, slots=True)
class Edit:
    """A file that a person has just changed, as it was before and as it is now."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Case:
    """One question: `text` is the file without `hidden`, which stood at `offset` up to the end of its line.

    `project` is the workspace as a predictor may know it; its own version of the file at `path` is not for looking at.
    """

    project: Project
    path: str
    language: str
    kind: Kind
    text: str
    offset: int
    hidden: str
    #: What was edited lately, the case's own file last (`sessions`).
    edits: tuple[Edit, ...] = ()

    @property
    def id(self) -> str:
        """A name for the case that is the same in every run, and tells nothing of the code."""
        digest = hashlib.sha256()
        edits = [text for edit in self.edits for text in (edit.path, edit.before, edit.after)]
        for part in (self.project.name, self.path, self.kind.value, str(self.offset), self.hidden, self.text, *edits):
            digest.update(f"{len(part)} {part}".encode(errors="surrogatepass"))
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Source:
    """Where cases come from: the files of `asked`, while `workspace` is known; one project, or two states of it.

    `lines` are those that may be hidden (from 0, by path, ended by LF); None stands for all lines of all files.
    """

    workspace: Project
    asked: Project
    lines: Mapping[str, frozenset[int]] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files with lines to hide."""
        return tuple(path for path in self.asked.files if self.lines is None or path in self.lines)

    def places(self, path: str, text: str, kind: Kind) -> list[tuple[int, int]]:
        """Return the cursors of a file that its lines allow."""
        found = cursors(text, kind)
        if self.lines is None:
            return found
        breaks = [match.start() for match in re.finditer("\n", text)]
        allowed = self.lines.get(path, frozenset())
        return [(cursor, end) for cursor, end in found if bisect_left(breaks, end) in allowed]


def cursors(text: str, kind: Kind) -> list[tuple[int, int]]:
    """Return every (cursor, end of its line) of a kind; what lies between is never blank.

    line_start is a line's first character after its indentation. mid_line is after a space or one of `( . , = [ { :`,
    further right.
    """
    found = []
    for line in _LINE.finditer(text):
        start, end = line.span()
        content = line[0].rstrip()
        first = start + len(content) - len(content.lstrip())
        last = start + len(content)
        if kind is Kind.LINE_START:
            found += [(first, end)] if first < last else []
        else:
            found += [(at, end) for at in range(first + 1, last) if text[at - 1] in TRIGGER_CHARACTERS]
    return found


def is_written(path: str, text: str) -> bool:
    """Return whether people write the file: neither generated nor minified, by the rules of the training data."""
    return not is_generated(path, text) and not is_minified(path, text)


def hide(text: str, cursor: int, end: int) -> tuple[str, str]:
    """Return the text without what stands between cursor and end, and what that was."""
    return text[:cursor] + text[end:], text[cursor:end]


def draw(sources: Sequence[Source], *, cases: int, per_file: int = 3, seed: int = 0) -> list[Case]:
    """Draw up to `cases` cases of each kind: projects take turns, then the files of a project, at most `per_file` each.

    No two cases share a line. The same seed and the same files give the same cases; they come project by project.
    """
    hidden: Hidden = defaultdict(set)
    lanes = {
        (source.asked.name, kind): _lane(source, kind, hidden, per_file=per_file, seed=seed)
        for source in sources
        for kind in Kind
    }
    drawn: dict[Kind, list[Case]] = {kind: [] for kind in Kind}
    while lanes:
        for (name, kind), lane in list(lanes.items()):
            case = next(lane, None) if len(drawn[kind]) < cases else None
            if case is None:
                del lanes[name, kind]
            else:
                drawn[kind].append(case)
    return sorted((case for kind in Kind for case in drawn[kind]), key=lambda case: case.project.name)


def _lane(source: Source, kind: Kind, hidden: Hidden, *, per_file: int, seed: int) -> Iterator[Case]:
    """Yield the cases of one kind in one project, file after file, until every file has given its share."""
    files, name = list(source.files), source.asked.name
    generator(seed, name, kind.value).shuffle(files)
    for turn in range(per_file):
        for path in files:
            lines = hidden[name, path]
            if len(lines) < per_file:
                yield from _case(source, path, kind, lines, seed=f"{seed} {turn}")


def _case(source: Source, path: str, kind: Kind, lines: set[int], *, seed: str) -> Iterator[Case]:
    """Yield a case on none of `lines` (known by their ends), and add its line to them; nothing where there is none."""
    try:
        text = source.asked.read(path)
    except (OSError, UnicodeDecodeError):
        return
    places = [place for place in source.places(path, text, kind) if place[1] not in lines]
    if not places or not is_written(path, text):
        return
    cursor, end = generator(seed, source.asked.name, path, kind.value).choice(places)
    lines.add(end)
    visible, hidden = hide(text, cursor, end)
    yield Case(source.workspace, path, language_of(path) or "", kind, visible, cursor, hidden)
