"""An answer is indented as the code it is for."""

from __future__ import annotations

from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.assistants.indentation import fit

METHOD = "    def f(self):\n        return 1"


def test_an_answer_at_the_margin_is_moved_in() -> None:
    answer = "def f(self):\n    if x:\n\n        return 2\n    return 1"
    assert fit(answer, given=METHOD, around=METHOD, language="python") == (
        "    def f(self):\n        if x:\n\n            return 2\n        return 1"
    )


def test_an_answer_too_far_in_is_moved_out() -> None:
    answer = "        def f(self):\n            return 2"
    assert fit(answer, given=METHOD, around=METHOD, language="python") == "    def f(self):\n        return 2"


def test_spaces_become_tabs_where_the_file_has_tabs_and_back() -> None:
    tabs = "class A:\n\tdef f(self):\n\t\treturn 1"
    answer = "def f(self):\n  if x:\n    return 2"
    assert fit(answer, given="\tdef f(self):\n\t\treturn 1", around=tabs, language="python") == (
        "\tdef f(self):\n\t\tif x:\n\t\t\treturn 2"
    )
    assert fit("def f(self):\n\treturn 2", given=METHOD, around=f"class A:\n{METHOD}", language="python") == (
        "    def f(self):\n        return 2"
    )


def test_a_line_of_a_string_that_was_there_stays_where_it_was() -> None:
    given = '    def f(self):\n        return """\nleft\n  a bit\n"""'
    answer = 'def f(self):\n    x = 1\n    return """\nleft\n  a bit\n"""'
    assert fit(answer, given=given, around=given, language="python") == (
        '    def f(self):\n        x = 1\n        return """\nleft\n  a bit\n    """'
    ).replace('    """', '"""')


def test_a_new_docstring_moves_along() -> None:
    answer = 'def f(self):\n    """Say.\n\n    More.\n    """\n    return 1'
    assert fit(answer, given=METHOD, around=METHOD, language="python") == indent(answer, "    ")


@pytest.mark.parametrize("language", ["lua", "go", "python"])
def test_what_is_less_deep_than_the_first_line_stays_so(language: str) -> None:
    assert fit("    a\n  b\nc", given="        x", around="        x", language=language) == "        a\n      b\n    c"


LINES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a = 1", "", "b()"])), min_size=1, max_size=8)


@given(LINES, st.integers(0, 3), st.integers(0, 3))
def test_lines_keep_their_places_to_each_other(lines: list[tuple[int, str]], have: int, want: int) -> None:
    lines = [(0, "first"), *lines]
    code = "\n".join("    " * (have + depth) * bool(text) + text for depth, text in lines)
    expected = "\n".join("    " * (want + depth) * bool(text) + text for depth, text in lines)
    where = "    " * want + "x"
    assert fit(code, given=where, around=where, language="lua") == expected
