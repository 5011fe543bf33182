"""Lexemes: the pieces of source text that the index counts and compares, and their numbers.

A word, a run of spaces, or one sign; words are whole, since their parts predict each other worse (decisions/0006). A
line break with all white space after it is one lexeme: what is known of a line holds at any indentation.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]

#: The end of a file (what is hidden at a cursor, too), a line break, and what is not in the vocabulary.
END, BREAK, UNKNOWN = 0, 1, 2
_BREAK = array("I", [BREAK])
_LEXEME = re.compile(r"[^\S\n]+|\w+|[^\w\s]")
#: Lines whose lexemes are remembered, since a document is read again with every key; when full, all are forgotten.
_LINES = 20_000


class Vocabulary:
    """Numbers lexemes in the order they are met; grows, and never forgets. Any thread may use it."""

    def __init__(self, texts: Iterable[str] = ("", "\n", "")) -> None:
        self.texts = list(texts)
        self._ids = _Ids(self._add, {text: number for number, text in enumerate(self.texts) if text})
        self._lines = _Lines(self._ids)
        self._words = np.fromiter(map(_is_word, self.texts), dtype=np.bool_, count=len(self.texts))
        #: The first character of each.
        self._initials = np.fromiter(map(_initial, self.texts), dtype=np.uint32, count=len(self.texts))
        self._growth = threading.Lock()

    def __len__(self) -> int:
        return len(self.texts)

    def encode(self, text: str, *, opened: bool = True) -> array[int]:
        """Return the ids of a text; `opened` puts a line break before it, where a file or its visible part begins."""
        lines = text.replace("\r\n", "\n").split("\n")
        ids = array("I") if opened else array("I", self._ids.of(lines[0]))
        ids.extend(chain.from_iterable(map(self._lines.__getitem__, lines if opened else lines[1:])))
        ends_line = len(lines) > 1 and not lines[-1].strip()
        if (opened and not ids) or (ends_line and ids[-1:] != _BREAK):
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


class _Ids(dict[str, int]):
    """The ids of lexemes; `add` gives one to what is new."""

    def __init__(self, add: Callable[[str], int], known: Mapping[str, int]) -> None:
        super().__init__(known)
        self._add = add

    def __missing__(self, lexeme: str) -> int:
        return self._add(lexeme)

    def of(self, line: str) -> Iterable[int]:
        """Return those of a piece of one line."""
        return map(self.__getitem__, _LEXEME.findall(line))


class _Lines(dict[str, tuple[int, ...]]):
    """The lexemes of whole lines, each with the break before it; none of those with nothing on them."""

    def __init__(self, ids: _Ids) -> None:
        self._ids = ids

    def __missing__(self, line: str) -> tuple[int, ...]:
        content = line.lstrip()
        lexemes = (BREAK, *self._ids.of(content)) if content else ()
        if len(self) >= _LINES:
            self.clear()
        self[line] = lexemes
        return lexemes


def _is_word(text: str) -> bool:
    return text[:1].isalnum() or text[:1] == "_"


def _initial(text: str) -> int:
    return ord(text[0]) if text else 0
