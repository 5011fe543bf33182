"""Filters: what a URL asks for, and the URL that asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlencode

from codecompose_ls.errors import InputError
from codecompose_ls.telemetry.ledger import Bucket

#: What can be narrowed to one value.
DIMENSIONS = ("language", "model", "editor", "cohort")
#: What the panel of groups can tell apart; the first is what it does if nobody says otherwise.
GROUPS = ("editor", "position", "cohort")
#: How a value that is empty is called in URLs, menus and tables.
NONE = "(none)"
#: The last so many days, and what they are called; None is all time.
PERIODS: dict[int | None, str] = {7: "7 days", 28: "28 days", 90: "90 days", 365: "A year", None: "All time"}
DEFAULT_DAYS = 28
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Filters:
    """Both days belong to it (UTC); None is anything. `days` is there if the URL asked for the last so many."""

    first: date | None = None
    last: date | None = None
    days: int | None = None
    language: str | None = None
    model: str | None = None
    editor: str | None = None
    cohort: str | None = None
    by: str = GROUPS[0]

    @classmethod
    def read(cls, query: Mapping[str, str], *, today: date) -> Filters:
        """Read a URL's query; what it does not know is ignored. Raises `InputError` for a day that is none."""
        values = {name: query[name].strip() for name in query if query[name].strip()}
        exact = {name: "" if values[name] == NONE else values[name] for name in DIMENSIONS if name in values}
        first, last = (_day(name, values.get(name)) for name in ("first", "last"))
        if first and last and first > last:
            raise InputError(f"first={first} is after last={last}: exchange them")
        chosen = cls(first, last, None, **exact, by=_group(values.get("by", GROUPS[0])))
        return chosen if first or last else chosen.latest(_days(values.get("days", str(DEFAULT_DAYS))), today=today)

    def latest(self, days: int | None, *, today: date) -> Filters:
        """Return the same of the last so many days, today included; None is all time."""
        first = today - timedelta(days=days - 1) if days else None
        # What a clock that is ahead has dated in days to come is not of these.
        return replace(self, days=days, first=first, last=today if days else None)

    @property
    def until(self) -> date | None:
        """The day after the last."""
        return self.last + timedelta(days=1) if self.last and self.last < date.max else None

    @property
    def narrows(self) -> bool:
        """Whether anything but the time is filtered."""
        return any(getattr(self, name) is not None for name in DIMENSIONS)

    def admitted(self, buckets: Iterable[Bucket]) -> list[Bucket]:
        """Return the buckets, of these days, that are asked for."""
        wanted = {name: getattr(self, name) for name in DIMENSIONS if getattr(self, name) is not None}
        return [
            bucket
            for bucket in buckets
            if not wanted or all(getattr(bucket.key, name) == value for name, value in wanted.items())
        ]

    @property
    def query(self) -> str:
        """The query of the URL that asks for the same."""
        pairs = {name: value or NONE for name in DIMENSIONS if (value := getattr(self, name)) is not None}
        if self.by != GROUPS[0]:
            pairs["by"] = self.by
        if self.days or not (self.first or self.last):
            time = {"days": str(self.days or "all")}
        else:
            days = (("first", self.first), ("last", self.last))
            time = {name: day.isoformat() for name, day in days if day}
        return urlencode(time | pairs)


def _day(name: str, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise InputError(f"{name} is no day: write it as 2026-10-31") from None


def _group(value: str) -> str:
    if value not in GROUPS:
        raise InputError(f"by is no way to group: write {', '.join(GROUPS)}")
    return value


def _days(value: str) -> int | None:
    if value == "all":
        return None
    if not (value.isascii() and value.isdigit() and 1 <= len(value) <= 5 and 1 <= int(value) <= _MOST_DAYS):
        raise InputError(f"days is no number of days: write 1 to {_MOST_DAYS}, or all")
    return int(value)
