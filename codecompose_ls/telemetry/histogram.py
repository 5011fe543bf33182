"""Histogram: how often a duration fell into which of fixed bins, so that those of many days and people can be added.

The bins are DDSketch's (Masson, Rim and Lee 2019, VLDB 12): they grow by a constant factor, and every percentile is
told with a relative error of at most `ACCURACY`, whatever the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

ACCURACY = 0.04
#: Milliseconds: what is shorter falls into the first bin, what is longer (a day) into the last.
SHORTEST_MS, LONGEST_MS = 0.01, 86_400_000.0

_GROWTH = (1 + ACCURACY) / (1 - ACCURACY)


def bin_of(ms: float) -> int:
    """Return the bin of a duration in milliseconds."""
    ms = min(max(ms, SHORTEST_MS), LONGEST_MS)
    return max(0, math.ceil(math.log(ms / SHORTEST_MS, _GROWTH)))


def duration(bin: int) -> float:
    """Return the milliseconds that stand for a bin: no value in it is further off than `ACCURACY`."""
    return 2 * SHORTEST_MS * _GROWTH**bin / (_GROWTH + 1)


def percentile(counts: Mapping[int, int], share: float) -> float:
    """Return the nearest-rank percentile (`share` 0.95: the 95th) in milliseconds. Raises ValueError for no counts."""
    total = sum(counts.values())
    if total < 1:
        raise ValueError("a percentile of nothing")
    seen, rank = 0, max(1, math.ceil(share * total - 1e-9))
    for bin in sorted(counts):
        seen += counts[bin]
        if seen >= rank:
            return duration(bin)
    raise AssertionError("ranks end at the total")
