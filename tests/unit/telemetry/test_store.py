"""Events on their way to the disk: complete, private, and no trouble to anyone."""

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from codecompose_ls.telemetry import database
from codecompose_ls.telemetry.database import connect, purge
from codecompose_ls.telemetry.entries import KEEP_DAYS
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.store import Store
from codecompose_ls.telemetry.summary import export, summary
from codecompose_ls.telemetry.wire import from_json
from tests.unit.telemetry.editor import Editor

DAY = 86_400


def typed(characters: int) -> Event:
    return Event(Kind.TYPED, "python", characters=characters)


def write(path: Path, *events: Event, now: float = 1e9) -> None:
    store = Store(path, report=pytest.fail, now=lambda: now)
    for event in events:
        store.record(event)
    store.close(timeout_s=60)


class Reports(list[str]):
    """The lines reported, and a way to wait for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.Event()

    def __call__(self, line: str) -> None:
        self.append(line)
        self.first.set()


def test_an_event_comes_back_as_it_was_but_for_its_id(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "telemetry.sqlite3"
    event = Event(
        Kind.CACHED,
        "python",
        "base",
        suggestion="one",
        source="cache",
        trigger="automatic",
        position=Position.MID_LINE,
        latency_ms=1.5,
        characters=7,
    )
    write(path, event, event)
    first, second = export(path)
    assert len(first.pop("suggestion")) == 24
    assert len({first.pop("id"), second["id"]}) == 2
    assert first == {
        "at": 1e9,
        "kind": "cached",
        "language": "python",
        "model": "base",
        "source": "cache",
        "trigger": "automatic",
        "position": "mid-line",
        "latency_ms": 1.5,
        "characters": 7,
        "sequence": 0,
    }
    assert second["sequence"] == 1


def test_ids_of_two_servers_never_meet(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    for _ in range(2):
        write(path, Event(Kind.SHOWN, suggestion="1"), Event(Kind.ACCEPTED, suggestion="1", characters=3))
    assert (summary(path).accepted, summary(path).accepted_characters) == (2, 6)
    assert len({event["suggestion"] for event in export(path)}) == 2


def test_neither_code_nor_paths_reach_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    store = Store(path, report=pytest.fail)
    editor = Editor("hidden_before = ", record=store.record)
    editor.ask("hidden_suggestion(1)", id="hidden_id")
    editor.put("hidden_suggestion(1)")
    editor.wait(60)
    editor.type("hidden_typed")
    editor.life.dismissed("hidden_id", "hidden_reason")
    editor.life.close()
    store.close(timeout_s=60)
    assert summary(path).accepted == 1
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"hidden" not in content
    assert b"app.py" not in content and b"project" not in content


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    write(path, typed(1))
    assert path.stat().st_mode & 0o077 == 0


def test_text_that_no_encoding_can_carry_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    odd = "\ud800" * 200
    write(path, Event(Kind.EMPTY, odd, odd), Event(Kind.SHOWN, suggestion=odd), Event(Kind.ASSISTED, source=odd))
    assert summary(path).requested == 1
    assert [from_json(event).kind for event in export(path)] == [Kind.EMPTY, Kind.SHOWN, Kind.ASSISTED]


def test_events_are_kept_for_ninety_days_and_sums_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    write(path, typed(1), now=0)
    write(path, typed(2), now=KEEP_DAYS * DAY)
    assert [event["characters"] for event in export(path)] == [1, 2]
    write(path, typed(4), now=KEEP_DAYS * DAY + 1)
    assert [event["characters"] for event in export(path)] == [2, 4]
    assert summary(path).typed_characters == 7


# Trouble.


def test_a_damaged_file_is_reported_once_and_purge_mends_it(tmp_path: Path) -> None:
    path, reports = tmp_path / "telemetry.sqlite3", Reports()
    path.write_bytes(b"not a database, but long enough to be taken for one by its size alone" * 10)
    store = Store(path, report=reports)
    for _ in range(3):
        store.record(typed(1))
        assert reports.first.wait(60)
    store.close(timeout_s=60)
    (line,) = reports
    assert line.startswith("suggestions are not counted:") and "purge" in line and "\n" not in line
    assert purge(path) is None
    write(path, typed(1))
    assert summary(path).typed_characters == 1


def test_a_folder_that_cannot_be_made_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    reports = Reports()
    store = Store(tmp_path / "file" / "telemetry.sqlite3", report=reports)
    store.record(typed(1))
    assert reports.first.wait(60)
    store.record(typed(1))
    store.close(timeout_s=60)
    assert len(reports) == 1


def test_a_full_disk_is_reported_and_costs_the_events_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reports = tmp_path / "telemetry.sqlite3", Reports()
    write(path, typed(1))

    def full(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr("codecompose_ls.telemetry.store.connect", full)
    store = Store(path, report=reports, now=lambda: 1e9)
    for _ in range(1000):
        store.record(Event(Kind.SHOWN, "python", "a model with a long name" * 10, suggestion="one"))
    store.close(timeout_s=60)
    assert len(reports) == 1 and "full" in reports[0]
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert summary(path).typed_characters == 1


def test_what_waits_for_a_locked_file_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.01)
    path, reports = tmp_path / "telemetry.sqlite3", Reports()
    store = Store(path, report=reports)
    with closing(connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.record(typed(1))
        assert reports.first.wait(60)
        other.execute("COMMIT")
    store.record(typed(2))
    store.close(timeout_s=60)
    assert summary(path).typed_characters == 3
    assert len(reports) == 1 and "locked" in reports[0]


def test_closing_does_not_wait_for_a_file_that_stays_locked(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    with closing(connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store = Store(path, report=lambda line: None)
        store.record(typed(1))
        store.close(timeout_s=0)


def test_sums_that_make_no_sense_are_reported_once_and_cost_no_more_than_their_events(tmp_path: Path) -> None:
    path, reports = tmp_path / "telemetry.sqlite3", Reports()
    write(path, typed(1))
    with closing(connect(path)) as connection:
        connection.execute("UPDATE bucket SET counters = '{'")
    store = Store(path, report=reports, now=lambda: 1e9)
    store.record(typed(2))
    assert reports.first.wait(60)
    store.record(Event(Kind.EMPTY, "go"))
    store.close(timeout_s=60)
    (line,) = reports
    assert "purge" in line
    assert [event["kind"] for event in export(path)] == ["typed", "empty"]


def test_a_listener_hears_every_event_as_it_is_stored(tmp_path: Path) -> None:
    path, heard = tmp_path / "telemetry.sqlite3", list[Event]()
    store = Store(path, report=pytest.fail, now=lambda: 1e9, tell=heard.append)
    for number in range(3):
        store.record(Event(Kind.SHOWN, "python", suggestion=str(number)))
    store.close(timeout_s=60)
    assert [from_json(event) for event in export(path)] == heard


def test_figures_are_read_while_somebody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0)
    path = tmp_path / "telemetry.sqlite3"
    write(path, typed(3))
    with closing(connect(path)) as other, database.Transaction(other):
        other.execute("DELETE FROM bucket")
        assert summary(path).typed_characters == 3
        assert len(list(export(path))) == 1


# Several processes.

WRITER = """
import sys
from pathlib import Path
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.store import Store

store = Store(Path(sys.argv[1]), report=lambda line: print(line, file=sys.stderr))
for number, line in enumerate(sys.stdin):
    for step in range(20):
        store.record(Event(Kind.TYPED, "python", characters=20 * number + step))
    print("recorded", flush=True)
store.close(timeout_s=60)
"""


def start(path: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", WRITER, str(path)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)


def go_on(writer: subprocess.Popen[str], rounds: int = 1) -> None:
    assert writer.stdin is not None and writer.stdout is not None
    for _ in range(rounds):
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "recorded\n"


def test_servers_that_start_at_once_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    writers = [start(path) for _ in range(3)]
    for _ in range(10):
        for writer in writers:
            go_on(writer)
    for writer in writers:
        assert writer.communicate() == ("", "")
    numbers = [event["characters"] for event in export(path)]
    assert sorted(numbers) == sorted([*range(200)] * 3)


def test_a_process_that_opens_the_file_twice_keeps_its_hold_on_it(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    with closing(connect(path)) as first:
        connect(path).close()
        leave = "import sys; from pathlib import Path; from codecompose_ls.telemetry.database import connect; "
        leave += "connect(Path(sys.argv[1])).close()"
        subprocess.run([sys.executable, "-c", leave, path], check=True)
        first.execute("INSERT INTO sent VALUES ('one', 1)")
        with closing(connect(path)) as second:
            assert second.execute("SELECT url FROM sent").fetchall() == [("one",)]


def test_a_killed_server_loses_what_it_had_not_written_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    writer = start(path)
    for _ in range(10):
        go_on(writer, 10)
        written = [event["characters"] for event in export(path)]
        assert written == [*range(len(written))]
    go_on(writer)
    writer.kill()
    writer.communicate()
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    survived = [event["characters"] for event in export(path)]
    assert survived == [*range(len(survived))] and len(survived) >= len(written)
    assert summary(path).typed_characters == sum(survived)
    write(path, typed(1), now=1e10)


def test_purge_forgets_everything_while_servers_run(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    writer = start(path)
    write(path, typed(1), typed(2))
    before = len(json.dumps(list(export(path))))
    assert before and purge(path) == 2
    assert list(export(path)) == []
    go_on(writer)
    assert writer.communicate() == ("", "")
    assert len(list(export(path))) == 20
