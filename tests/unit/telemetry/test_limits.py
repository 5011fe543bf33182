"""How much is kept and for how long: the oldest events go, the figures stay, and nobody waits."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from codecompose_ls.telemetry import database, entries
from codecompose_ls.telemetry.database import Transaction, connect, shrink
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.summary import export, summary

DAY = 86_400


def shown(number: int, *, at: float = 1e9) -> Event:
    """An event of a suggestion of its own."""
    return Event(Kind.SHOWN, "python", suggestion=f"{number:024x}", id=f"{number:032x}", at=at, sequence=number)


def fill(path: Path, numbers: range, *, at: float = 1e9) -> None:
    with closing(connect(path)) as connection, Transaction(connection):
        entries.enter(connection, [shown(number, at=at) for number in numbers])


def forget(path: Path, *, now: float, times: int = 1) -> None:
    with closing(connect(path)) as connection:
        for _ in range(times):
            with Transaction(connection):
                entries.forget(connection, now=now)
            shrink(connection)


def test_a_file_that_is_too_large_loses_its_oldest_events_and_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "telemetry.sqlite3"
    fill(path, range(2_000))
    monkeypatch.setattr(entries, "KEEP_BYTES", path.stat().st_size - 50_000)
    monkeypatch.setattr(entries, "_STEP", 100)
    forget(path, now=1e9, times=50)
    left = [event["sequence"] for event in export(path)]
    assert 1_000 < len(left) < 2_000
    assert left == [*range(2_000 - len(left), 2_000)]
    assert summary(path).shown == 2_000


def test_old_events_go_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "telemetry.sqlite3"
    monkeypatch.setattr(entries, "_STEP", 10)
    fill(path, range(25))
    now = 1e9 + (entries.KEEP_DAYS + 1) * DAY
    for left in (15, 5, 1, 1):
        forget(path, now=now)
        assert len(list(export(path))) == left
    assert summary(path).shown == 25
    # Numbers go on where they were, for whoever reads in portions.
    fill(path, range(25, 26))
    with closing(connect(path)) as connection:
        assert [number for number, _ in entries.after(connection, 25, limit=9)] == [26]


def test_pages_that_fall_free_are_given_back_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "telemetry.sqlite3"
    monkeypatch.setattr(database, "_FEW_PAGES", 8)
    fill(path, range(3_000))
    with closing(connect(path)) as connection:
        connection.execute("DELETE FROM event")
        before, free = pages(connection, "page_count"), pages(connection, "freelist_count")
        shrink(connection)
        assert pages(connection, "page_count") == before - 8
        for _ in range(free):
            shrink(connection)
        assert pages(connection, "freelist_count") <= max(8, pages(connection, "page_count") // 10)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def pages(connection: sqlite3.Connection, which: str) -> int:
    return int(connection.execute(f"PRAGMA {which}").fetchone()[0])


def test_a_suggestion_is_remembered_as_long_as_more_can_become_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "telemetry.sqlite3"
    monkeypatch.setattr(entries, "LATEST_STATES", 5)
    fill(path, range(20))
    # A clock that is years ahead for a moment makes it forget none of the latest.
    forget(path, now=1e9 + 1000 * DAY)
    accepted = [
        Event(Kind.ACCEPTED, "python", suggestion=f"{number:024x}", characters=9, id=f"{100 + number:032x}", at=1e9)
        for number in range(15, 20)
    ]
    with closing(connect(path)) as connection, Transaction(connection):
        assert connection.execute("SELECT count(*) FROM suggestion").fetchone() == (5,)
        entries.enter(connection, accepted)
    assert (summary(path).shown, summary(path).accepted) == (20, 5)


def test_an_event_that_is_in_the_file_is_entered_once(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    for _ in range(2):
        fill(path, range(600))
    assert summary(path).shown == len(list(export(path))) == 600


def test_events_are_read_in_portions_and_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    fill(path, range(5))
    with closing(connect(path)) as connection:
        first = entries.after(connection, 0, limit=3)
        rest = entries.after(connection, first[-1][0], limit=3)
    assert [event for _, event in first + rest] == [shown(number) for number in range(5)]
    assert [number for number, _ in first + rest] == [1, 2, 3, 4, 5]
