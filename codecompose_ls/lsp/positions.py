"""Between offsets (code points from the start of a text) and LSP positions (line, code units), in all three encodings.

LSP 3.18 "Position": lines end at LF, CRLF or CR and at nothing else, and a character past the end of a line means its
end. A position inside a character or between CR and LF means the place before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsprotocol.types import Position, PositionEncodingKind, Range

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")

Encoding = PositionEncodingKind | str


def split_lines(text: str) -> list[str]:
    """Split into lines that keep their ends; joined they are the text. After a last newline there is no empty line."""
    return _LINE.findall(text)


def units(text: str, encoding: Encoding) -> int:
    """Return the length of a text in code units."""
    if encoding == PositionEncodingKind.Utf32 or text.isascii():
        return len(text)
    if encoding == PositionEncodingKind.Utf8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(character > "\uffff" for character in text)


def code_points(text: str, length: int, encoding: Encoding) -> int:
    """Return how many characters the first `length` code units of a text hold, a cut character not counted."""
    if encoding == PositionEncodingKind.Utf32 or text.isascii():
        return min(length, len(text))
    for index, character in enumerate(text):
        length -= units(character, encoding)
        if length < 0:
            return index
    return len(text)


def content(line: str) -> str:
    """Return a line without its end."""
    return line.rstrip("\r\n")


def line_at(lines: Sequence[str], position: Position) -> int:
    """Return the number of a position's line; past the end it is the last one, which a final newline leaves empty."""
    ended = not lines or content(lines[-1]) != lines[-1]
    return min(position.line, len(lines) if ended else len(lines) - 1)


def offset_at(lines: Sequence[str], position: Position, encoding: Encoding) -> int:
    """Return the offset of a position; past the last line it is the end of the text."""
    before = sum(map(len, lines[: position.line]))
    if position.line >= len(lines):
        return before
    return before + code_points(content(lines[position.line]), position.character, encoding)


def position_at(lines: Sequence[str], offset: int, encoding: Encoding) -> Position:
    """Return the position of an offset; past the end of the text it is its end."""
    for number, line in enumerate(lines):
        if offset < len(line):
            return Position(number, units(content(line)[:offset], encoding))
        offset -= len(line)
    number = line_at(lines, Position(len(lines), 0))
    return Position(number, units(lines[number], encoding) if number < len(lines) else 0)


def range_at(lines: Sequence[str], start: int, end: int, encoding: Encoding) -> Range:
    """Return the range between two offsets."""
    return Range(position_at(lines, start, encoding), position_at(lines, end, encoding))


def splice(lines: list[str], edit: Range, text: str, encoding: Encoding) -> None:
    """Replace a range by a text, in place; costs as much as the lines it touches.

    Reversed ends are put in order. The line before and the line after are split anew, for an edit may part or join CR
    and LF.
    """
    start, end = sorted((edit.start, edit.end), key=lambda position: (position.line, position.character))
    first, last = max(0, min(start.line, len(lines)) - 1), min(end.line + 2, len(lines))
    touched = lines[first:last]
    local = "".join(touched)
    begin = offset_at(touched, Position(start.line - first, start.character), encoding)
    stop = offset_at(touched, Position(end.line - first, end.character), encoding)
    lines[first:last] = split_lines(local[:begin] + text + local[stop:])
