"""Entries: enters a person's events into the team's database by the ledger's arithmetic, forgets the oldest, and erases
a person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, insert, select, tuple_

from codecompose_ls.service.team.closing import keep_open, reopen
from codecompose_ls.service.team.database import bucket, events, feedback, lock, now, person, session, suggestion, total
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.ledger import Change, Counters, Key, State, apply, suggestions_of, without_position

#: Events are kept for so long since they came, and states of suggestions; sums are kept for ever.
KEEP_DAYS, STATE_DAYS = 90, 45

_COLUMNS = tuple(item.name for item in fields(Event))


def enter(engine: Engine, user: str, said: Sequence[Event]) -> Change:
    """Enter a person's events; returns what changed once that is on disk. What is there already changes nothing.

    Raises sqlalchemy.exc.SQLAlchemyError; then nothing has been entered.
    """
    owned = [replace(_storable(event), user=user) for event in said]
    with engine.begin() as connection:
        keep_open(connection)
        lock(connection, user)
        ids = [event.id for event in owned]
        seen = connection.scalars(select(events.c.id).where(events.c.user == user, events.c.id.in_(ids)))
        change = apply(owned, states=_states(connection, user, suggestions_of(owned)), seen=set(seen))
        received = now()
        if change.events:
            connection.execute(insert(events), [{**_row(event), "received": received} for event in change.events])
        _put_states(connection, user, change.states, received)
        _add(connection, bucket, user, change.counters)
        _add(connection, total, user, without_position(change.counters))
        reopen(connection, {key.day for key in change.counters})
    return change


def forget(engine: Engine, *, at: float) -> None:
    """Delete what is too old to be asked for again; `at` is Unix time."""
    with engine.begin() as connection:
        connection.execute(delete(events).where(events.c.received < at - KEEP_DAYS * 86_400))
        connection.execute(delete(suggestion).where(suggestion.c.received < at - STATE_DAYS * 86_400))
        connection.execute(delete(session).where(session.c.until < at))


def erase(engine: Engine, user: str) -> int:
    """Delete all that is there of a person, figures included; return how many events and comments that was."""
    with engine.begin() as connection:
        keep_open(connection)
        lock(connection, user)
        days = connection.scalars(select(total.c.day).where(total.c.user == user).distinct()).all()
        count = sum(
            connection.execute(delete(table).where(table.c.user == user)).rowcount for table in (events, feedback)
        )
        for table in (suggestion, bucket, total):
            connection.execute(delete(table).where(table.c.user == user))
        connection.execute(delete(person).where(person.c.id == user))
        reopen(connection, days)
    return count


def _states(connection: Connection, user: str, ids: Iterable[str]) -> dict[str, State]:
    wanted = select(suggestion.c.id, suggestion.c.state).where(
        suggestion.c.user == user, suggestion.c.id.in_(sorted(ids))
    )
    return {id: State.loads(state) for id, state in connection.execute(wanted)}


def _put_states(connection: Connection, user: str, states: Mapping[str, State], received: float) -> None:
    if not states:
        return
    connection.execute(delete(suggestion).where(suggestion.c.user == user, suggestion.c.id.in_(list(states))))
    rows = [{"user": user, "id": id, "received": received, "state": state.dumps()} for id, state in states.items()]
    connection.execute(insert(suggestion), rows)


def _add(connection: Connection, table: Table, user: str, changes: Mapping[Key, Counters]) -> None:
    """Add to rows of `bucket` or `total`; one that comes to nothing is none."""
    if not changes:
        return
    key = [table.c[name] for name in Key._fields]
    days = {key.day for key in changes}
    there = connection.execute(select(*key, table.c.counters).where(table.c.user == user, table.c.day.in_(days)))
    before = {Key(*row[:-1]): row[-1] for row in there}
    rows = []
    for changed, counters in changes.items():
        sums = Counter(json.loads(before.get(changed, "{}")))
        sums.update(counters)
        if left := {name: value for name, value in sums.items() if value}:
            rows.append({**changed._asdict(), "counters": json.dumps(left, separators=(",", ":"))})
    if gone := [tuple(changed) for changed in changes if changed in before]:
        connection.execute(delete(table).where(tuple_(*key).in_(gone)))
    if rows:
        connection.execute(insert(table), rows)


def _storable(event: Event) -> Event:
    """Return an event as PostgreSQL can hold it: its texts have no NUL."""
    changes: dict[str, Any] = {}
    for name in _COLUMNS:
        value = getattr(event, name)
        if type(value) is str and "\0" in value:
            changes[name] = value.replace("\0", "\ufffd")
    return replace(event, **changes) if changes else event


def _row(event: Event) -> dict[str, Any]:
    values = ((name, getattr(event, name)) for name in _COLUMNS)
    return {name: value.value if isinstance(value, Kind | Position) else value for name, value in values}
