"""View: the figures of one question, each worked out once and only if it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from codecompose_ls.rollout.record import Entry
from codecompose_ls.service.dashboard.filters import DIMENSIONS, Filters
from codecompose_ls.telemetry.ledger import Bucket
from codecompose_ls.telemetry.metrics import Metrics, breakdown, metrics
from codecompose_ls.telemetry.rollup import answered_within, rolled_up, users, week

#: More days than these are shown by the week.
_MOST_DAYS = 92


@dataclass(frozen=True)
class View:
    """Buckets of the days in `filters`, and how many users a figure needs to be shown (`smallest_group`).

    `record` is a roll-out's, or the one line that says why it cannot be read.
    """

    buckets: Sequence[Bucket]
    filters: Filters
    record: Sequence[Entry] | str = ()
    smallest_group: int = 1

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """What can be chosen in these days, by dimension; what is chosen is always among it."""
        there = {name: {getattr(bucket.key, name) for bucket in self.buckets} for name in DIMENSIONS}
        chosen = {name: {getattr(self.filters, name)} - {None} for name in DIMENSIONS}
        return {name: sorted(there[name] | chosen[name]) for name in DIMENSIONS}

    @cached_property
    def narrowed(self) -> list[Bucket]:
        """The buckets that are asked for; none where they are of too few users."""
        found = self.filters.admitted(self.buckets)
        return found if len({user for bucket in found for user in bucket.users}) >= self.smallest_group else []

    @cached_property
    def total(self) -> Metrics:
        return metrics(self._at_once)

    @cached_property
    def is_weekly(self) -> bool:
        return len({bucket.key.day for bucket in self.narrowed}) > _MOST_DAYS

    @cached_property
    def over_time(self) -> dict[str, Metrics]:
        """Figures by day, or by week (its Monday) where there are many days."""
        found = rolled_up(self._rolled_up, keep=("day",))
        return breakdown(self._enough(found, by="day", group=self._group), by="day")

    def by(self, dimension: str) -> dict[str, Metrics]:
        """Return the figures by language or model."""
        return breakdown(self._enough(self._at_once, by=dimension), by=dimension)

    def users(self, dimension: str) -> dict[str, int]:
        """Return how many users there are by a dimension."""
        return users(self.narrowed, by=dimension)

    @cached_property
    def answered_within(self) -> dict[str, tuple[float, ...]]:
        """By source, the share of requests answered within each of `rollup.LIMITS_MS`."""
        return answered_within(self._at_once)

    @cached_property
    def _rolled_up(self) -> list[Bucket]:
        """All that the page tells apart: one pass over everything, so that what follows has little to add up."""
        return rolled_up(self.narrowed, keep=("day", "language", "model"), day=self._group)

    @cached_property
    def _at_once(self) -> list[Bucket]:
        """The buckets of all days together."""
        return rolled_up(self._rolled_up, keep=("language", "model"))

    @property
    def _group(self) -> Callable[[str], str]:
        return week if self.is_weekly else str

    def _enough(self, found: list[Bucket], *, by: str, group: Callable[[str], str] = str) -> list[Bucket]:
        """Leave out what too few users are in."""
        if self.smallest_group <= 1:
            return found
        counts = users(self.narrowed, by=by, group=group)
        return [bucket for bucket in found if counts[getattr(bucket.key, by)] >= self.smallest_group]
