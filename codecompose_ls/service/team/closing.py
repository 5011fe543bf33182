"""Closing: sums of everyone together, of days that are over, so that the dashboard of a large team has few to read.

The days before the one in the setting `closed_before` are closed, but those in `reopened`: whoever enters events of a
closed day reopens it, and it is closed again with the next ones. Of open days each person's own sums are read. While a
day is being closed nobody enters anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, delete, func, insert, select, text

from codecompose_ls.service.team.database import bucket, closed_bucket, closed_total, reopened, setting, total
from codecompose_ls.telemetry.ledger import Key

#: By then editors that were offline for a night have told what they had to tell.
OPEN_DAYS = 3
#: What each table of sums is closed into.
CLOSED: dict[Table, Table] = {bucket: closed_bucket, total: closed_total}
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
    for table, closed in CLOSED.items():
        key = [table.c[name] for name in KEY]
        sums: dict[tuple[str, ...], dict[str, int]] = {}
        users: dict[tuple[str, ...], set[str]] = {}
        for *found, user, counters in connection.execute(
            select(*key, table.c.user, table.c.counters).where(table.c.day == day)
        ):
            users.setdefault(tuple(found), set()).add(user)
            so_far = sums.setdefault(tuple(found), Counter())
            for name, value in json.loads(counters).items():
                so_far[name] = so_far.get(name, 0) + value
        rows = [
            dict(zip(KEY, key, strict=True))
            | {"users": json.dumps(sorted(users[key])), "counters": json.dumps(each, separators=(",", ":"))}
            for key, each in sums.items()
        ]
        connection.execute(delete(closed).where(closed.c.day == day))
        if rows:
            connection.execute(insert(closed), rows)
