"""Offsets and positions in the three encodings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position, PositionEncodingKind, Range

from codecompose_ls.lsp.positions import code_points, offset_at, position_at, splice, split_lines, units

UTF8, UTF16, UTF32 = PositionEncodingKind.Utf8, PositionEncodingKind.Utf16, PositionEncodingKind.Utf32
ENCODINGS = (UTF8, UTF16, UTF32)
#: What trips a server: line ends of all kinds, what only Python takes for one, one to four bytes, a combining mark.
CHARACTERS = st.sampled_from("ab \r\n\r\n\x0b\x0c\x85\u2028é本\u0301😀👩\u200d🚀")
TEXTS = st.text(CHARACTERS, max_size=30)
encodings = st.sampled_from(ENCODINGS)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a\n"]),
        ("\n\n", ["\n", "\n"]),
        ("a\r\nb\rc\nd", ["a\r\n", "b\r", "c\n", "d"]),
        ("a\x0cb\x85c\u2028d\n", ["a\x0cb\x85c\u2028d\n"]),
    ],
)
def test_lines_end_where_the_specification_says(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


@pytest.mark.parametrize(
    ("encoding", "character"),
    [(UTF8, 4 + 3 + 1 + 2), (UTF16, 2 + 1 + 1 + 1), (UTF32, 4)],
)
def test_units_of_an_emoji_a_han_character_and_a_combining_mark(encoding: PositionEncodingKind, character: int) -> None:
    text = "x\n😀本e\u0301|"
    assert position_at(split_lines(text), text.index("|"), encoding) == Position(1, character)
    assert offset_at(split_lines(text), Position(1, character), encoding) == text.index("|")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_past_the_end_of_a_line_is_its_end_and_past_the_last_line_the_end_of_the_text(
    encoding: PositionEncodingKind,
) -> None:
    lines = split_lines("é\r\nab")
    assert offset_at(lines, Position(0, 99), encoding) == 1
    assert offset_at(lines, Position(1, 99), encoding) == 5
    assert offset_at(lines, Position(2, 0), encoding) == 5
    assert offset_at(lines, Position(7, 7), encoding) == 5
    assert offset_at([], Position(3, 3), encoding) == 0


@pytest.mark.parametrize(("encoding", "length"), [(UTF8, 2), (UTF16, 1)])
def test_a_position_inside_a_character_means_the_place_before_it(encoding: PositionEncodingKind, length: int) -> None:
    assert code_points("😀b", length, encoding) == 0


def test_a_text_that_ends_in_a_newline_ends_on_the_next_line() -> None:
    assert position_at(["a\n"], 2, UTF16) == Position(1, 0)
    assert position_at([], 0, UTF16) == Position(0, 0)


@given(TEXTS)
def test_lines_joined_are_the_text(text: str) -> None:
    assert "".join(split_lines(text)) == text


@given(TEXTS, encodings, st.data())
def test_an_offset_comes_back_from_its_position(text: str, encoding: PositionEncodingKind, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    lines = split_lines(text)
    inside_a_line_end = text[offset - 1 : offset + 1] == "\r\n" if offset else False
    assert offset_at(lines, position_at(lines, offset, encoding), encoding) == offset - inside_a_line_end


@given(TEXTS, encodings, st.data())
def test_units_are_what_an_encoder_counts(text: str, encoding: PositionEncodingKind, data: st.DataObject) -> None:
    codec, size = {UTF8: ("utf-8", 1), UTF16: ("utf-16-le", 2), UTF32: ("utf-32-le", 4)}[encoding]
    assert units(text, encoding) == len(text.encode(codec)) // size
    characters = data.draw(st.integers(0, len(text)))
    assert code_points(text, units(text[:characters], encoding), encoding) == characters


@given(TEXTS, TEXTS, encodings, st.data())
def test_an_edit_of_lines_is_an_edit_of_the_text(
    text: str, new: str, encoding: PositionEncodingKind, data: st.DataObject
) -> None:
    lines = split_lines(text)
    anywhere = st.builds(Position, st.integers(0, len(lines) + 1), st.integers(0, 40))
    edit = Range(data.draw(anywhere), data.draw(anywhere))
    start, end = sorted(offset_at(lines, position, encoding) for position in (edit.start, edit.end))
    splice(lines, edit, new, encoding)
    assert lines == split_lines(text[:start] + new + text[end:])
