"""Which brackets and quotes a piece of code leaves open, and which it closes: a lexical look, no parser.

Comments and strings are skipped; a quote left open ends with its line, so that an apostrophe in prose does no harm for
long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codecompose_ls.languages import LANGUAGES

_OPENER = {")": "(", "]": "[", "}": "{"}
_LONG_QUOTES = ('"""', "'''", "`")
_MARKS = re.compile(r'''\\.|"""|\'\'\'|["'`()\[\]{}\n#]|//|--''', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mark:
    """A closing bracket or quote at an index of the text."""

    index: int
    char: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What a text leaves open, outermost first; what it closes that was open before it; what it closes that was not."""

    open: tuple[str, ...]
    closed: tuple[Mark, ...]
    stray: tuple[Mark, ...]

    @property
    def in_string(self) -> bool:
        """Whether the text ends inside of a string that may go on for lines."""
        return bool(self.open) and self.open[-1] in _LONG_QUOTES


def balance(text: str, *, language: str, after: str = "") -> Balance:
    """Scan `text` as it stands after `after`; indices are those of `text`."""
    known = LANGUAGES.get(language)
    comment = known.line_comment if known else "//"
    stack: list[str] = []
    closed: list[Mark] = []
    stray: list[Mark] = []
    depth, start, skip_line = 0, len(after), False
    for match in _MARKS.finditer(after + text):
        mark, index = match.group(), match.start() - start
        quoted = stack[-1] if stack and stack[-1] not in "([{" else None
        if mark == "\n":
            skip_line = False
            if quoted and quoted not in _LONG_QUOTES:
                stack.pop()
        elif skip_line or mark[0] == "\\":
            continue
        elif quoted:
            # Three quotes in a string of one: the first ends it.
            if quoted in mark:
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
        elif index >= 0:
            stray.append(Mark(index, mark))
        if index < 0:
            depth = len(stack)
        elif len(stack) < depth:
            depth = len(stack)
            if mark != "\n":
                closed.append(Mark(index, mark))
    return Balance(tuple(stack), tuple(closed), tuple(stray))


def covered(text: str, *, tail: str, prefix: str, language: str) -> int:
    """Return how many characters of `tail` (the closing marks after the cursor) the text repeats and so replaces.

    What the text closes of that which the prefix left open is matched with the tail from its start: after `print(`,
    `x)` and `f(x))` repeat one `)`, and `f(x)` repeats none.
    """
    if not tail.strip():
        return 0
    if balance(prefix, language=language).in_string:
        # Or so it seems, if the window begins in the midst of one: the cursor's own line is surer.
        prefix = prefix[prefix.rfind("\n") + 1 :]
    end, last = 0, 0
    for mark in balance(text, language=language, after=prefix).closed:
        start = end + len(tail[end:]) - len(tail[end:].lstrip())
        if tail[start : start + len(mark.char)] != mark.char:
            break
        end, last = start + len(mark.char), mark.index + len(mark.char)
    # What is left of the tail may be a sign that ends or opens something: `) {`, `);`.
    sign = tail[end:].strip()
    if sign and sign in ":;,{" and text[last:].rstrip().endswith(sign):
        return len(tail.rstrip())
    return end
