"""Entries: enters events into the local database by the ledger's arithmetic, and forgets the oldest.

Every function here is one step inside the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import uuid4

from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.ledger import (
    Bucket,
    Change,
    Counters,
    Key,
    State,
    apply,
    suggestions_of,
    without_position,
)

#: Events are kept for so long, and as long as the file holds less than this; sums are kept for ever.
KEEP_DAYS = 90
KEEP_BYTES = 256 * 2**20
#: Nothing more becomes of a suggestion after so long, or after so many later ones.
STATE_DAYS, LATEST_STATES = 7, 10_000

#: Rows that are entered, or deleted, at once.
_STEP = 2_000
#: Parameters that one statement may have in every SQLite.
_PARAMETERS = 500

_COLUMNS = tuple(field.name for field in fields(Event))
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)
_INSERT = f"INSERT INTO event ({_QUOTED}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_PUT_STATE = """
INSERT INTO suggestion (id, at, state) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET at = excluded.at, state = excluded.state
"""
#: The first version said it of requests alone.
_POSITION = """
coalesce(position, (
    SELECT request.position FROM event AS request
    WHERE request.suggestion = event.suggestion AND request.position IS NOT NULL ORDER BY request.number LIMIT 1
))
"""
_WITH_POSITION = ", ".join(_POSITION if name == "position" else f'"{name}"' for name in _COLUMNS)
_LEFT = f"SELECT number, {_WITH_POSITION} FROM event WHERE id IS NULL ORDER BY number LIMIT ?"
#: A newer version may have added columns.
_KEY = ", ".join(f'"{name}"' for name in Key._fields)
_PUT_SUMS = f"""
INSERT INTO {{table}} ({_KEY}, counters) VALUES ({", ".join("?" * (len(Key._fields) + 1))})
ON CONFLICT ({_KEY}) DO UPDATE SET counters = excluded.counters
"""
_IS_KEY = " AND ".join(f'"{name}" = ?' for name in Key._fields)


def enter(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """Write events, states and sums; events that are in the file already change nothing."""
    seen = {id for (id,) in _select(connection, "SELECT id FROM event WHERE id IN ({})", [e.id for e in events])}
    change = _apply(connection, events, seen)
    connection.executemany(_INSERT, ([_plain(getattr(event, name)) for name in _COLUMNS] for event in change.events))


def enter_left(connection: sqlite3.Connection) -> None:
    """Enter some events that an older version wrote, the oldest first, with what they lack: id, order, position."""
    rows = connection.execute(_LEFT, (_STEP,)).fetchall()
    events = {row[0]: _event(row[1:], id=uuid4().hex, sequence=row[0]) for row in rows}
    connection.executemany(
        "UPDATE event SET id = ?, sequence = ?, position = ? WHERE number = ?",
        ((event.id, event.sequence, _plain(event.position), number) for number, event in events.items()),
    )
    _apply(connection, list(events.values()), ())


def after(connection: sqlite3.Connection, number: int, *, limit: int) -> list[tuple[int, Event]]:
    """Return the next events behind a number, in the order they were written, each with its own number."""
    rows = connection.execute(
        f"SELECT number, {_QUOTED} FROM event WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
    )
    return [(row[0], _event(row[1:])) for row in rows]


def read(connection: sqlite3.Connection, table: str, conditions: Mapping[str, str]) -> list[Bucket]:
    """Return the rows of `bucket` or `total` that meet all conditions (SQL, with the value of its one parameter)."""
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(f"SELECT {_KEY}, counters FROM {table} {where}", tuple(conditions.values())).fetchall()
    # One call: a reader of JSON remembers the names that it has seen.
    all_counters = json.loads(f"[{','.join(row[-1] for row in rows)}]")
    return [Bucket(Key(*row[:-1]), Counter(counters)) for row, counters in zip(rows, all_counters, strict=True)]


def forget(connection: sqlite3.Connection, *, now: float) -> None:
    """Delete some events that are too old or too many, the oldest first, and states that have nothing more to come.

    The last event stays whatever its age, since numbers go on from it; so does what a team's service is still to get,
    as a clock that jumps makes events old in a moment.
    """
    not_last = "number < (SELECT max(number) FROM event)"
    is_sent = "number <= coalesce((SELECT max(number) FROM sent), number)"
    old = f"SELECT number FROM event WHERE at < ? AND {not_last} AND {is_sent} LIMIT ?"
    connection.execute(f"DELETE FROM event WHERE number IN ({old})", (now - KEEP_DAYS * 86_400, _STEP))
    if _bytes(connection) > KEEP_BYTES:
        first = f"SELECT number FROM event WHERE {not_last} ORDER BY number LIMIT ?"
        connection.execute(f"DELETE FROM event WHERE number IN ({first})", (_STEP,))
    ended = """
        SELECT rowid FROM suggestion
        WHERE at < ? AND rowid <= (SELECT max(rowid) FROM suggestion) - ? LIMIT ?
    """
    connection.execute(
        f"DELETE FROM suggestion WHERE rowid IN ({ended})", (now - STATE_DAYS * 86_400, LATEST_STATES, _STEP)
    )


def _apply(connection: sqlite3.Connection, events: Sequence[Event], seen: Collection[str]) -> Change:
    rows = _select(connection, "SELECT id, state FROM suggestion WHERE id IN ({})", sorted(suggestions_of(events)))
    change = apply(events, states={id: State.loads(state) for id, state in rows}, seen=seen)
    at = max((event.at for event in change.events), default=0.0)
    connection.executemany(_PUT_STATE, ((id, at, state.dumps()) for id, state in change.states.items()))
    for key, counters in change.counters.items():
        add(connection, "bucket", key, counters)
    for key, counters in without_position(change.counters).items():
        add(connection, "total", key, counters)
    return change


def add(connection: sqlite3.Connection, table: str, key: Key, counters: Counters) -> None:
    """Add to a row of `bucket` or `total`; one that comes to nothing is none."""
    row = connection.execute(f"SELECT counters FROM {table} WHERE {_IS_KEY}", key).fetchone()
    sums = Counter(json.loads(row[0]) if row else {})
    sums.update(counters)
    left = {name: value for name, value in sums.items() if value}
    if left:
        text = json.dumps(left, separators=(",", ":"))
        connection.execute(_PUT_SUMS.format(table=table), (*key, text))
    else:
        connection.execute(f"DELETE FROM {table} WHERE {_IS_KEY}", key)


def _select(connection: sqlite3.Connection, sql: str, values: Sequence[str]) -> Iterator[Any]:
    for start in range(0, len(values), _PARAMETERS):
        some = values[start : start + _PARAMETERS]
        yield from connection.execute(sql.format(", ".join("?" * len(some))), some).fetchall()


def _event(row: Sequence[Any], **stamp: Any) -> Event:
    """Return a row as an event. Raises ValueError for a kind or a position that there never was."""
    values = {**dict(zip(_COLUMNS, row, strict=True)), **stamp}
    position = values.pop("position")
    return Event(**{**values, "kind": Kind(values["kind"])}, position=None if position is None else Position(position))


def _plain(value: object) -> object:
    return str(value.value) if isinstance(value, Kind | Position) else value


def _bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
