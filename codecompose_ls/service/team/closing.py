"""Closing: sums of everyone together, of days that are over, so that the dashboard of a large team has few to read.

The days before the one in the setting `closed_before` are closed, but those in `reopened`: whoever enters events of a
closed day reopens it, and it is closed again with the next ones. Of open days each person's own sums are read. While a
day is being closed nobody enters anything.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, delete, func, insert, select, text

from codecompose_ls.service.team.database import (
    bucket,
    closed_bucket,
    closed_bucket_week,
    closed_total,
    closed_total_week,
    reopened,
    setting,
    total,
)
from codecompose_ls.telemetry.ledger import Key
from codecompose_ls.telemetry.rollup import week

#: By then editors that were offline for a night have told what they had to tell.
OPEN_DAYS = 3
#: What each table of sums is closed into.
CLOSED: dict[Table, Table] = {bucket: closed_bucket, total: closed_total}
#: And what days are added up into, under the week's Monday.
WEEKS: dict[Table, Table] = {closed_bucket: closed_bucket_week, closed_total: closed_total_week}
#: What sums of everyone together are told apart by.
KEY = tuple(name for name in Key._fields if name != "user")

_SETTING = "closed_before"
#: PostgreSQL's advisory lock between those who enter events and whoever closes a day (any number of our own).
_CLOSING = 0x636C6F73


@dataclass(frozen=True, slots=True)
class Closed:
    """The days that are closed: those before a day (ISO 8601), but some."""

    before: str = ""
    but: frozenset[str] = frozenset()

    def has(self, day: Column[str]) -> ColumnElement[bool]:
        """Return the condition that a day is closed."""
        return (day < self.before) & day.not_in(sorted(self.but))

    def lacks(self, day: Column[str]) -> ColumnElement[bool]:
        """Return the condition that a day is open."""
        return (day >= self.before) | day.in_(sorted(self.but))

    def weeks(self, since: str, until: str) -> Weeks:
        """Return the whole weeks from one day to before another one that are closed; "" leaves the beginning open."""
        last = min(until, self.before)
        return Weeks(monday_from(since) if since else "", week(last) if last else "", {week(day) for day in self.but})


@dataclass(frozen=True, slots=True)
class Weeks:
    """The weeks from a Monday to before another one, but some."""

    since: str
    until: str
    but: Collection[str]

    def have(self, monday: Column[str]) -> ColumnElement[bool]:
        """Return the condition that a week is among them."""
        return (monday >= self.since) & (monday < self.until) & monday.not_in(sorted(self.but))

    def lack(self, day: Column[str]) -> ColumnElement[bool]:
        """Return the condition that a day is in none of them."""
        left = [
            (date.fromisoformat(one) + timedelta(days=number)).isoformat() for one in self.but for number in range(7)
        ]
        return (day < self.since) | (day >= self.until) | day.in_(sorted(left))


def monday_from(day: str) -> str:
    """Return a day if it is a Monday, or else the next one."""
    return week((date.fromisoformat(day) + timedelta(days=6)).isoformat())


def closed(connection: Connection) -> Closed:
    """Return which days are closed now."""
    before = connection.scalars(select(setting.c.value).where(setting.c.name == _SETTING)).first()
    return Closed(before or "", frozenset(connection.scalars(select(reopened.c.day))))


def keep_open(connection: Connection) -> None:
    """Keep every day from being closed until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock_shared(:number)"), {"number": _CLOSING})


def reopen(connection: Connection, days: Collection[str]) -> None:
    """Say that these days are not what they were when they were closed; after `keep_open`."""
    known = closed(connection)
    # In order, so that no two wait for each other.
    for day in sorted(day for day in days if day < known.before and day not in known.but):
        if connection.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert as upsert

            connection.execute(upsert(reopened).values(day=day).on_conflict_do_nothing())
        else:
            connection.execute(insert(reopened).values(day=day))


def close_days(engine: Engine, *, today: date) -> None:
    """Close all days but the last `OPEN_DAYS`, in a transaction each."""
    until = (today - timedelta(days=OPEN_DAYS)).isoformat()
    is_done = False
    while not is_done:
        with engine.begin() as connection:
            is_done = _close_next(connection, until)


def _close_next(connection: Connection, until: str) -> bool:
    """Close the next day before `until`; return whether there was none."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _CLOSING})
    known = closed(connection)
    if known.but:
        day = min(known.but)
        _close(connection, day)
        connection.execute(delete(reopened).where(reopened.c.day == day))
        return False
    is_next = (total.c.day >= known.before) & (total.c.day < until)
    following = connection.scalar(select(func.min(total.c.day)).where(is_next))
    if following is not None:
        _close(connection, following)
    before = (date.fromisoformat(following) + timedelta(days=1)).isoformat() if following else until
    if before > known.before:
        connection.execute(delete(setting).where(setting.c.name == _SETTING))
        connection.execute(insert(setting).values(name=_SETTING, value=before))
    return following is None


def _close(connection: Connection, day: str) -> None:
    """Add up a day, and its week as far as it is closed."""
    monday = week(day)
    sunday = (date.fromisoformat(monday) + timedelta(days=6)).isoformat()
    for table, closed in CLOSED.items():
        each = connection.execute(select(*_columns(table), table.c.user, table.c.counters).where(table.c.day == day))
        _replace(connection, closed, day, (((*key, [user]), counters) for *key, user, counters in each))
        days = select(*_columns(closed), closed.c.users, closed.c.counters).where(closed.c.day.between(monday, sunday))
        rows = connection.execute(days)
        _replace(
            connection, WEEKS[closed], monday,
            (((monday, *key, json.loads(users)), counters) for _, *key, users, counters in rows),
        )  # fmt: skip


def _columns(table: Table) -> list[Column[Any]]:
    return [table.c[name] for name in KEY]


def _replace(connection: Connection, table: Table, day: str, told: Iterable[tuple[tuple[Any, ...], str]]) -> None:
    """Put sums in place of those of a day: of each key with its users, and their counters as JSON."""
    sums: dict[tuple[str, ...], dict[str, int]] = {}
    people: dict[tuple[str, ...], set[str]] = {}
    for (*key, users), counters in told:
        people.setdefault(tuple(key), set()).update(users)
        so_far = sums.setdefault(tuple(key), {})
        for name, value in json.loads(counters).items():
            so_far[name] = so_far.get(name, 0) + value
    connection.execute(delete(table).where(table.c.day == day))
    rows = [
        dict(zip(KEY, key, strict=True))
        | {"users": json.dumps(sorted(people[key])), "counters": json.dumps(counters, separators=(",", ":"))}
        for key, counters in sums.items()
    ]
    if rows:
        connection.execute(insert(table), rows)
