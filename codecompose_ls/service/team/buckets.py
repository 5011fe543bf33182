"""Buckets: reads the sums of the team's database; the same question as `telemetry.buckets` of a local file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select, true

from codecompose_ls.service.dashboard.router import today
from codecompose_ls.service.dashboard.source import Source
from codecompose_ls.service.team.closing import CLOSED, KEY, WEEKS, closed
from codecompose_ls.service.team.database import answering, bucket, reading, total
from codecompose_ls.telemetry.ledger import Bucket, Key
from codecompose_ls.telemetry.rollup import MOST_DAYS, span


@dataclass(frozen=True, slots=True)
class TeamSource:
    """Implements the dashboard's `Source` with the team's database.

    Without `tell_people` the buckets of closed days are of everyone together, and where there are many days those of a
    whole week are under its Monday.
    """

    engine: Engine
    tell_people: bool = True

    def __call__(
        self, *, since: date | None = None, until: date | None = None, tell_positions: bool = False
    ) -> list[Bucket]:
        table = bucket if tell_positions else total
        with answering(), reading(self.engine) as connection:
            if self.tell_people:
                return _of_each(connection, table, _days(table, since, until))
            known, day = closed(connection), CLOSED[table]
            found = _of_each(connection, table, known.lacks(table.c.day) & _days(table, since, until))
            is_wanted = known.has(day.c.day) & _days(day, since, until)
            if _is_long(connection, since, until):
                weeks, week = known.weeks(_day(since), _day(until or date.max)), WEEKS[day]
                found += _of_all(connection, week, weeks.have(week.c.day))
                is_wanted &= weeks.lack(day.c.day)
            return found + _of_all(connection, day, is_wanted)


def by_weeks(source: Source, since: date) -> Iterator[Bucket]:
    """Yield the buckets from a day on, of a week at a time: those of months of a large team fill the memory."""
    for first in range(since.toordinal(), today().toordinal() + 1, 7):
        until = date.fromordinal(first + 7)
        # The last of them has the days to come, too, of clocks that are ahead.
        yield from source(since=date.fromordinal(first), until=until if until <= today() else None)


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""


def _is_long(connection: Connection, since: date | None, until: date | None) -> bool:
    """Tell whether what there is of these days is shown by the week whatever is left out of its first and last one."""
    ends = connection.execute(
        select(func.min(total.c.day), func.max(total.c.day)).where(_days(total, since, until))
    ).one()
    return ends[0] is not None and span(ends) > MOST_DAYS + 7


def _days(table: Table, since: date | None, until: date | None) -> ColumnElement[bool]:
    """Return the condition that a day is one of these."""
    first = table.c.day >= since.isoformat() if since is not None else true()
    return first & (table.c.day < until.isoformat() if until is not None else true())


def _of_each(connection: Connection, table: Table, condition: ColumnElement[bool]) -> list[Bucket]:
    columns = [table.c[name] for name in Key._fields]
    rows = connection.execute(select(*columns, table.c.counters).where(condition)).all()
    sums = _loaded([row[-1] for row in rows])
    return [Bucket(Key(*row[:-1]), Counter(each)) for row, each in zip(rows, sums, strict=True)]


def _of_all(connection: Connection, table: Table, condition: ColumnElement[bool]) -> list[Bucket]:
    columns = [table.c[name] for name in KEY]
    rows = connection.execute(select(*columns, table.c.users, table.c.counters).where(condition)).all()
    people, sums = (_loaded([row[place] for row in rows]) for place in (-2, -1))
    return [
        Bucket(Key(*row[:-2]), Counter(each), frozenset(users))
        for row, users, each in zip(rows, people, sums, strict=True)
    ]


def _loaded(texts: list[str]) -> list[Any]:
    # One call: a reader of JSON remembers the names that it has seen.
    loaded: list[Any] = json.loads(f"[{','.join(texts)}]")
    return loaded
