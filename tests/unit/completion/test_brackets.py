"""Brackets and quotes: what a text leaves open, and which closing marks after the cursor it replaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion.brackets import balance, covered


@pytest.mark.parametrize(
    ("language", "text", "open"),
    [
        ("python", "foo(bar[0], {", "({"),
        ("python", "foo(a)", ""),
        ("python", 'print("(', '("'),
        ("python", "print('it\\'s (')", ""),
        ("python", "x = 1  # (see below\ny = (", "("),
        ("python", "# don't\nfoo(", "("),
        ("python", '"""Docs (with a stray bracket.\n\nDon\'t."""\nfoo[', "["),
        ("python", "s = 'unfinished (\nfoo(", "("),
        ("python", "a // (b", "("),
        ("typescript", "f(`a ${b} (`, {", "({"),
        ("typescript", "// f(\nconst a = [", "["),
        ("typescript", "const a = '#(' + (", "("),
        ("go", "s := `raw (\n(`\nf(", "("),
        ("rust", "fn f<'a>(x: &'a str) -> Vec<&'a str> {", "{"),
        ("lua", "-- f(\nf(", "("),
    ],
)
def test_what_is_left_open(language: str, text: str, open: str) -> None:
    assert "".join(balance(text, language=language).open) == open


def test_closers_of_what_was_open_before_are_told_from_strays() -> None:
    state = balance("x), y) + [1]]", language="python", after="f(")
    assert [(mark.index, mark.char) for mark in state.closed] == [(1, ")")]
    assert [(mark.index, mark.char) for mark in state.stray] == [(5, ")"), (12, "]")]


@pytest.mark.parametrize(
    ("prefix", "text", "tail", "replaced"),
    [
        ("print(", "x)", ")", ")"),
        ("print(", "f(x)", ")", ""),
        ("print(", "f(x))", ")", ")"),
        ("print(", "x", ")", ""),
        ("print(f(", "x)", "))", ")"),
        ("print(f(", "x))", "))", "))"),
        ('print("', 'hello")', '")', '")'),
        ('print("', "hello", '")', ""),
        ('print("', 'hello", end="")', '")', '")'),
        ("if (", "x > 0) {", ") {", ") {"),
        ("if (", "x > 0)", ") {", ")"),
        ("call(a[", "0]);", "]);", "]);"),
        ("call(a[", "0]", "]);", "]"),
        ("call(", "b);", ")", ")"),
        ("def f(", "self):", "):", "):"),
        ("def f(", "self) -> int:", "):", "):"),
        ("for x in xs", ":", ":", ":"),
        ("x = ", "1", "   ", ""),
        ("f(", "\n    a,\n)", ")", ")"),
        # The window begins in the midst of a docstring.
        ('end of it."""\nprint(', "x)", ")", ")"),
    ],
)
def test_which_closing_marks_after_the_cursor_a_text_replaces(prefix: str, text: str, tail: str, replaced: str) -> None:
    assert tail[: covered(text, tail=tail, prefix=prefix, language="python")] == replaced


code = st.lists(
    st.sampled_from(["(", ")", "[", "]", "{", "}", '"', "'", "a", " ", "\n", "# ", '"""']), max_size=40
).map("".join)


@given(before=code, after=code)
def test_marks_of_a_text_are_where_they_are_in_it(before: str, after: str) -> None:
    state = balance(after, language="python", after=before)
    assert state.open == balance(before + after, language="python").open
    assert all(after.startswith(mark.char, mark.index) for mark in (*state.closed, *state.stray))


def test_a_comment_that_began_before_the_text_goes_on() -> None:
    assert balance('"License");', language="java", after="// Licensed (the ").stray == ()


@given(prefix=code, text=code, tail=st.text(alphabet=")]}\"' ;", max_size=5))
def test_what_is_replaced_is_part_of_the_tail(prefix: str, text: str, tail: str) -> None:
    assert 0 <= covered(text, tail=tail, prefix=prefix, language="python") <= len(tail)
