"""`codecompose-ls telemetry`: rows, days, and switching it off."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from codecompose_ls.cli import main
from codecompose_ls.telemetry.database import connect
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.feedback import Feedback, keep
from codecompose_ls.telemetry.store import Store

DAY = 86_400


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two suggestions in Python, one of them accepted, on one day, and one in Go ten days later."""
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path))
    monkeypatch.setenv("CODECOMPOSE_CONFIG", str(tmp_path / "settings.toml"))
    path = tmp_path / "telemetry.sqlite3"
    events = [
        (1e9, Event(Kind.GENERATED, "python", suggestion="1", source="engine", latency_ms=30.0)),
        (1e9, Event(Kind.SHOWN, "python", suggestion="1")),
        (1e9, Event(Kind.ACCEPTED, "python", suggestion="1", characters=9, decision_ms=500.0)),
        (1e9, Event(Kind.SHOWN, "python", suggestion="2")),
        (1e9 + 10 * DAY, Event(Kind.SHOWN, "go", suggestion="3")),
        (1e9 + 10 * DAY, Event(Kind.TYPED, "go", characters=3)),
    ]
    clock = iter([at for at, _ in events])
    store = Store(path, report=pytest.fail, now=lambda: next(clock, 1e9))
    for _, event in events:
        store.record(event)
    store.close(timeout_s=60)
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["telemetry", *arguments]) == 0
    return capsys.readouterr().out


def test_a_row_for_each_language_and_one_for_all(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, *rows = [line.split("  ") for line in said(capsys, "summary", "--by", "language").splitlines()]
    head, *rows = [[cell.strip() for cell in line if cell.strip()] for line in (head, *rows)]
    assert head == [
        "language", "requested", "coverage", "shown", "accepted", "acceptance_rate", "percent_code_typed",
        "keystrokes_saved", "95 % interval", "retained after 10 min",
    ]  # fmt: skip
    assert rows == [
        ["python", "1", "1", "2", "1", "0.5", "1", "8", "0.09-0.91", "-"],
        ["go", "0", "-", "1", "0", "0", "0", "0", "0.00-0.79", "-"],
        ["all", "1", "1", "3", "1", "0.333", "0.75", "8", "0.06-0.79", "-"],
    ]


def test_rows_as_json_stand_beside_the_figures_of_all(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = json.loads(said(capsys, "summary", "--by", "day", "--json"))
    assert (figures["requested"], figures["shown"], figures["accepted"]) == (1, 3, 1)
    assert {day: row["shown"] for day, row in figures["by"]["day"].items()} == {"2001-09-09": 2, "2001-09-19": 1}


@pytest.mark.parametrize(("since", "shown"), [("2001-09-09", 3), ("2001-09-10", 1), ("2001-09-20", 0), ("1d", 0)])
def test_since_a_day(database: Path, since: str, shown: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(said(capsys, "summary", "--json", "--since", since))["shown"] == shown


@pytest.mark.parametrize("since", ["yesterday", "30", "-1d", "9999999999y", "²d", ""])
def test_what_is_no_day_gets_one_line(database: Path, since: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["telemetry", "summary", f"--since={since}"])
    assert end.value.code == 2
    assert "is no day" in capsys.readouterr().err


def test_off_switches_the_user_s_setting_off(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "settings.toml").write_text("threads = 1\n")
    assert "telemetry = false" in said(capsys, "off")
    assert (tmp_path / "settings.toml").read_text() == "telemetry = false\nthreads = 1\n"


def test_off_says_how_where_it_cannot(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.toml").write_text("no TOML")
    assert main(["telemetry", "off"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "write the line 'telemetry = false'" in line


def test_a_newer_version_has_added_to_the_file(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(said(capsys, "summary", "--json"))
    with closing(connect(database)) as connection:
        connection.execute("INSERT INTO migration VALUES ('m999_newer')")
        for table in ("event", "bucket", "total", "suggestion", "feedback"):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN newer TEXT DEFAULT 'x'")
        connection.execute("UPDATE event SET kind = 'of a newer version'")
    assert json.loads(said(capsys, "summary", "--json")) == before
    assert len(said(capsys, "export").splitlines()) == 6
    assert main(["feedback", "list"]) == 0
    # Both go on counting in it, and what the newer one has added stays.
    store = Store(database, report=pytest.fail, now=lambda: 1e9)
    for _ in range(2):
        store.record(Event(Kind.TYPED, "python", characters=5))
    store.close(timeout_s=60)
    capsys.readouterr()
    assert json.loads(said(capsys, "summary", "--json"))["typed_characters"] == before["typed_characters"] + 10
    with closing(connect(database)) as connection:
        assert {newer for (newer,) in connection.execute("SELECT newer FROM bucket")} == {"x"}


def test_a_file_that_another_program_holds_is_not_said_to_be_damaged(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("codecompose_ls.telemetry.database._BUSY_S", 0.01)
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert main(["telemetry", "purge"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "try again" in line and "purge" not in line


def test_a_folder_in_its_place_is_not_said_to_be_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path))
    (tmp_path / "telemetry.sqlite3").mkdir()
    for arguments in (["telemetry", "summary"], ["telemetry", "export"], ["telemetry", "purge"], ["feedback", "list"]):
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "it must be a file that you may read and write" in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is there on Linux alone")
@pytest.mark.parametrize("arguments", [["telemetry", "summary"], ["telemetry", "export"], ["feedback", "export"]])
def test_a_full_disk_is_not_the_fault_of_the_database(database: Path, arguments: list[str]) -> None:
    for _ in range(4):
        keep(database, Feedback("up", "x" * 4_000))
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "codecompose_ls", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "No space left" in line and "purge" not in line


def test_a_damaged_file_is_said_to_be_deleted(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database.write_bytes(b"no database" * 1000)
    assert main(["telemetry", "summary"]) == 2
    assert "'codecompose-ls telemetry purge' deletes a damaged one" in capsys.readouterr().err
    assert "was damaged and is deleted" in said(capsys, "purge") and not database.exists()


def test_sums_that_make_no_sense_get_one_line(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE bucket SET counters = '{'")
        connection.commit()
    assert main(["telemetry", "summary"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "purge" in line
