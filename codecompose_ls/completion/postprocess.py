"""From generated text to a suggestion worth showing: filters in a fixed order, each a pure function of text and place.

A filter returns the text, shortened or mended, or "" to drop it; the result names the filter that did. The order: cut
to size first (the loop, the scope), then mend the start (indentation), then compare with what is around (next lines,
rest of the line, brackets), and judge what is left (secrets, blank).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from codecompose_ls.completion.brackets import balance
from codecompose_ls.completion.scope import TAB_WIDTH, width
from codecompose_ls.completion.stopping import Place, following_line, loop_start, next_line, stop_at
from codecompose_ls.index.secrets import has_secret

Filter = Callable[[str, Place], str]

#: An overlap with the rest of the line counts from so many characters on; fewer are chance, unless they are the whole
#: rest.
MIN_OVERLAP = 4
#: Brackets of a line; a stray brace may close a block that begins before the window.
_LINE_CLOSERS = ")]"


@dataclass(frozen=True, slots=True)
class Result:
    """What is left of a text, and the filter that dropped it, if one did."""

    text: str
    dropped_by: str = ""


def extent(text: str, place: Place) -> str:
    """Cut to a single line, or to the scope where more than one is allowed."""
    end = stop_at(text, place)
    return text if end is None else text[:end]


def repetition(text: str, place: Place) -> str:
    """Cut a loop to its first round; drop a line that already stands twice above."""
    end = loop_start(text + "\n")
    text = text if end is None else text[:end]
    above = [line.rstrip() for line in place.window.prefix.split("\n")[:-1] if line.strip()][-2:]
    line = (place.window.line_prefix + text.split("\n")[0]).rstrip()
    return "" if above == [line, line] and len(line.strip()) > 1 else text


def indentation(text: str, place: Place) -> str:
    """Mend the start (indentation or space typed already) and write indentation the way the file does."""
    line = place.window.line_prefix
    if line.strip():
        text = text.lstrip(" ") if line.endswith(" ") else text
    elif line or text.startswith("\n"):
        text = text.lstrip("\n")
        if line and text.startswith(line):
            text = text[len(line) :]
        text = _trim_indent(text, place)
    return _same_indent(text, tabs=_uses_tabs(place.window.prefix + place.window.suffix))


def duplicate_lines(text: str, place: Place) -> str:
    """Drop a line that the next line already is; cut a block before it."""
    following = following_line(place.window.suffix)
    if following is None:
        return text
    first = (place.window.line_prefix + text).split("\n")[0].rstrip()
    if first == following:
        return ""
    if not first and text.lstrip("\n").split("\n")[0].rstrip() == following:
        return ""
    end = next_line(text + "\n", place)
    return text if end is None else text[:end]


def suffix_overlap(text: str, place: Place) -> str:
    """Cut an end that is already there, right after the cursor on its line."""
    rest = place.window.suffix.split("\n")[0].rstrip()
    for size in range(min(len(rest), len(text)), 0, -1):
        if text.endswith(rest[:size]) and (size >= MIN_OVERLAP or size == len(rest)):
            return text[:-size]
    return text


def unbalanced_closers(text: str, place: Place) -> str:
    """Cut before a bracket that closes nothing."""
    language = place.window.language
    state = balance(text, language=language, open=balance(place.window.prefix, language=language).open)
    closers = _LINE_CLOSERS + ("}" if language == "python" else "")
    return next((text[: mark.index] for mark in state.stray if mark.char in closers), text)


def trailing_space(text: str, place: Place) -> str:
    """Cut white space before a line break."""
    return text.rstrip() if place.window.ends_line else text


def secrets(text: str, place: Place) -> str:
    """Drop what looks like a credential, unless the line was one before."""
    line = place.window.line_prefix
    return "" if has_secret(line + text) and not has_secret(line) else text


def whitespace_only(text: str, place: Place) -> str:
    """Drop a text with nothing to see."""
    return text if text.strip() else ""


FILTERS: tuple[Filter, ...] = (
    extent,
    repetition,
    indentation,
    duplicate_lines,
    suffix_overlap,
    unbalanced_closers,
    trailing_space,
    secrets,
    whitespace_only,
)

#: Matters of taste: who asks by hand sees a text that these would drop.
TASTE: frozenset[Filter] = frozenset({repetition, duplicate_lines})


def postprocess(text: str, place: Place, *, invoked: bool = False) -> Result:
    """Run the filters; with `invoked` a matter of taste may shorten a text, not drop it."""
    for filter in FILTERS:
        left = filter(text, place)
        if not left:
            if invoked and filter in TASTE:
                continue
            return Result("", filter.__name__)
        text = left
    return Result(text)


def _trim_indent(text: str, place: Place) -> str:
    """Take off indentation that goes deeper than the line above allows."""
    lead = len(text) - len(text.lstrip(" \t"))
    above = next((line for line in reversed(place.window.prefix.split("\n")[:-1]) if line.strip()), "")
    opens = above.rstrip().endswith((":", "{", "(", "["))
    room = max(0, width(above) + (TAB_WIDTH if opens else 0) - width(place.window.line_prefix + "x"))
    return text[lead:] if room == 0 else " " * min(lead, room) + text[lead:] if "\t" not in text[:lead] else text


def _uses_tabs(text: str) -> bool | None:
    """Say whether lines are indented with tabs; None when none is indented."""
    tabs, spaces = len(re.findall(r"^\t", text, re.MULTILINE)), len(re.findall(r"^  ", text, re.MULTILINE))
    return None if tabs == spaces == 0 else tabs > spaces


def _same_indent(text: str, *, tabs: bool | None) -> str:
    """Rewrite the indentation of all lines but the first, which goes on with the cursor's."""
    first, *rest = text.split("\n")
    if tabs is None or not rest:
        return text

    def rewrite(line: str) -> str:
        body = line.lstrip(" \t")
        lead = line[: len(line) - len(body)]
        if tabs:
            return "\t" * (width(lead + "x") // TAB_WIDTH) + body if " " * TAB_WIDTH in lead else line
        return lead.expandtabs(TAB_WIDTH) + body

    return "\n".join((first, *map(rewrite, rest)))
