"""When a generation is stopped early: each rule says how much of the text so far to keep, or None to go on.

The engine is stopped at the first rule that speaks; what a rule leaves over is post-processed like any other text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codecompose_ls.completion.scope import Scope, closes, leaves
from codecompose_ls.completion.window import Window

#: The same line so often in a row, or the same run of characters at the end so often, is a loop.
SAME_LINES, SAME_RUNS = 3, 5
LONGEST_RUN = 40
BLANK_LINES = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text is to stand: its window, and the scope it may fill (None: a single line)."""

    window: Window
    scope: Scope | None = None


Rule = Callable[[str, Place], "int | None"]


def line_end(text: str, place: Place) -> int | None:
    """Single line: keep up to the first line break after some text."""
    if place.scope is not None:
        return None
    first = len(text) - len(text.lstrip())
    if "\n" in text[:first] and not (place.window.ends_line and place.window.line_prefix.strip()):
        # Nothing more for this line; on a blank line, leading line breaks are taken off later.
        return 0 if place.window.line_prefix.strip() else _find(text, "\n", first)
    return _find(text, "\n", first)


def scope_end(text: str, place: Place) -> int | None:
    """Multi-line: keep what is inside the scope, and the line that closes it where that is missing."""
    if place.scope is None:
        return None
    first = not place.window.line_prefix.strip()
    for start, line, complete in _lines(text):
        if (start == 0 and not first) or not line.strip() or (start == 0 and first):
            continue
        if closes(line, place.scope):
            return start + len(line) if complete else None
        if leaves(line, place.scope):
            return start - 1
    return None


def next_line(text: str, place: Place) -> int | None:
    """Multi-line: keep what comes before a line that is already there, right after the cursor's."""
    following = following_line(place.window.suffix)
    if following is None:
        return None
    for start, line, complete in _lines(text):
        if start and complete and line.rstrip() == following:
            return start - 1
    return None


def repetition(text: str, place: Place) -> int | None:
    """Keep one of what is being said over and over."""
    return loop_start(text)


def blank_run(text: str, place: Place) -> int | None:
    """Keep nothing of a text that is all line breaks."""
    return 0 if not text.strip() and text.count("\n") >= BLANK_LINES else None


RULES: tuple[Rule, ...] = (line_end, scope_end, next_line, repetition, blank_run)


def stop_at(text: str, place: Place) -> int | None:
    """Return how many characters to keep of a text that has gone far enough, or None."""
    ends = [end for rule in RULES if (end := rule(text, place)) is not None]
    return min(ends) if ends else None


def loop_start(text: str) -> int | None:
    """Return where the first repeat of a loop at the end of `text` starts, or None.

    A loop is the same line SAME_LINES times, or the same 3 to LONGEST_RUN characters SAME_RUNS times; rulers (`-----`)
    are none.
    """
    lines = [(start, line.strip()) for start, line, complete in _lines(text) if complete and line.strip()]
    last = [line for _, line in lines[-SAME_LINES:]]
    if len(last) == SAME_LINES and len(set(last)) == 1 and len(last[0]) > 1:
        return lines[-SAME_LINES + 1][0] - 1
    for period in range(3, min(LONGEST_RUN, len(text) // SAME_RUNS) + 1):
        run = text[-period:]
        if len(set(run)) > 1 and text.endswith(run * SAME_RUNS):
            start = len(text) - period * SAME_RUNS
            while start >= period and text[start - period : start] == run:
                start -= period
            return start + period
    return None


def following_line(suffix: str) -> str | None:
    """Return the first line with anything on it after the cursor's own, without trailing space."""
    return next((line.rstrip() for line in suffix.split("\n")[1:] if line.strip()), None)


def _find(text: str, what: str, start: int) -> int | None:
    at = text.find(what, start)
    return at if at >= 0 else None


def _lines(text: str) -> list[tuple[int, str, bool]]:
    """Split into (start, line, whether its line break has come)."""
    out, start = [], 0
    parts = text.split("\n")
    for number, line in enumerate(parts):
        out.append((start, line, number + 1 < len(parts)))
        start += len(line) + 1
    return out
