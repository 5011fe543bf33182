"""Hidden lines: real files with the rest of one line taken away (definitions: docs/metrics.md)."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from codecompose_ls.evaluation.projects import Project
from codecompose_ls.languages import TRIGGER_CHARACTERS, language_of

#: The lines hidden so far, by project and path.
Hidden = defaultdict[tuple[str, str], set[int]]

_LINE = re.compile(r"[^\r\n]+")


class Kind(str, Enum):
    """Where the cursor stands."""

    MID_LINE = "mid_line"
    LINE_START = "line_start"


@dataclass(frozen=True, slots=True)
class Case:
    """One question: `text` is the file without `hidden`, which stood at `offset` up to the end of its line."""

    project: str
    path: str
    language: str
    kind: Kind
    text: str
    offset: int
    hidden: str


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


def hide(text: str, cursor: int, end: int) -> tuple[str, str]:
    """Return the text without what stands between cursor and end, and what that was."""
    return text[:cursor] + text[end:], text[cursor:end]


def draw(projects: Sequence[Project], *, cases: int, per_file: int = 3, seed: int = 0) -> list[Case]:
    """Draw up to `cases` cases of each kind: projects take turns, then the files of a project, at most `per_file` each.

    No two cases share a line. The same seed and the same files give the same cases; they come project by project.
    """
    hidden: Hidden = defaultdict(set)
    lanes = {
        (project.name, kind): _lane(project, kind, hidden, per_file=per_file, seed=seed)
        for project in projects
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
    return sorted((case for kind in Kind for case in drawn[kind]), key=lambda case: case.project)


def _lane(project: Project, kind: Kind, hidden: Hidden, *, per_file: int, seed: int) -> Iterator[Case]:
    """Yield the cases of one kind in one project, file after file, until every file has given its share."""
    files = list(project.files)
    random.Random(f"{seed} {project.name} {kind.value}").shuffle(files)
    for turn in range(per_file):
        for path in files:
            lines = hidden[project.name, path]
            if len(lines) < per_file:
                yield from _case(project, path, kind, lines, seed=f"{seed} {turn}")


def _case(project: Project, path: str, kind: Kind, lines: set[int], *, seed: str) -> Iterator[Case]:
    """Yield a case on none of `lines` (known by their ends), and add its line to them; nothing where there is none."""
    try:
        text = project.read(path)
    except (OSError, UnicodeDecodeError):
        return
    places = [place for place in cursors(text, kind) if place[1] not in lines]
    if not places:
        return
    cursor, end = random.Random(f"{seed} {project.name} {path} {kind.value}").choice(places)
    lines.add(end)
    visible, hidden = hide(text, cursor, end)
    yield Case(project.name, path, language_of(path) or "", kind, visible, cursor, hidden)
