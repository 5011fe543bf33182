"""Edits between versions of a text, and ghost text and spans that follow them."""

from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.telemetry.edits import Edit, edit_between
from codecompose_ls.telemetry.ghost import Ghost
from codecompose_ls.telemetry.retention import Span

#: Few letters, so that texts repeat themselves, and long runs, so that whole blocks are equal.
TEXT = st.lists(st.sampled_from(["a", "b", "\n", "ab" * 300, "c" * 600]), max_size=8).map("".join)


@given(before=TEXT, after=TEXT)
def test_an_edit_turns_one_text_into_the_other_and_touches_nothing_more(before: str, after: str) -> None:
    edit = edit_between(before, after)
    assert before[: edit.start] + edit.removed + before[edit.end :] == before
    assert before[: edit.start] + edit.inserted + before[edit.end :] == after
    assert not edit.removed or not edit.inserted or edit.removed[0] != edit.inserted[0]
    assert not edit.removed or not edit.inserted or edit.removed[-1] != edit.inserted[-1]


def test_an_edit_is_as_far_right_as_it_can_be() -> None:
    assert edit_between("aa", "aaa") == Edit(2, "", "a")
    assert edit_between("foo bar", "foo bar bar") == Edit(7, "", " bar")


@given(before=TEXT, after=TEXT, start=st.integers(0, 50), length=st.integers(0, 50))
def test_a_span_stays_inside_the_text(before: str, after: str, start: int, length: int) -> None:
    span = Span(min(start, len(before)), min(start + length, len(before)))
    span.shift(edit_between(before, after))
    assert 0 <= span.start <= span.end <= len(after)


def test_a_span_moves_with_what_is_before_and_grows_with_what_is_inside() -> None:
    for edit, expected in (
        (Edit(0, "", "xx"), Span(6, 9)),
        (Edit(4, "", "xx"), Span(6, 9)),
        (Edit(5, "", "xx"), Span(4, 9)),
        (Edit(5, "b", ""), Span(4, 6)),
        (Edit(7, "", "xx"), Span(4, 7)),
        (Edit(3, "_a", ""), Span(3, 5)),
        (Edit(6, "c_", "xyz"), Span(4, 9)),
        (Edit(0, "everything", ""), Span(0, 0)),
    ):
        span = Span(4, 7)
        span.shift(edit)
        assert span == expected, edit


@given(
    before=TEXT,
    after=TEXT,
    text=st.text(alphabet="ab(\n", min_size=1, max_size=8),
    tail=st.integers(0, 3),
    typed=st.text(alphabet="ab()\n", max_size=4),
)
def test_a_ghost_says_what_stands_before_its_cursor(before: str, after: str, text: str, tail: int, typed: str) -> None:
    document, ghost = before + after, Ghost(text, len(before), 0, min(tail, len(after)))
    for character in typed:
        changed = document[: ghost.cursor] + character + document[ghost.cursor :]
        moved = ghost.follow(document, changed, edit_between(document, changed))
        assert moved is None or changed[moved.offset :].startswith(text[: moved.position])
        # Replacing what comes next, a document can hold all of a text before all of it was typed.
        assert moved is not None or character != ghost.rest[0]
        if moved is None or moved.is_complete:
            return
        document, ghost = changed, moved
