"""Lexemes: the pieces of source text that the index counts and compares, and their numbers.

A word, a run of spaces, or one sign; words are whole, since their parts predict each other worse (decisions/0006). A
line break with all white space after it is one lexeme: what is known of a line holds at any indentation.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]

#: The end of a file (what is hidden at a cursor, too), a line break, and what is not in the vocabulary.
END, BREAK, UNKNOWN = 0, 1, 2
_LEXEME = re.compile(r"[^\S\n]+|\w+|[^\w\s]")
#: Lines whose lexemes are remembered, since a document is read again with every key; when full, all are forgotten.
_LINES = 20_000


class Vocabulary:
    """Numbers lexemes in the order they are met; grows, and never forgets. Any thread may use it."""

    def __init__(self, texts: Iterable[str] = ("", "\n", "")) -> None:
        self.texts = list(texts)
        self._ids = {text: number for number, text in enumerate(self.texts) if text}
        self._lines: dict[str, tuple[int, ...]] = {}
        self._words = np.fromiter(map(_is_word, self.texts), dtype=np.bool_, count=len(self.texts))
        #: The first character of each.
        self._initials = np.fromiter(map(_initial, self.texts), dtype=np.uint32, count=len(self.texts))
        self._growth = threading.Lock()

    def __len__(self) -> int:
        return len(self.texts)

    def encode(self, text: str, *, opened: bool = True) -> array[int]:
        """Return the ids of a text; `opened` puts a line break before it, where a file or its visible part begins."""
        ids = array("I", [BREAK] if opened else [])
        lines = text.replace("\r\n", "\n").split("\n")
        for number, line in enumerate(lines):
            content = line.lstrip() if number or opened else line
            if content:
                if number and (not ids or ids[-1] != BREAK):
                    ids.append(BREAK)
                ids.extend(self._line(content))
        if len(lines) > 1 and not lines[-1].strip() and (not ids or ids[-1] != BREAK):
            ids.append(BREAK)
        return ids

    def lookup(self, line: str) -> list[int]:
        """Return the ids of a piece of one line; what is new is UNKNOWN and stays so."""
        return [self._ids.get(lexeme, UNKNOWN) for lexeme in _LEXEME.findall(line)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; line breaks come without their indentation."""
        return "".join([self.texts[number] for number in ids])

    def words(self) -> NDArray[np.bool_]:
        """Return, for every id, whether it is a word; at least (len(self),), with room for ids to come."""
        with self._growth:
            return self._words

    def begin_with(self, start: str, ids: Ids) -> NDArray[np.bool_]:
        """Return, for each of the ids, whether its text begins with `start`, which is not empty."""
        with self._growth:
            initials = self._initials
        flags: NDArray[np.bool_] = initials[ids] == ord(start[0])
        flags[flags] = [self.texts[number].startswith(start) for number in ids[flags].tolist()]
        return flags

    def _line(self, line: str) -> tuple[int, ...]:
        found = self._lines.get(line)
        if found is None:
            if len(self._lines) >= _LINES:
                self._lines.clear()
            found = self._lines[line] = tuple([self._id(lexeme) for lexeme in _LEXEME.findall(line)])
        return found

    def _id(self, lexeme: str) -> int:
        number = self._ids.get(lexeme)
        return self._add(lexeme) if number is None else number

    def _add(self, lexeme: str) -> int:
        with self._growth:
            number = self._ids.get(lexeme)
            if number is None:
                number = len(self.texts)
                if number >= len(self._words):
                    more = 1024 + number // 4
                    self._words = np.concatenate([self._words, np.zeros(more, dtype=np.bool_)])
                    self._initials = np.concatenate([self._initials, np.zeros(more, dtype=np.uint32)])
                self._words[number] = _is_word(lexeme)
                self._initials[number] = _initial(lexeme)
                self.texts.append(lexeme)
                self._ids[lexeme] = number  # last: who finds the id finds its text
            return number


def _is_word(text: str) -> bool:
    return text[:1].isalnum() or text[:1] == "_"


def _initial(text: str) -> int:
    return ord(text[0]) if text else 0
