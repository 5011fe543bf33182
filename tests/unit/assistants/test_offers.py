"""Which assistants make sense at a place is told by a glance."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.assistants.library import library
from codecompose_ls.assistants.task import Diagnostic, offers, touched_lines
from codecompose_ls.types import Document

SOURCE = "import os\n\n\ndef f(x):\n    # FIXME: mind zero\n    return 1 / x\n"
ALWAYS = {"explain", "improve", "potential-problems", "review", "add-docstrings"}
IN_FUNCTION = {"add-input-checks", "implement-tests"}


def offered(
    where: str, *, language: str = "python", root: Path | None = None, said: bool = False, text: str = SOURCE
) -> set[str]:
    start = text.index(where)
    diagnostics = [Diagnostic(start, start + 1, "bad")] if said else []
    document = Document("file:///a", "a", language, text)
    return {one.name for one in offers(document, start, start, diagnostics, library(root))}


def test_what_is_offered_depends_on_the_place(tmp_path: Path) -> None:
    assert offered("import") == ALWAYS
    assert offered("return") == ALWAYS | IN_FUNCTION
    assert offered("# FIXME") == ALWAYS | IN_FUNCTION | {"complete-todo"}
    assert offered("return", said=True) == ALWAYS | IN_FUNCTION | {"fix-diagnostic"}
    (tmp_path / ".git").mkdir()
    assert offered("import", root=tmp_path) == ALWAYS | {"document-pull-request"}


def test_nothing_is_offered_in_an_empty_document() -> None:
    assert offered("", text="\n") == set()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("go", "func F() {\n  X\n}"),
        ("java", "class A {\n  int f(int a) {\n    X\n  }\n}"),
        ("c", "static int f(void)\n{\n  X;\n}"),
        ("rust", "pub fn f() {\n  X\n}"),
        ("ruby", "X"),
    ],
)
def test_functions_are_seen_in_every_language(language: str, text: str) -> None:
    assert offered("X", language=language, text=text) == ALWAYS | IN_FUNCTION


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("ab\ncd\nef", 4, 4, "cd"),
        ("ab\ncd\nef", 0, 3, "ab"),
        ("ab\ncd\nef", 1, 4, "ab\ncd"),
        ("ab\r\ncd\r\nef", 5, 8, "cd"),
        ("ab\rcd", 0, 3, "ab"),
        ("ab", 9, -3, "ab"),
        ("", 0, 0, ""),
        ("\n\n", 0, 1, ""),
    ],
)
def test_the_lines_that_a_selection_touches(text: str, start: int, end: int, expected: str) -> None:
    first, last = touched_lines(text, start, end)
    assert text[first:last] == expected
