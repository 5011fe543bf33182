"""Candidates: places in the document and the project whose context resembles the cursor's, and how much each counts.

A kernel over contexts, as nearest neighbours vote in a kNN-LM (Khandelwal et al. 2020), but over lexemes and features
one can name: how far back the texts agree, with and without words exchanged, where the place is, and what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.index.lexemes import BREAK, END, Ids
from codecompose_ls.index.segment import Files, Places, union

Features = NDArray[np.float32]
Flags = NDArray[np.bool_]
Allows = Callable[[Ids], Flags] | None
Columns = dict[str, NDArray[Any]]

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
    # Typed lately: fitted on session replay, all others as they are (decisions/0009).
    "fresh_before_cursor": 1.53,
    "fresh_after_cursor": 2.69,
    "fresh_elsewhere": 3.30,
}
_COLUMN = {name: number for number, name in enumerate(WEIGHTS)}
_WEIGHT = np.array(list(WEIGHTS.values()), dtype=np.float32)

#: Places asked for by context, in the document and in the files; places nearest to the cursor taken besides.
MOST, NEAREST = 80, 150
#: Lexemes looked at before a place, after its line, and of the next line.
BEFORE, AFTER, NEXT_LINE = 48, 30, 6
#: How far back each lexeme before a place is; small numbers, since so many are compared.
_BACK = np.arange(BEFORE, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Places in several sources, and what their features are, (candidates, len(WEIGHTS)).

    Candidate i stands at `places[i]` of `sources[source[i]]` and proposes `following[i]`, which comes after it, but
    where `exchange[i]` is not END: then that one.
    """

    sources: tuple[Files, ...]
    source: Places
    places: Places
    following: Ids
    exchange: Ids
    features: Features

    @property
    def scores(self) -> NDArray[np.float32]:
        """The logarithm of how much each counts, (candidates,)."""
        scores: NDArray[np.float32] = self.features @ _WEIGHT
        return scores

    @property
    def proposed(self) -> Ids:
        """The lexeme that each proposes, (candidates,)."""
        return np.where(self.exchange != END, self.exchange, self.following)

    def lines(self, numbers: Places, *, length: int) -> Ids:
        """Return how some of them would go on, (numbers, length); they have to be in the order of their sources."""
        bounds = np.searchsorted(self.source[numbers], np.arange(len(self.sources) + 1)).tolist()
        parts = zip(self.sources, pairwise(bounds), strict=True)
        lines = np.concatenate([files.after(self.places[numbers[start:end]], length) for files, (start, end) in parts])
        exchange = self.exchange[numbers, None]
        return np.where((exchange != END) & (lines == lines[:, :1]), exchange, lines)


@dataclass(frozen=True, slots=True)
class Alignment:
    """The lexemes before the cursor, (BEFORE,), and before each place, (places, BEFORE), the nearest first.

    They agree for `match` lexemes, and for `loosely` but for words in place of words, which are `exchanged`.
    """

    mine: Ids
    theirs: Places
    match: Places
    loosely: Places
    exchanged: Flags


class Surroundings:
    """A cursor in a document: the lexemes before and after it, as the kernel compares them.

    `words` tells which ids are words and `rarity` how rare each is, (vocabulary,); `fresh`, which lexemes before and
    after the cursor were typed lately, as far as there are flags.
    """

    def __init__(
        self,
        before: Sequence[int] | Ids,
        after: Sequence[int] | Ids,
        *,
        path: str,
        words: Flags,
        rarity: NDArray[np.float32],
        fresh: tuple[Flags | None, Flags | None] = (None, None),
    ) -> None:
        following = np.asarray(after, dtype=np.uint32)
        parts = [(path, before), (path, np.append(following, np.uint32(BREAK)))]
        self._document = Files.of(parts, fresh=fresh)
        self._cursor = len(before)
        self._folder = path.rpartition("/")[0]
        self._words, self._rarity = words, rarity
        ends = np.flatnonzero(following <= BREAK)
        self._next_line = following[ends[0] + 1 : ends[0] + 1 + NEXT_LINE] if len(ends) else following[:0]
        self._bag_after = self._bag(following[: 2 * AFTER])

    def candidates(
        self, context: Ids, sources: Sequence[tuple[Files, Flags]], *, allows: Allows = None, most: int = MOST
    ) -> Candidates:
        """Find candidates for what follows `context`, in the document on both sides of the cursor and in other files.

        Each source comes with a flag for each of its files that does not count, and gives about `most` places. `allows`
        tells of ids whether they may come next; None allows all.
        """
        parts = [(self._document, self._in_document(context, allows))]
        parts += [(files, _in_files(files, context, hidden, allows, most=most)) for files, hidden in sources]
        # All sources are compared at once: for so few places, it is the number of operations that takes the time.
        following = np.concatenate([files.tokens[places + 1] for files, places in parts])
        mine = context[::-1][:BEFORE]
        theirs = np.concatenate([files.before(places, len(mine)) for files, places in parts], dtype=np.int64)
        after = np.concatenate([files.after(files.line_ends(places), AFTER) for files, places in parts], dtype=np.int64)
        pairs = self._aligned(mine, theirs)
        features = np.zeros((len(following), len(WEIGHTS)), dtype=np.float32)
        columns = self._before(pairs, following) | self._after(after) | self._place(parts)
        for name, values in columns.items():
            features[:, _COLUMN[name]] = values
        found = Candidates(
            sources=tuple(files for files, _ in parts),
            source=np.repeat(np.arange(len(parts)), [len(places) for _, places in parts]),
            places=np.concatenate([places for _, places in parts]),
            following=following,
            exchange=np.full(len(following), END, dtype=np.uint32),
            features=features,
        )
        return self._with_exchanges(found, pairs)

    def _in_document(self, context: Ids, allows: Allows) -> Places:
        """Return the places of the longest matches in the document, and of the nearest of all."""
        files = self._document
        places = np.flatnonzero(files.tokens == context[-1])
        places = _allowed(files, places[places != self._cursor], allows)
        # They are in order, so the nearest are among as many on either side.
        middle = int(places.searchsorted(self._cursor))
        around = places[max(0, middle - NEAREST) : middle + NEAREST]
        nearest = around[np.argsort(np.abs(around - self._cursor), kind="stable")[:NEAREST]]
        return union(files.among(places, context, most=MOST), nearest)

    def _before(self, pairs: Alignment, following: Ids) -> Columns:
        """Return the features of how alike the texts before the places and the cursor are."""
        match, loosely, exchanges = pairs.match, pairs.loosely, pairs.exchanged.sum(axis=1)
        beyond = _BACK[: len(pairs.mine)] >= match.astype(np.uint8)[:, None]
        similar = self._bag(pairs.mine)[pairs.theirs] * beyond
        return {
            "match": np.log(np.maximum(match, 1)),
            **{f"match_{length}": np.minimum(match, length) / length for length in (4, 8, 16)},
            "match_line": match > int(np.argmax(pairs.mine <= BREAK)),
            "similar_before": similar.sum(axis=1) / BEFORE * 4,
            "loose_match": np.log(np.maximum(loosely, 1)),
            **{f"loose_match_{length}": np.minimum(loosely, length) / length for length in (8, 24)},
            "exchanges": np.minimum(exchanges, 6) / 6,
            "word_after_exchange": self._words[following] & (exchanges > 0),
        }

    def _after(self, after: Places) -> Columns:
        """Return the features of how alike what follows the cursor and the lines of the places is, (places, AFTER)."""
        columns = {"similar_after": self._bag_after[after].sum(axis=1) / AFTER * 4}
        if length := len(self._next_line):
            same = after[:, :length] == self._next_line
            run = runs(same)
            columns |= {"next_line": run / NEXT_LINE, "whole_next_line": run == length, "next_line_begins": same[:, 0]}
        return columns

    def _place(self, parts: Sequence[tuple[Files, Places]]) -> Columns:
        """Return the features of where the places are, the first part being the document."""
        (_, inside), *rest = parts
        here = np.zeros(len(inside), dtype=np.bool_)
        same = np.concatenate([here, *(files.folders[files.file_of(places)] == self._folder for files, places in rest)])
        offset = np.zeros(len(same), dtype=np.int64)
        # Never 0 in the document: the cursor itself is no candidate.
        offset[: len(inside)] = inside - self._cursor
        columns: Columns = {
            "before_cursor": offset < 0,
            "after_cursor": offset > 0,
            "same_folder": same,
            "other_folder": ~same & (offset == 0),
            "distance": np.log1p(np.abs(offset)) / 5,
        }
        if any(files.fresh is not None for files, _ in parts):
            fresh = np.concatenate([files.are_fresh(places + 1) for files, places in parts])
            columns |= {
                "fresh_before_cursor": fresh & (offset < 0),
                "fresh_after_cursor": fresh & (offset > 0),
                "fresh_elsewhere": fresh & (offset == 0),
            }
        return columns

    def _with_exchanges(self, found: Candidates, pairs: Alignment) -> Candidates:
        """Add, for each place whose next word was exchanged for another in its context, that other word."""
        hits = (pairs.theirs == found.following[:, None]) & pairs.exchanged
        has = np.flatnonzero(hits.any(axis=1) & self._words[found.following])
        twins = found.features[has]
        twins[:, _COLUMN["exchanged"]] = 1
        return Candidates(
            sources=found.sources,
            source=np.concatenate([found.source, found.source[has]]),
            places=np.concatenate([found.places, found.places[has]]),
            following=np.concatenate([found.following, found.following[has]]),
            exchange=np.concatenate([found.exchange, pairs.mine[hits[has].argmax(axis=1)]]),
            features=np.concatenate([found.features, twins]),
        )

    def _aligned(self, mine: Ids, theirs: Places) -> Alignment:
        """Lay what stands before each place beside what stands before the cursor."""
        equal = theirs == mine
        loosely = runs(equal | (self._words[theirs] & self._words[mine]))
        exchanged = (_BACK[: len(mine)] < loosely.astype(np.uint8)[:, None]) > equal
        return Alignment(mine, theirs, runs(equal), loosely, exchanged)

    def _bag(self, ids: Ids) -> NDArray[np.float32]:
        """Return the rarity of the ids given, and 0 for all others, (vocabulary,)."""
        bag = np.zeros(len(self._rarity), dtype=np.float32)
        bag[ids] = self._rarity[ids]
        return bag


def runs(flags: Flags) -> Places:
    """Return how many in each row are true before the first that is not."""
    ends: Places = flags.argmin(axis=1)
    ends[flags[np.arange(len(flags)), ends]] = flags.shape[1]
    return ends


def _in_files(files: Files, context: Ids, hidden: Flags, allows: Allows, *, most: int) -> Places:
    """Return the places of the longest matches, but for those in hidden files."""
    places = _allowed(files, files.longest(context, most=most), allows)
    return places[~hidden[files.file_of(places)]]


def _allowed(files: Files, places: Places, allows: Allows) -> Places:
    """Keep the places after which a file goes on, and with an id that is allowed."""
    following = files.tokens.take(places + 1, mode="clip")
    goes_on: Flags = following != END
    if allows is not None:
        goes_on[goes_on] = allows(following[goes_on])
    return places[goes_on]
