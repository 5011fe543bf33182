"""View: the figures of one question, each worked out once and only if it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from codecompose_ls.rollout.record import Entry
from codecompose_ls.service.dashboard.filters import DIMENSIONS, Filters
from codecompose_ls.telemetry.ledger import Bucket
from codecompose_ls.telemetry.metrics import Metrics, breakdown, metrics
from codecompose_ls.telemetry.rollup import MOST_DAYS, answered_within, rolled_up, span, users, week


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
        """What enough users have in these days, by dimension; what is chosen is always among it."""
        there = {name: {getattr(bucket.key, name) for bucket in self.buckets} for name in DIMENSIONS}
        if self.smallest_group > 1:
            there = {name: set(self._of_enough(users(self.buckets, by=name))) for name in DIMENSIONS}
        chosen = {name: {getattr(self.filters, name)} - {None} for name in DIMENSIONS}
        return {name: sorted(there[name] | chosen[name]) for name in DIMENSIONS}

    @cached_property
    def narrowed(self) -> list[Bucket]:
        """The buckets that are asked for, but those of a day, a language, ... that too few users have.

        They are in no figure, so that no row of a page, taken from its totals, leaves what too few have done.
        """
        found, left = self._admitted, None
        while self.smallest_group > 1 and left != len(found):
            left = len(found)
            for by in ("day", *DIMENSIONS, self.filters.by):
                group = self._group if by == "day" else str
                enough = self._of_enough(users(found, by=by, group=group))
                found = [bucket for bucket in found if group(getattr(bucket.key, by)) in enough]
        return found

    @property
    def is_partial(self) -> bool:
        """Whether something is left out, since too few users have it."""
        return len(self.narrowed) < len(self._admitted)

    @cached_property
    def _admitted(self) -> list[Bucket]:
        return self.filters.admitted(self.buckets)

    def _of_enough(self, counts: dict[str, int]) -> set[str]:
        return {value for value, count in counts.items() if count >= self.smallest_group}

    @cached_property
    def total(self) -> Metrics:
        return metrics(self._at_once)

    @cached_property
    def is_of_several(self) -> bool:
        """Whether the figures are of more than one user."""
        return len({user for bucket in self.narrowed for user in bucket.users}) > 1

    @cached_property
    def is_weekly(self) -> bool:
        return span({bucket.key.day for bucket in self.buckets}) > MOST_DAYS

    @cached_property
    def over_time(self) -> dict[str, Metrics]:
        """Figures by day, or by week (its Monday) where there are many days."""
        return breakdown(rolled_up(self._rolled_up, keep=("day",)), by="day")

    def by(self, dimension: str) -> dict[str, Metrics]:
        """Return the figures by language, by model, or by what the filters group by."""
        return breakdown(self._at_once, by=dimension)

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
        return rolled_up(self.narrowed, keep=("day", *self._kept), day=self._group)

    @cached_property
    def _at_once(self) -> list[Bucket]:
        """The buckets of all days together."""
        return rolled_up(self._rolled_up, keep=self._kept)

    @property
    def _kept(self) -> tuple[str, ...]:
        return ("language", "model", self.filters.by)

    @property
    def _group(self) -> Callable[[str], str]:
        return week if self.is_weekly else str
