"""Which brackets and quotes a piece of code leaves open, and which it closes: a lexical look, no parser.

Comments and strings are skipped; a quote left open ends with its line, so that an apostrophe in prose does no harm for
long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codecompose_ls.languages import LANGUAGES

_OPENER = {")": "(", "]": "[", "}": "{"}
_TRIPLE = ('"""', "'''")
_MARKS = re.compile(r"""\\.|\"{3}|'{3}|["'`]|[()\[\]{}]|\n|\#|//|--""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mark:
    """A closing bracket or quote at an index of the text."""

    index: int
    char: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What is open after a text; what it closed of that which was open before; what it closed without an opener."""

    open: tuple[str, ...]
    closed: tuple[Mark, ...] = ()
    stray: tuple[Mark, ...] = ()


def balance(text: str, *, language: str, open: tuple[str, ...] = ()) -> Balance:
    """Scan `text`, with `open` (outermost first) as it stands before it."""
    known = LANGUAGES.get(language)
    comment = known.line_comment if known else "//"
    stack, depth = list(open), len(open)
    closed: list[Mark] = []
    stray: list[Mark] = []
    skip_line = False
    for match in _MARKS.finditer(text):
        mark = match.group()
        quoted = stack[-1] if stack and stack[-1] not in "([{" else None
        if mark == "\n":
            skip_line = False
            if quoted and quoted not in (*_TRIPLE, "`"):
                stack.pop()
        elif skip_line or mark[0] == "\\":
            continue
        elif quoted:
            if mark == quoted:
                stack.pop()
            elif quoted in mark:
                # Three quotes inside a string of one: the first ends it.
                stack.pop()
        elif mark in ("#", "//", "--"):
            skip_line = mark == comment
        elif mark in "([{":
            stack.append(mark)
        elif mark not in _OPENER:
            # In Rust an apostrophe is more often a lifetime than a character.
            if not (mark == "'" and language == "rust"):
                stack.append(mark)
        elif _OPENER[mark] in stack:
            while stack.pop() != _OPENER[mark]:
                pass
        else:
            stray.append(Mark(match.start(), mark))
        if len(stack) < depth:
            depth = len(stack)
            if mark != "\n":
                closed.append(Mark(match.start(), mark))
    return Balance(tuple(stack), tuple(closed), tuple(stray))


def open_at_end(prefix: str, *, language: str) -> tuple[str, ...]:
    """Return what a window's prefix leaves open; it may begin in the midst of a string of several lines."""
    left = balance(prefix, language=language).open
    if left and left[-1] in (*_TRIPLE, "`"):
        return balance(prefix[prefix.rfind("\n") + 1 :], language=language).open
    return left


def covered(text: str, *, tail: str, prefix: str, language: str) -> int:
    """Return how many characters of `tail` (the closing marks after the cursor) the text repeats and so replaces.

    What the text closes of that which the prefix left open is matched with the tail from its start: after `print(`,
    both `x)` and `f(x))` repeat one `)`, and `f(x)` repeats none.
    """
    if not tail.strip():
        return 0
    state = balance(text, language=language, open=open_at_end(prefix, language=language))
    end, last = 0, 0
    for mark in state.closed:
        start = end + len(tail[end:]) - len(tail[end:].lstrip())
        if tail[start : start + len(mark.char)] != mark.char:
            break
        end, last = start + len(mark.char), mark.index + len(mark.char)
    # What is left of the tail may be a sign that ends or opens something: `) {`, `);`.
    sign = tail[end:].strip()
    if sign and sign in ":;,{" and text[last:].rstrip().endswith(sign):
        return len(tail.rstrip())
    return end
