"""When a generation is stopped early, and what is kept of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion.stopping import (
    blank_run,
    following_line,
    line_end,
    loop_start,
    next_line,
    opening,
    repetition,
    scope_end,
    split_lines,
    stop_at,
)
from codecompose_ls.types import Opening
from tests.cursor import place_at

LINE = "def total(items):\n    return ‸\n"
BODY = "class Cart:\n    def total(self):‸\n\n    def clear(self):\n        pass\n"
BRACES = "function total() {‸\n"


@pytest.mark.parametrize(
    ("code", "text", "kept"),
    [
        (LINE, "sum(items)", None),
        (LINE, "sum(items)\n", "sum(items)"),
        (LINE, "sum(items)\n\n\ndef next", "sum(items)"),
        (LINE, "\n    x", ""),
        # On a blank line, where only one line is wanted because more follows.
        ("def f():\n    ‸\n    return 1\n", "\n    x = 1", None),
        ("def f():\n    ‸\n    return 1\n", "\n    x = 1\n", "\n    x = 1"),
        (BODY, "\n        x = 1\n", None),
    ],
)
def test_a_single_line_ends_with_its_line(code: str, text: str, kept: str | None) -> None:
    end = line_end(text, place_at(code))
    assert (None if end is None else text[:end]) == kept


@pytest.mark.parametrize(
    ("language", "code", "text", "kept"),
    [
        ("python", BODY, "\n        x = 1\n        return x", None),
        ("python", BODY, "\n        x = 1\n\n    d", "\n        x = 1\n"),
        ("python", BODY, "\n        return 1\n\n    def clear(self", "\n        return 1\n"),
        ("python", BODY, "\n        return (\n            1\n        )\n", None),
        ("python", "def f():\n    ‸\n", "x = 1\n    return x\nf", "x = 1\n    return x"),
        ("python", "import os\n\n‸", "import sys\nimport re", "import sys"),
        ("python", "import os\n\n‸", "def f():\n    return 1\n\n\ndef g", "def f():\n    return 1\n\n"),
        ("python", "import os\n\n‸", "@cached\ndef f():\n    return 1\nx", "@cached\ndef f():\n    return 1"),
        ("typescript", BRACES, "\n  return 1;\n}", None),
        ("typescript", BRACES, "\n  return 1;\n}\n", "\n  return 1;\n}"),
        ("typescript", BRACES, "\n  return 1;\nf", "\n  return 1;"),
        ("typescript", "function total() {‸\n}\n", "\n  return 1;\n}", "\n  return 1;"),
        ("typescript", "if (a) {\n  ‸\n}\n", "b();\n}", "b();"),
        ("go", "package a\n\nfunc F() {\n\t‸\n}\n", "x := 1\n\treturn x\n}", "x := 1\n\treturn x"),
        ("python", LINE, "anything\n    at all", None),
    ],
)
def test_more_lines_end_with_their_scope(language: str, code: str, text: str, kept: str | None) -> None:
    end = scope_end(text, place_at(code, language=language))
    assert (None if end is None else text[:end]) == kept


def test_a_block_ends_before_a_line_that_already_follows() -> None:
    place = place_at("def f():\n    ‸\nprint(f())\n")
    text = "x = 1\n    return x\nprint(f())\n"
    assert text[: next_line(text, place)] == "x = 1\n    return x"
    assert next_line("x = 1\n    return x\nprint(f())", place) is None
    assert next_line("x = 1\n    return x\n", place) is None


@pytest.mark.parametrize(
    ("code", "begins"),
    [
        (LINE, Opening.VISIBLE),
        ("total = compute(‸)\n", Opening.VISIBLE),
        ("total = compute(‸ + 1)\n", None),
        ("tot‸al = 1\n", None),
        ("def f():\n    ‸\n    return 1\n", Opening.SPACE),
        ("def f():\n    ‸\n", Opening.SPACE),
        ("‸", Opening.SPACE),
        (BODY, Opening.NEW_LINE),
        ("def f(a):‸\n    return a\n", Opening.VISIBLE),
    ],
)
def test_what_was_asked_for_by_hand_must_begin_so_that_something_is_left(code: str, begins: Opening | None) -> None:
    assert opening(place_at(code)) == begins


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("print(a)\nprint(a)\nprint(a)\n", "print(a)"),
        ("x = 1\nprint(a)\n    print(a)\nprint(a)\n", "x = 1\nprint(a)"),
        ("print(a)\nprint(b)\nprint(a)\n", None),
        ("}\n}\n}\n", None),
        ("foo, " * 8, "foo, "),
        ("undefined, " * 5, None),
        ("x = " + "a.b." * 9, "x = a.b."),
        ("args[0] " + "=" * 8, "args[0] ="),
        ("args[0] " + "=" * 7, None),
        ("f" + "(" * 20, "f("),
        ("# ------------------------------", None),
        ("x  # part one " + "=" * 20, None),
        ("'" + "-" * 20, None),
        ("1\n" + "=" * 20, None),
        ("1\n * Title " + "*" * 20, None),
        ("0, 0, 0, 0, ", None),
        ("", None),
    ],
)
def test_a_loop_is_cut_to_its_first_round(text: str, kept: str | None) -> None:
    start = loop_start(text, line="    return ")
    assert (None if start is None else text[:start]) == kept
    assert repetition(text, place_at(LINE)) == start


def test_line_breaks_alone_are_no_suggestion() -> None:
    assert blank_run("\n\n\n", place_at(BODY)) == 0
    assert blank_run("\n\n", place_at(BODY)) is None
    assert blank_run("\n\n\nx", place_at(BODY)) is None


def test_the_shortest_of_the_rules_is_kept() -> None:
    body = "\n        return 1"
    assert stop_at(f"{body}\nxy\nxy\nxy\n", place_at(BODY)) == len(body)
    assert stop_at(f"{body}{body}{body}\n", place_at(BODY)) == len(body)


@pytest.mark.parametrize(
    ("suffix", "line"),
    [("\n\n  b = 1  \nc", "  b = 1"), (" rest\nnext", "next"), ("", None), ("only", None), ("\n\n", None)],
)
def test_the_line_that_follows(suffix: str, line: str | None) -> None:
    assert following_line(suffix) == line


@given(st.text(alphabet="ab \n", max_size=60))
def test_lines_put_together_are_the_text(text: str) -> None:
    lines = list(split_lines(text))
    assert "\n".join(line.text for line in lines) == text
    assert all(text[line.start : line.start + len(line.text)] == line.text for line in lines)
    assert [line.is_complete for line in lines] == [True] * (len(lines) - 1) + [False]


@given(text=st.text(alphabet="abc(), \n", max_size=120))
def test_a_stop_that_is_given_once_is_not_taken_back_later(text: str) -> None:
    """Streaming must not matter: the first stop keeps no more than what a look at the whole text would keep."""
    place = place_at("def f():\n    x = ‸\n    return x\n")
    first = next((end for size in range(len(text) + 1) if (end := stop_at(text[:size], place)) is not None), None)
    if first is not None:
        assert first <= len(text)
        assert text[:first].count("\n") == 0
