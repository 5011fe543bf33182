"""Candidates: places in the document and the project whose context resembles the cursor's, and how much each counts.

A kernel over contexts, as nearest neighbours vote in a kNN-LM (Khandelwal et al. 2020), but over lexemes and features
one can name: how far back the texts agree, with and without words exchanged, where the place is, and what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.index.lexemes import BREAK, END, Ids
from codecompose_ls.index.segment import Files, Places

Features = NDArray[np.float32]
Flags = NDArray[np.bool_]
Allows = Callable[[Ids], Flags] | None

#: Weights of the features, fitted by `scripts/fit_index.py` on the history of the projects named in decisions/0006.
WEIGHTS = {
    "match": 1.47,
    "match_4": 1.50,
    "match_8": -1.22,
    "match_16": -1.92,
    "match_line": 0.38,
    "before_cursor": 1.50,
    "after_cursor": 1.46,
    "same_folder": -1.39,
    "other_folder": -1.57,
    "distance": -1.03,
    "similar_before": 0.92,
    "similar_after": 0.55,
    "next_line": 1.65,
    "whole_next_line": 0.89,
    "next_line_begins": 0.21,
    "exchanged": 0.58,
    "loose_match": 1.35,
    "loose_match_8": 1.60,
    "loose_match_24": 1.50,
    "exchanges": -2.85,
    "word_after_exchange": -1.11,
}
_COLUMN = {name: number for number, name in enumerate(WEIGHTS)}
_WEIGHT = np.array(list(WEIGHTS.values()), dtype=np.float32)

#: Places asked for by context, in the document and in the files; places nearest to the cursor taken besides.
MOST, NEAREST = 80, 150
#: Lexemes looked at before a place, after its line, and of the next line.
BEFORE, AFTER, NEXT_LINE = 48, 30, 6


@dataclass(frozen=True, slots=True)
class Candidates:
    """Places in `files`, and what their features are, (candidates, len(WEIGHTS)).

    The lexeme after `places[i]` is what candidate i proposes, but where `exchange[i]` is not END: then that one.
    """

    files: Files
    places: Places
    features: Features
    exchange: Ids

    @property
    def scores(self) -> NDArray[np.float32]:
        """The logarithm of how much each counts, (candidates,)."""
        scores: NDArray[np.float32] = self.features @ _WEIGHT
        return scores


@dataclass(frozen=True, slots=True)
class Alignment:
    """The lexemes before the cursor, (BEFORE,), and before each place, (places, BEFORE), the nearest first.

    `equal` is where they are, `loose` how far back they are but for words in place of words.
    """

    mine: Ids
    theirs: Ids
    equal: Flags
    loose: Flags


class Surroundings:
    """A cursor in a document: the lexemes before and after it, as the kernel compares them.

    `words` tells which ids are words and `rarity` how rare each is, (vocabulary,).
    """

    def __init__(
        self,
        before: Sequence[int] | Ids,
        after: Sequence[int] | Ids,
        *,
        path: str,
        words: Flags,
        rarity: NDArray[np.float32],
    ) -> None:
        following = np.asarray(after, dtype=np.uint32)
        self.document = Files.of([(path, before), (path, np.append(following, np.uint32(BREAK)))])
        self._cursor = len(before)
        self._folder = path.rpartition("/")[0]
        self._words, self._rarity = words, rarity
        ends = np.flatnonzero(following <= BREAK)
        self._next_line = following[ends[0] + 1 : ends[0] + 1 + NEXT_LINE] if len(ends) else following[:0]
        self._bag_after = self._bag(following[: 2 * AFTER])

    def in_document(self, context: Ids, *, allows: Allows) -> Candidates:
        """Find candidates for what follows `context` in the document itself, on both sides of the cursor.

        `allows` tells of ids whether they may come next; None allows all.
        """
        files = self.document
        places = np.flatnonzero(files.tokens == context[-1])
        places = _allowed(files, places[places != self._cursor], allows)
        nearest = places[np.argsort(np.abs(places - self._cursor), kind="stable")[:NEAREST]]
        places = np.union1d(files.among(places, context, most=MOST), nearest)
        pairs = self._aligned(files, places, context)
        found = self._compared(files, places, pairs)
        found[:, _COLUMN["before_cursor"]] = places < self._cursor
        found[:, _COLUMN["after_cursor"]] = places > self._cursor
        found[:, _COLUMN["distance"]] = np.log1p(np.abs(places - self._cursor)) / 5
        return self._with_exchanges(files, places, pairs, found)

    def in_files(self, files: Files, context: Ids, *, hidden: Flags, allows: Allows, most: int = MOST) -> Candidates:
        """Find candidates in other files; those `hidden`, a flag for each file, do not count."""
        places = _allowed(files, files.longest(context, most=most), allows)
        numbers = files.file_of(places)
        places, numbers = places[~hidden[numbers]], numbers[~hidden[numbers]]
        pairs = self._aligned(files, places, context)
        found = self._compared(files, places, pairs)
        same = files.folders[numbers] == self._folder
        found[:, _COLUMN["same_folder"]], found[:, _COLUMN["other_folder"]] = same, ~same
        return self._with_exchanges(files, places, pairs, found)

    def _compared(self, files: Files, places: Places, pairs: Alignment) -> Features:
        """Return the features of how alike the texts before and after the places and the cursor are."""
        tokens, mine, theirs, equal, loose = files.tokens, pairs.mine, pairs.theirs, pairs.equal, pairs.loose
        match = np.cumprod(equal, axis=1, dtype=np.int8).sum(axis=1)
        loosely, exchanges = loose.sum(axis=1), (loose & ~equal).sum(axis=1)
        features = np.zeros((len(places), len(WEIGHTS)), dtype=np.float32)

        def put(name: str, values: NDArray[Any]) -> None:
            features[:, _COLUMN[name]] = values

        put("match", np.log(np.maximum(match, 1)))
        for length in (4, 8, 16):
            put(f"match_{length}", np.minimum(match, length) / length)
        put("match_line", match > int(np.argmax(mine <= BREAK)))
        beyond = np.arange(len(mine)) >= match[:, None]
        put("similar_before", (self._bag(mine)[theirs] * beyond).sum(axis=1) / BEFORE * 4)
        put("loose_match", np.log(np.maximum(loosely, 1)))
        for length in (8, 24):
            put(f"loose_match_{length}", np.minimum(loosely, length) / length)
        put("exchanges", np.minimum(exchanges, 6) / 6)
        put("word_after_exchange", self._words[tokens[places + 1]] & (exchanges > 0))

        line_ends = files.breaks[np.minimum(np.searchsorted(files.breaks, places + 1), len(files.breaks) - 1)]
        after = tokens[np.minimum(line_ends[:, None] + 1 + np.arange(AFTER), len(tokens) - 1)]
        put("similar_after", self._bag_after[after].sum(axis=1) / AFTER * 4)
        if length := len(self._next_line):
            same = after[:, :length] == self._next_line
            run = np.cumprod(same, axis=1, dtype=np.int8).sum(axis=1)
            put("next_line", run / NEXT_LINE)
            put("whole_next_line", run == length)
            put("next_line_begins", same[:, 0])
        return features

    def _with_exchanges(self, files: Files, places: Places, pairs: Alignment, features: Features) -> Candidates:
        """Add, for each place whose next word was exchanged for another in its context, that other word."""
        mine, following = pairs.mine, files.tokens[places + 1]
        hits = (pairs.theirs == following[:, None]) & pairs.loose & ~pairs.equal
        has = np.flatnonzero(hits.any(axis=1) & self._words[following])
        twins = features[has].copy()
        twins[:, _COLUMN["exchanged"]] = 1
        exchange = np.concatenate([np.full(len(places), END, dtype=np.uint32), mine[hits[has].argmax(axis=1)]])
        return Candidates(files, np.concatenate([places, places[has]]), np.concatenate([features, twins]), exchange)

    def _aligned(self, files: Files, places: Places, context: Ids) -> Alignment:
        """Lay what stands before each place beside what stands before the cursor."""
        mine = context[::-1][:BEFORE]
        window = places[:, None] - np.arange(len(mine))
        theirs = np.where(window >= 0, files.tokens[np.maximum(window, 0)], np.uint32(END))
        equal = theirs == mine
        loose = np.cumprod(equal | (self._words[theirs] & self._words[mine]), axis=1, dtype=np.int8).astype(np.bool_)
        return Alignment(mine, theirs, equal, loose)

    def _bag(self, ids: Ids) -> NDArray[np.float32]:
        """Return the rarity of the ids given, and 0 for all others, (vocabulary,)."""
        bag = np.zeros(len(self._rarity), dtype=np.float32)
        bag[ids] = self._rarity[ids]
        return bag


def _allowed(files: Files, places: Places, allows: Allows) -> Places:
    """Keep the places after which a file goes on, and with an id that is allowed."""
    following = files.tokens[np.minimum(places + 1, len(files.tokens) - 1)]
    places, following = places[following != END], following[following != END]
    if allows is not None:
        ids, numbers = np.unique(following, return_inverse=True)
        places = places[allows(ids)[numbers]]
    return places
