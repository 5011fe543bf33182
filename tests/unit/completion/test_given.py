"""What a document's changes say about the suggestion on its screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion.cache import Entry
from codecompose_ls.completion.given import Fate, Given
from tests.cursor import document, split, window_at


def given_at(marked: str, text: str) -> Given:
    whole, offset = split(marked)
    return Given.at(document(whole), offset, Entry("id-1", text, "base"), tail=window_at(marked).tail, covered=0)


def fate(suggestion: Given, marked: str) -> Fate:
    whole, offset = split(marked)
    return suggestion.fate(document(whole), offset, tail=window_at(marked).tail)


ON_SCREEN = given_at("a = 1\nreturn ‸\nb = 2\n", "sum(items)")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("a = 1\nreturn ‸\nb = 2\n", Fate.TYPED_THROUGH),
        ("a = 1\nreturn sum‸\nb = 2\n", Fate.TYPED_THROUGH),
        ("a = 1\nreturn sum(items)‸\nb = 2\n", Fate.TYPED_THROUGH),
        # The editor has closed the bracket.
        ("a = 1\nreturn sum(‸)\nb = 2\n", Fate.TYPED_THROUGH),
        ("a = 1\nreturn sux‸\nb = 2\n", Fate.DIVERGED),
        ("a = 1\nreturn sum(items) ‸\nb = 2\n", Fate.DIVERGED),
        ("a = 1\nreturn‸\nb = 2\n", Fate.BACKSPACED),
        ("a = 1\n‸\nb = 2\n", Fate.BACKSPACED),
        ("a‸ = 1\nreturn \nb = 2\n", Fate.LEFT),
        ("a = 3\nreturn s‸\nb = 2\n", Fate.LEFT),
        ("a = 1\nreturn s‸\nb = 3\n", Fate.LEFT),
        ("a = 1\nreturn \nb = 2\n‸", Fate.LEFT),
        ("‸", Fate.LEFT),
    ],
)
def test_fate(now: str, expected: Fate) -> None:
    assert fate(ON_SCREEN, now) is expected


def test_line_breaks_of_windows_are_typed_through() -> None:
    suggestion = given_at("def f():‸\r\n", "\n    return 1")
    assert fate(suggestion, "def f():\r\n    ‸\r\n") is Fate.TYPED_THROUGH


@given(st.integers(0, len("sum(items)")))
def test_typed_and_what_is_left_are_the_suggestion(count: int) -> None:
    whole, offset = split(f"a = 1\nreturn {'sum(items)'[:count]}‸\nb = 2\n")
    assert ON_SCREEN.typed(document(whole), offset) == "sum(items)"[:count]


def test_accepting_replaces_the_closing_marks_it_repeats() -> None:
    whole, offset = split("print(‸)\n")
    suggestion = Given.at(document(whole), offset, Entry("id-1", "x)", "base"), tail=")", covered=1)
    assert suggestion.accepted() == ("print(x)\n", 8)
