"""Roll-up: buckets added up over what a question does not ask for, and what only whole histograms can say.

Adding up once and breaking down the few buckets that are left costs a fraction of going through all of them for each
table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import lru_cache

from codecompose_ls.telemetry import histogram
from codecompose_ls.telemetry.ledger import Bucket, Key

#: What spans more days than these is shown by the week.
MOST_DAYS = 92
#: Milliseconds at which a distribution of latencies is told.
LIMITS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def rolled_up(buckets: Iterable[Bucket], *, keep: Iterable[str], day: Callable[[str], str] = str) -> list[Bucket]:
    """Add up buckets that agree in the dimensions `keep`; the others become "". `day` puts days together (`week`)."""
    kept = [name in set(keep) for name in Key._fields]
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    for bucket in buckets:
        key = tuple(value if keeps else "" for value, keeps in zip(bucket.key, kept, strict=True))
        sums = groups.setdefault((day(key[0]) if kept[0] else "", *key[1:]), {})
        for name, value in bucket.counters.items():
            sums[name] = sums.get(name, 0) + value
    return [Bucket(Key(*key), Counter(sums)) for key, sums in groups.items()]


@lru_cache(maxsize=4096)
def week(day: str) -> str:
    """Return the Monday of a day's week."""
    found = date.fromisoformat(day)
    return (found - timedelta(days=found.weekday())).isoformat()


def span(days: Iterable[str]) -> int:
    """Return how many days there are from the first of some to the last; 0 for none."""
    found = sorted(days)
    return (date.fromisoformat(found[-1]) - date.fromisoformat(found[0])).days + 1 if found else 0


def users(buckets: Iterable[Bucket], *, by: str, group: Callable[[str], str] = str) -> dict[str, int]:
    """Return how many users there are for each value of a dimension; in a user's own database it is always one.

    `group` puts values together (`week` for days).
    """
    found: dict[str, set[str]] = {}
    for bucket in buckets:
        found.setdefault(group(getattr(bucket.key, by)), set()).update(bucket.users)
    return {value: len(names) for value, names in found.items()}


def answered_within(buckets: Iterable[Bucket]) -> dict[str, tuple[float, ...]]:
    """Return, by source, the share of the requests with a suggestion that were answered within each of `LIMITS_MS`.

    Requests are counted by the middle of their bin, which is at most 4 % off.
    """
    counts: dict[str, dict[int, int]] = {}
    for bucket in buckets:
        for name, value in bucket.counters.items():
            if name.startswith("latency."):
                source, _, bin = name.removeprefix("latency.").rpartition(".")
                bins = counts.setdefault(source, {})
                bins[int(bin)] = bins.get(int(bin), 0) + value
    return {source: _shares(bins) for source, bins in sorted(counts.items())}


def _shares(bins: dict[int, int]) -> tuple[float, ...]:
    total = sum(bins.values())
    return tuple(
        sum(count for bin, count in bins.items() if histogram.duration(bin) <= limit) / total for limit in LIMITS_MS
    )
