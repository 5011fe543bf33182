"""A database of the first version, brought up to date: what it had counted is counted."""

import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codecompose_ls.telemetry import database, entries
from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.database import MIGRATIONS, connect
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.metrics import breakdown, metrics
from codecompose_ls.telemetry.store import Store
from codecompose_ls.telemetry.summary import export, summary
from tests.sessions import session
from tests.unit.telemetry.known import Session
from tests.unit.telemetry.test_truth import ACTIONS, Truth, check
from tests.unit.telemetry.typist import Typist

COLUMNS = (
    "kind", "language", "model", "suggestion", "source", "trigger", "latency_ms", "reason", "characters", "after_s",
    "similarity",
)  # fmt: skip
#: The first version said only of requests where the cursor was.
REQUESTS = (Kind.GENERATED, Kind.CACHED, Kind.EMPTY, Kind.FILTERED, Kind.CANCELLED, Kind.FAILED)


def first_version(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE migration (name TEXT PRIMARY KEY)")
    database.m001_event(connection)
    connection.execute("INSERT INTO migration VALUES ('m001_event')")
    return connection


def write(connection: sqlite3.Connection, at: float, event: Event) -> None:
    """Write an event as the first version did."""
    values: dict[str, Any] = {name: getattr(event, name) for name in COLUMNS}
    values |= {"at": at, "kind": event.kind.value}
    values["position"] = event.position.value if event.position and event.kind in REQUESTS else None
    names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO event ({names}) VALUES ({marks})", tuple(values.values()))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 100)), min_size=10, max_size=60), st.booleans())
def test_an_old_database_says_the_truth(actions: list[tuple[str, int]], tells: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "_STEP", 7)
        path, here = Path(folder) / "telemetry.sqlite3", Session("", "", "python")
        with closing(first_version(path)) as connection:
            typist = Typist(
                here,
                lambda event: write(connection, here.clock + typist.now, event),
                tells=tells,
                commands=True,
                words_first=False,
            )
            for action, number in actions:
                typist.do(action, number)
            typist.close()
        for one in typist.all:
            one.decision_ms = None
        found, truth = buckets(path), Truth([typist])
        check(metrics(found), truth)
        for by in ("day", "language", "position"):
            rows = breakdown(found, by=by)
            assert rows.keys() == truth.values(by)
            for value, row in rows.items():
                check(row, truth.where(by, value), typing=by != "position")
        assert len({event["id"] for event in export(path)}) == len(list(export(path)))


def test_what_an_old_server_writes_beside_a_new_one_is_counted_when_the_file_is_opened_next(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    with closing(first_version(path)) as old:
        write(old, 1e9, Event(Kind.GENERATED, suggestion="a", position=Position.MID_LINE))
        store = Store(path, report=pytest.fail, now=lambda: 1e9)
        store.record(Event(Kind.TYPED, characters=3))
        store.close(timeout_s=60)
        write(old, 1e9, Event(Kind.SHOWN, suggestion="a"))
        write(old, 1e9, Event(Kind.ACCEPTED, suggestion="a", characters=5))
    for _ in range(2):
        figures = summary(path)
        assert (figures.requested, figures.shown, figures.accepted) == (1, 1, 1)
        assert (figures.accepted_characters, figures.typed_characters) == (5, 3)
    assert breakdown(buckets(path), by="position").keys() == {"mid-line"}


def test_files_give_pages_back_that_fall_free_but_old_ones_only_after_a_purge(tmp_path: Path) -> None:
    old, new = tmp_path / "old.sqlite3", tmp_path / "new.sqlite3"
    first_version(old).close()
    for path, mode in ((old, 0), (new, 2)):
        with closing(connect(path)) as connection:
            assert connection.execute("PRAGMA auto_vacuum").fetchone() == (mode,)
    database.purge(old)
    with closing(connect(old)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_sums_of_before_are_added_up_over_positions(tmp_path: Path) -> None:
    path, said = tmp_path / "telemetry.sqlite3", session(random.Random(1), suggestions=20)
    with closing(connect(path)) as connection:
        with database.Transaction(connection):
            entries.enter(connection, said)
        before = buckets(path, tell_positions=False)
        connection.execute("DROP TABLE total")
        connection.execute("DELETE FROM migration WHERE name = 'm005_total'")
    after = buckets(path, tell_positions=False)
    assert after == before and len(after) < len(buckets(path))


# The list of migrations.


def count(path: Path, characters: int) -> None:
    store = Store(path, report=pytest.fail, now=lambda: 1e9)
    store.record(Event(Kind.TYPED, "python", characters=characters))
    store.close(timeout_s=60)


def test_migrations_are_numbered_in_their_order() -> None:
    assert [name[:5] for name in MIGRATIONS] == [f"m{number:03}_" for number in range(1, len(MIGRATIONS) + 1)]


def test_a_migration_is_applied_once_and_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "telemetry.sqlite3"
    count(path, 3)

    def m999_colour(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE event ADD COLUMN colour TEXT DEFAULT 'red'")

    monkeypatch.setitem(MIGRATIONS, "m999_colour", m999_colour)
    for _ in range(2):
        connect(path).close()
    assert [event["colour"] for event in export(path)] == ["red"]


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "telemetry.sqlite3"
    count(path, 3)

    def m999_half(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE event ADD COLUMN colour TEXT")
        connection.execute("ALTER TABLE nothing ADD COLUMN colour TEXT")

    with monkeypatch.context() as patch:
        patch.setitem(MIGRATIONS, "m999_half", m999_half)
        with pytest.raises(sqlite3.OperationalError):
            connect(path)
    (event,) = export(path)
    assert (event["kind"], event["characters"]) == ("typed", 3)
    assert "colour" not in event


def test_a_file_of_a_later_version_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO migration VALUES ('m002_of_tomorrow')")
        connection.execute("ALTER TABLE event ADD COLUMN tomorrow TEXT")
    count(path, 3)
    assert summary(path).typed_characters == 3
