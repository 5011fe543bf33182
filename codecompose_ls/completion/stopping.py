"""When a generation is stopped early: each rule says how much of the text so far to keep, or None to go on.

The engine is stopped as soon as one rule speaks; what it leaves is post-processed like any other text. `opening` says
with what a text must not begin so that something is left of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from codecompose_ls.completion.scope import Scope, closes, leaves
from codecompose_ls.completion.window import Window
from codecompose_ls.types import Opening

#: The same line so often in a row, or the same run of characters so often at the end, is a loop.
SAME_LINES, SAME_RUNS = 3, 8
LONGEST_RUN = 40
BLANK_LINES = 3

_RULER = re.compile(rf"([^\w\s])\1{{{SAME_RUNS - 1},}}\Z")
_NO_CODE = re.compile(r"[\"'`#]|//|/\*|--|^\s*\*")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text is to stand: its window, and the scope it may fill (None: a single line)."""

    window: Window
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text: where it starts, what it says, and whether its line break has been generated."""

    start: int
    text: str
    is_complete: bool


Rule = Callable[[str, Place], "int | None"]


def line_end(text: str, place: Place) -> int | None:
    """Single line: keep what comes before the first line break; on a blank line, leading ones do not count."""
    if place.scope is not None:
        return None
    blank = not place.window.line_prefix.strip()
    end = text.find("\n", len(text) - len(text.lstrip()) if blank else 0)
    return end if end >= 0 else None


def scope_end(text: str, place: Place) -> int | None:
    """Multi-line: keep what is inside the scope, and the line that closes it where that is missing."""
    if place.scope is None:
        return None
    above = place.window.line_prefix
    for line in split_lines(text):
        if line.start > 0 and above.strip():
            if closes(line.text, place.scope):
                return line.start + len(line.text) if line.is_complete else None
            if leaves(line.text, place.scope, above=above):
                return line.start - 1
        above = above + line.text if line.start == 0 else line.text if line.text.strip() else above
    return None


def next_line(text: str, place: Place) -> int | None:
    """Multi-line: keep what comes before a line that already follows the cursor's."""
    if place.scope is None:
        return None
    following = following_line(place.window.suffix)
    for line in split_lines(text):
        if line.start > 0 and line.is_complete and line.text.rstrip() == following:
            return line.start - 1
    return None


def repetition(text: str, place: Place) -> int | None:
    """Keep one round of a loop."""
    return loop_start(text, line=place.window.line_prefix)


def blank_run(text: str, place: Place) -> int | None:
    """Keep nothing of a text that is all line breaks."""
    return 0 if not text.strip() and text.count("\n") >= BLANK_LINES else None


RULES: tuple[Rule, ...] = (line_end, scope_end, next_line, repetition, blank_run)


def stop_at(text: str, place: Place) -> int | None:
    """Return how many characters to keep of a text that has gone far enough, or None."""
    ends = [end for rule in RULES if (end := rule(text, place)) is not None]
    return min(ends) if ends else None


def opening(place: Place) -> Opening | None:
    """Return how a text that was asked for by hand may begin; None: before code on its line it may be empty."""
    if not place.window.ends_line:
        return None
    if not place.window.line_prefix.strip():
        return Opening.SPACE
    return Opening.VISIBLE if place.scope is None else Opening.NEW_LINE


def loop_start(text: str, *, line: str = "") -> int | None:
    """Return where the second round of a loop at the end of `text`, which goes on with `line`, starts, or None.

    A loop is the same line SAME_LINES times over, or the same 3 to LONGEST_RUN characters SAME_RUNS times over. A
    single sign as often is one after code (`x = args[0] ========`), and a ruler elsewhere.
    """
    ruler = _RULER.search(text)
    if ruler and _is_code((line + text[: ruler.start()]).rpartition("\n")[2]):
        return ruler.start() + 1
    lines = [line for line in split_lines(text) if line.is_complete and line.text.strip()][-SAME_LINES:]
    if len(lines) == SAME_LINES and len({line.text.strip() for line in lines}) == 1 and len(lines[0].text.strip()) > 1:
        return lines[1].start - 1
    for period in range(3, min(LONGEST_RUN, len(text) // SAME_RUNS) + 1):
        run = text[-period:]
        if len(set(run)) > 1 and text.endswith(run * SAME_RUNS):
            start = len(text) - period * SAME_RUNS
            while start >= period and text[start - period : start] == run:
                start -= period
            return start + period
    return None


def _is_code(line: str) -> bool:
    """Say whether there is something on a line, and neither a comment nor a string as far as one can see."""
    return bool(re.search(r"\w", line)) and not _NO_CODE.search(line)


def following_line(suffix: str) -> str | None:
    """Return the first line with anything on it after the cursor's own, without trailing space."""
    return next((line.rstrip() for line in suffix.split("\n")[1:] if line.strip()), None)


def split_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a text that is still being generated."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield Line(start, text[start:end], True)
        start = end + 1
    yield Line(start, text[start:], False)
