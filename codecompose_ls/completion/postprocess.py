"""From generated text to a suggestion worth showing: filters in a fixed order, each a pure function of text and place.

A filter returns the text, shortened or mended, or "" to drop it; the result names the filter that left nothing to see.
The order: cut to size first (scope, loop), then mend the start (indentation), then compare with what is around (next
lines, rest of the line, brackets), and look for secrets in what is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from codecompose_ls.completion.brackets import balance
from codecompose_ls.completion.scope import TAB_WIDTH, opens, width
from codecompose_ls.completion.stopping import Place, following_line, loop_start, next_line, stop_at
from codecompose_ls.index.secrets import has_secret

Filter = Callable[[str, Place], str]

#: An overlap with the rest of the line counts from so many characters on; fewer are chance, unless they are all of it.
MIN_OVERLAP = 4

#: After a line that ends so, the next is indented by one step more; by any number of columns.
_ONE_DEEPER, _ANY_DEEPER = re.compile(r"(?:[:{]|\b(?:do|then|else))$"), re.compile(r"[(\[,=+\-*/|&.\\>]$")

#: All control characters but tab and line breaks, and the mark of undecodable bytes.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_ONE_SPACE, _SPACED_WORD = re.compile(r"\S $"), re.compile(r" [\w\"'(\[{]")


@dataclass(frozen=True, slots=True)
class Result:
    """What is left of a text, and the filter that dropped it, if one did."""

    text: str
    dropped_by: str = ""


def whitespace_only(text: str, place: Place) -> str:
    """Drop a text with nothing to see."""
    return text if text.strip() else ""


def unprintable(text: str, place: Place) -> str:
    """Drop a text with control characters, or with bytes that are no UTF-8: a model's slip, never code."""
    return "" if _UNPRINTABLE.search(text) else text


def extent(text: str, place: Place) -> str:
    """Cut to a single line, or to the scope where more than one is allowed."""
    # As if the next line had begun: the last one is complete by now.
    end = stop_at(text + "\n", place)
    return text if end is None else text[:end]


def repetition(text: str, place: Place) -> str:
    """Drop a line that already stands twice above; a text's own loops are cut by `extent`."""
    end = loop_start(text, line=place.window.line_prefix)
    text = text if end is None else text[:end]
    above = [line.rstrip() for line in place.window.prefix.split("\n")[:-1] if line.strip()][-2:]
    line = (place.window.line_prefix + text.split("\n")[0]).rstrip()
    return "" if above == [line, line] and len(line.strip()) > 1 else text


def indentation(text: str, place: Place) -> str:
    """Take off white space that is typed already or goes too deep, and indent the way the file does."""
    line = place.window.line_prefix
    if not line.strip():
        text = _under(text, place)
    elif _ONE_SPACE.search(line) and _SPACED_WORD.match(text):
        # Only there: several spaces, or one before a comment, may be meant to align something.
        text = text[1:]
    return _same_indent(text, tabs=_uses_tabs(place.window.prefix + place.window.suffix))


def duplicate_lines(text: str, place: Place) -> str:
    """Drop a line that the next line already is; cut a block before it."""
    following = following_line(place.window.suffix)
    lines = (place.window.line_prefix + text).split("\n")
    first = next((line.rstrip() for line in lines if line.strip() and line != place.window.line_prefix), "")
    if first and first == following:
        return ""
    end = next_line(text + "\n", place)
    return text if end is None else text[:end]


def suffix_overlap(text: str, place: Place) -> str:
    """Cut an end that is already there, right after the cursor on its line."""
    rest = place.window.suffix.split("\n")[0].rstrip()
    end = text.rstrip()
    for size in range(min(len(rest), len(end)), 0, -1):
        if end.endswith(rest[:size]) and (size >= MIN_OVERLAP or size == len(rest)):
            return end[:-size]
    return text


def unbalanced_closers(text: str, place: Place) -> str:
    """Cut before a bracket that closes nothing."""
    language, prefix = place.window.language, place.window.prefix
    # A brace may close a block that begins before the window; in Python blocks have none.
    closers = ")]}" if language == "python" else ")]"
    stray = [mark for mark in balance(text, language=language, after=prefix).stray if mark.char in closers]
    if not stray or not _starts_afresh(prefix, language=language) or balance(prefix, language=language).in_string:
        return text
    return text[: stray[0].index]


def closing_line(text: str, place: Place) -> str:
    """Put a brace that the editor has closed on the opening line onto a line of its own, after the block."""
    window, scope = place.window, place.scope
    if scope is None or scope.closer is None or not window.tail.strip().startswith("}") or "\n" not in text:
        return text
    line = window.line_prefix
    is_closed = balance(text, language=window.language, after="{").closed
    return text if is_closed else f"{text.rstrip()}\n{line[: len(line) - len(line.lstrip())]}}}"


def trailing_space(text: str, place: Place) -> str:
    """Cut white space before a line break."""
    return text.rstrip() if place.window.ends_line else text


def secrets(text: str, place: Place) -> str:
    """Drop what looks like a credential, unless the line held one before."""
    line = place.window.line_prefix
    return "" if has_secret(line + text) and not has_secret(line) else text


FILTERS: tuple[Filter, ...] = (
    whitespace_only,
    unprintable,
    extent,
    repetition,
    indentation,
    duplicate_lines,
    suffix_overlap,
    unbalanced_closers,
    closing_line,
    trailing_space,
    secrets,
)

#: Matters of taste: who asks by hand gets to see what these would drop.
TASTE: frozenset[Filter] = frozenset({repetition, duplicate_lines})


def postprocess(text: str, place: Place, *, invoked: bool = False) -> Result:
    """Run the filters; for an invoked request a matter of taste may shorten the text but not drop it."""
    for filter in FILTERS:
        left = filter(text, place)
        if left.strip():
            text = left
        elif not (invoked and filter in TASTE):
            return Result("", filter.__name__)
    return Result(text)


def _under(text: str, place: Place) -> str:
    """Take off the first line's indentation where the model repeats what is typed already."""
    line = place.window.line_prefix
    if text.startswith("\n"):
        # A line of its own, with all of its indentation: it takes the place of the blank one.
        return text.lstrip("\n").removeprefix(line)
    above = next((line.rstrip() for line in reversed(place.window.prefix.split("\n")[:-1]) if line.strip()), "")
    body = text.lstrip(" \t")
    is_deep_enough = width(line) >= width(above) + bool(_ONE_DEEPER.search(above)) and not _ANY_DEEPER.search(above)
    return body if is_deep_enough and text[: len(text) - len(body)] == line else text


def _starts_afresh(prefix: str, *, language: str) -> bool:
    """Say whether a window begins outside of all brackets, or has a line that must be: one that opens a block."""
    lines = prefix.split("\n")
    return bool(lines[0][:1].strip()) or (
        language == "python" and any(opens(line, language=language) for line in lines)
    )


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
        lead = line[: len(line) - len(body)].expandtabs(TAB_WIDTH)
        return (lead.replace(" " * TAB_WIDTH, "\t") if tabs else lead) + body

    return "\n".join((first, *map(rewrite, rest)))
