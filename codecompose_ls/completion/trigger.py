"""When an automatic request stays unanswered: hard rules, each named; an invoked request is never asked.

Rules as in Copilot (mid-line only before closing marks; prompts under ten characters) and Cody (no word character to
the right of the cursor; not after a finished statement). A suggestion already given does not come here: it is served
before.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from codecompose_ls.completion.window import Window

Rule = Callable[[Window], bool]

#: Fewer characters of code than this tell a model nothing.
MIN_CHARACTERS = 10


def too_little(window: Window) -> bool:
    """Say whether there is hardly any code to go by."""
    return len(window.prefix.strip()) + len(window.suffix.strip()) < MIN_CHARACTERS


def mid_word(window: Window) -> bool:
    """Say whether the cursor stands before or inside a word."""
    return bool(re.match(r"\w", window.suffix))


def mid_line(window: Window) -> bool:
    """Say whether code other than closing marks follows on the line."""
    return not window.ends_line


def after_statement(window: Window) -> bool:
    """Say whether the line has just been finished by `;` or `}`; a space after that announces more."""
    return not window.tail.strip() and window.line_prefix.endswith((";", "}"))


RULES: tuple[Rule, ...] = (too_little, mid_word, mid_line, after_statement)


def silence(window: Window) -> str | None:
    """Return the name of the first rule that asks for silence, or None."""
    return next((rule.__name__ for rule in RULES if rule(window)), None)
