"""Figures of quality; each is defined once, in docs/metrics.md, under the name it has here. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Sums = npt.NDArray[np.float64]

#: The 97.5th percentile of the normal distribution, for intervals of 95 %.
_Z = 1.959963984540054
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Two systems on the same cases: where only one of them was right, and how likely such a split is by chance."""

    n: int
    only_first: int
    only_second: int
    p_value: float


def first_line(text: str) -> str:
    """Return what stands before the first line break, without trailing space."""
    return text.replace("\r", "\n").split("\n", 1)[0].rstrip()


def is_exact_match(suggested: str | None, hidden: str) -> bool:
    """Return whether the first line suggested is what was hidden, trailing space aside; silence (None) is a miss."""
    return suggested is not None and first_line(suggested) == hidden.rstrip()


def edit_similarity(suggested: str | None, hidden: str) -> float:
    """Return rapidfuzz's `fuzz.ratio` (normalised Indel similarity) of the first line and the hidden one, 0 to 1."""
    from rapidfuzz import fuzz

    return fuzz.ratio(first_line(suggested), hidden.rstrip()) / 100 if suggested is not None else 0.0


def wilson(hits: int, n: int) -> Interval:
    """Return hits / n with its Wilson score interval (Wilson 1927); 0 to 1 when nothing was asked."""
    if n == 0:
        return Interval(0.0, 0.0, 1.0)
    share, spread = hits / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Compare two systems case by case: McNemar's exact test, two-sided; the sequences are equally long."""
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    discordant = only_first + only_second
    tail = sum(math.comb(discordant, wins) for wins in range(min(only_first, only_second) + 1))
    return Paired(len(pairs), only_first, only_second, min(1.0, 2 * tail / 2**discordant))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979); in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def bootstrap(sums: Sums, *figures: Callable[[Sums], Sums]) -> list[Interval]:
    """Return figures with their 95 % intervals by resampling clusters (percentile bootstrap, Efron 1979).

    `sums` (clusters, columns) holds what the figures are made of, added up over each cluster; a figure maps sums
    (..., columns) to values (...). One cluster alone says nothing of its like: low and high are then the value.
    """
    clusters = len(sums)
    drawn = np.random.default_rng(0).multinomial(clusters, np.full(clusters, 1 / clusters), size=_RESAMPLES)
    resampled, total = drawn @ sums, sums.sum(axis=0)
    found = []
    for figure in figures:
        low, high = np.quantile(figure(resampled), (0.025, 0.975))
        found.append(Interval(float(figure(total)), float(low), float(high)))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies, interpolated between neighbours; 0 for none."""
    if not values:
        return 0.0
    ordered, place = sorted(values), share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
