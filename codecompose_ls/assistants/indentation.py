"""Indentation of an answer, fitted to the code that it takes the place of: as deep, with tabs where those are used."""

from __future__ import annotations

import re

from codecompose_ls.assistants.syntax import syntax

#: Columns that a tab stands for where a file says nothing.
TAB_WIDTH = 4
_LEADING = re.compile(r"[ \t]*")


def fit(code: str, *, given: str, around: str, language: str) -> str:
    """Return `code` indented as `given`, whose file is `around`; lines end with line feeds.

    Its lines keep their places to each other. Lines of a string that stand as they did in `given` stay where they are.
    """
    lines = code.split("\n")
    if _uses_tabs(around) and not _uses_tabs(code):
        unit = _unit(code)
        lines = [_with_tabs(line, unit) for line in lines]
    elif _uses_tabs(code) and not _uses_tabs(around):
        unit = _unit(around)
        lines = [_with_spaces(line, unit) for line in lines]
    have, want = _first(lines), _first(given.split("\n"))
    if have == want:
        return "\n".join(lines)
    kept = _string_lines("\n".join(lines), language) & _same_lines(lines, given)
    return "\n".join(line if number in kept else _shifted(line, have, want) for number, line in enumerate(lines))


def leading(line: str) -> str:
    """Return the white space that a line begins with."""
    found = _LEADING.match(line)
    return found.group() if found else ""


def _first(lines: list[str]) -> str:
    return next((leading(line) for line in lines if line.strip()), "")


def _shifted(line: str, have: str, want: str) -> str:
    if not line.strip():
        return line
    if line.startswith(have):
        return want + line[len(have) :]
    # Less deep than the first line: as much less deep, if there is room for that.
    missing = len(have) - len(leading(line))
    return want[: max(0, len(want) - missing)] + line.lstrip(" \t")


def _string_lines(code: str, language: str) -> set[int]:
    """Return the numbers of the lines that begin in the midst of a string."""
    tree = syntax(code, language)
    if tree is None:
        return set()
    found, start = set(), 0
    for number, line in enumerate(code.split("\n")):
        if tree.in_string(start):
            found.add(number)
        start += len(line) + 1
    return found


def _same_lines(lines: list[str], given: str) -> set[int]:
    known = set(given.split("\n"))
    return {number for number, line in enumerate(lines) if line.strip() and line in known}


def _uses_tabs(text: str) -> bool:
    """Return whether more lines begin with a tab than with a space."""
    tabs = len(re.findall(r"^\t", text, re.MULTILINE))
    return tabs > len(re.findall(r"^ {2,}\S", text, re.MULTILINE))


def _unit(text: str) -> int:
    """Return the columns of one step: the smallest difference between a line and a deeper one below it."""
    steps = []
    before = None
    for line in text.split("\n"):
        if line.strip():
            now = len(leading(line).expandtabs(TAB_WIDTH))
            if before is not None and now > before:
                steps.append(now - before)
            before = now
    return max(1, min((step for step in steps if step > 1), default=TAB_WIDTH))


def _with_tabs(line: str, unit: int) -> str:
    space = leading(line)
    if "\t" in space:
        return line
    return "\t" * (len(space) // unit) + " " * (len(space) % unit) + line[len(space) :]


def _with_spaces(line: str, unit: int) -> str:
    space = leading(line)
    return space.replace("\t", " " * unit) + line[len(space) :]
