"""A segment: the lexemes of many files in one array, and the order of their contexts; both can be mapped from disk.

The order is a suffix array of the reversed text (Manber and Myers 1993) that compares `DEPTH` lexemes back: places with
the same lexemes before them stand next to each other, so the longest match of a context is a walk down an interval.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.index.lexemes import BREAK, END, Ids

Places = NDArray[np.int64]

#: Lexemes that the order looks back; a power of two.
DEPTH = 16


@dataclass(frozen=True)
class Files:
    """Lexemes of files one after the other: END, a file's lexemes, END, the next file's, ..., END.

    `starts[n]` is where the END before `paths[n]` stands.
    """

    tokens: Ids
    starts: NDArray[np.int64]
    paths: tuple[str, ...]
    #: Which lexemes were typed lately, (lexemes,), as `Recent` knows; None where none were.
    fresh: NDArray[np.bool_] | None = field(default=None, kw_only=True)

    @classmethod
    def of(
        cls, files: Iterable[tuple[str, Sequence[int] | Ids]], *, fresh: Iterable[NDArray[np.bool_] | None] = ()
    ) -> Files:
        """Join (path, lexemes); `fresh` are the flags of each file's lexemes."""
        paths, parts, starts, length = [], [], [], 0
        for path, lexemes in files:
            paths.append(path)
            starts.append(length)
            parts += [np.array([END], dtype=np.uint32), np.asarray(lexemes, dtype=np.uint32)]
            length += 1 + len(lexemes)
        parts.append(np.array([END], dtype=np.uint32))
        marked = None
        for start, flags in zip(starts, fresh, strict=False):
            if flags is not None:
                marked = np.zeros(length + 1, dtype=np.bool_) if marked is None else marked
                marked[start + 1 : start + 1 + len(flags)] = flags
        return cls(np.concatenate(parts), np.array(starts, dtype=np.int64), tuple(paths), fresh=marked)

    @cached_property
    def breaks(self) -> Places:
        """Where lines and files end."""
        return np.flatnonzero(self.tokens <= BREAK)

    @cached_property
    def names(self) -> NDArray[np.object_]:
        """The paths, as an array."""
        return np.array(self.paths, dtype=np.object_)

    @cached_property
    def folders(self) -> NDArray[np.object_]:
        """The folder of every path."""
        return np.array([path.rpartition("/")[0] for path in self.paths], dtype=np.object_)

    def pieces(self) -> Iterator[tuple[str, Ids]]:
        """Yield what `of` took."""
        bounds = [*self.starts.tolist(), len(self.tokens) - 1]
        for path, (start, end) in zip(self.paths, pairwise(bounds), strict=True):
            yield path, self.tokens[start + 1 : end]

    def file_of(self, places: Places) -> Places:
        """Return the number of the file that each place is in."""
        return np.searchsorted(self.starts, places, side="right") - 1

    def are_fresh(self, places: Places) -> NDArray[np.bool_]:
        """Return which of the places were typed lately."""
        return np.zeros(len(places), dtype=np.bool_) if self.fresh is None else self.fresh[places]

    def before(self, places: Places, length: int) -> Ids:
        """Return the lexemes up to each place, the nearest first, (places, length); before them all there is END."""
        return self.tokens.take(places[:, None] - np.arange(length), mode="clip")

    def after(self, places: Places, length: int) -> Ids:
        """Return the lexemes after each place, (places, length); after them all there is END."""
        return self.tokens.take(places[:, None] + np.arange(1, length + 1), mode="clip")

    def line_ends(self, places: Places) -> Places:
        """Return where the line that goes on after each place ends."""
        return self.breaks.take(self.breaks.searchsorted(places + 1), mode="clip")

    def longest(self, context: Ids, *, most: int) -> Places:
        """Return up to about `most` places after which `context` ends, those of the longest matches first of all."""
        places = np.flatnonzero(self.tokens == context[-1])
        return self.among(places, context, most=most)

    def among(self, places: Places, context: Ids, *, most: int) -> Places:
        """Keep those of `places` that agree with `context` the furthest back, about `most` of them."""
        back = 1
        while len(places) > most and back < len(context):
            further = places[self.tokens[np.maximum(places - back, 0)] == context[-1 - back]]
            if len(further) < most:
                return union(further, places[:: max(1, len(places) // most)])
            places, back = further, back + 1
        return places if len(places) <= 2 * most else places[:: len(places) // most]


@dataclass(frozen=True)
class Segment(Files):
    """Files with the order of their contexts, (lexemes,), and where each id begins in it, (ids + 1,)."""

    order: NDArray[np.uint32]
    heads: NDArray[np.int64]

    @classmethod
    def build(cls, files: Files) -> Segment:
        """Sort the contexts, in about 0.5 s and 50 MB a million lexemes; ties stay in the order of the text."""
        ranks, known = files.tokens.astype(np.int64), 1
        while known < DEPTH:
            ranks, known = _refined(ranks, known)
        ranks <<= 32
        ranks |= np.arange(len(ranks))
        ranks.sort()
        order = (ranks & 0xFFFF_FFFF).astype(np.uint32)
        heads = np.concatenate([[0], np.cumsum(np.bincount(files.tokens))]).astype(np.int64)
        return cls(files.tokens, files.starts, files.paths, order, heads)

    def longest(self, context: Ids, *, most: int) -> Places:
        last = int(context[-1])
        if last + 1 >= len(self.heads):
            return np.zeros(0, dtype=np.int64)
        low, high = int(self.heads[last]), int(self.heads[last + 1])
        wider = (low, high)
        for back in range(1, min(DEPTH, len(context))):
            if high - low <= most:
                break
            wider, (low, high) = (low, high), self._among(low, high, back=back, token=int(context[-1 - back]))
        places = self.order[low:high].astype(np.int64)
        if high - low < most and wider[1] > wider[0]:
            # The closest matches are few: shorter ones, spread evenly, have a say, too.
            places = union(places, self.order[_spread(*wider, most=most)].astype(np.int64))
        return places if len(places) <= 2 * most else places[:: len(places) // most]

    def _among(self, low: int, high: int, *, back: int, token: int) -> tuple[int, int]:
        """Return the part of an interval whose places have `token` so far before them."""
        tokens, order = self.tokens, self.order

        def before(number: int) -> int:
            return int(tokens[max(0, int(order[number]) - back)])

        numbers = range(low, high)
        return low + bisect_left(numbers, token, key=before), low + bisect_right(numbers, token, key=before)


def union(one: Places, other: Places) -> Places:
    """Return the places that are in one or the other, sorted, each once; np.union1d takes twice as long for so few."""
    both = np.concatenate((one, other))
    both.sort()
    return both[np.diff(both, prepend=-1) > 0]


def _spread(low: int, high: int, *, most: int) -> Places:
    """Return up to `most` whole numbers from `low` to below `high`, evenly."""
    if high - low <= most:
        return np.arange(low, high)
    return np.linspace(low, high, num=most, endpoint=False, dtype=np.int64)


def _refined(ranks: NDArray[np.int64], known: int) -> tuple[NDArray[np.int64], int]:
    """Rank places by as many lexemes more as one integer can hold, given their ranks by the `known` lexemes before."""
    bits = max(1, int(ranks.max()).bit_length())
    count = min(63 // bits, -(-DEPTH // known))
    keys = ranks.copy()
    for number in range(1, count):
        keys <<= bits
        keys[number * known :] |= ranks[: max(0, len(ranks) - number * known)]
    order = np.argsort(keys)
    keys = keys[order]
    numbers = np.zeros(len(keys), dtype=np.int64)
    np.cumsum(keys[1:] != keys[:-1], out=numbers[1:])
    ranks = np.empty_like(numbers)
    ranks[order] = numbers
    return ranks, known * count
