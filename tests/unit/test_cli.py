"""The command line: help of every command, bad input in one line, and the commands that need no model."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from codecompose_ls import __version__
from codecompose_ls.cli import COMMANDS, main
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.store import Store

#: Nothing but the standard library; `pretrain` must start where the server's dependencies are not installed.
THIRD_PARTY = """
    torch transformers peft pygls lsprotocol onnx onnxruntime numpy safetensors tokenizers libcst pathspec cachetools
    platformdirs rapidfuzz rich tree_sitter
"""

WITHOUT = """
import sys
for name in sys.argv[1].split():
    sys.modules[name] = None
from codecompose_ls.cli import main
sys.exit(main(sys.argv[2:]))
"""


def run_without(modules: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a Python that lacks these modules."""
    command = [sys.executable, "-c", WITHOUT, modules, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def one_line(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """Run a command that must refuse its input, and return what it says."""
    try:
        status = main(arguments)
    except SystemExit as exit:
        status = exit.code  # type: ignore[assignment]
    out, error = capsys.readouterr()
    assert (status, out) == (2, "")
    (line,) = error.splitlines()
    assert line.startswith("codecompose-ls")
    return line


# Help.


@pytest.mark.parametrize("name", COMMANDS)
def test_help_needs_no_extra_and_shows_an_example(name: str) -> None:
    answer = run_without("torch transformers peft sklearn scipy sacrebleu matplotlib fastapi", name, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    words = " ".join(answer.stdout.split())
    assert f"usage: codecompose-ls {name}" in words
    assert f"example: codecompose-ls {name}" in words


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    assert COMMANDS[name] == import_module(f"codecompose_ls.cli.{name}").HELP


def test_pretrain_starts_with_nothing_but_python() -> None:
    answer = run_without(THIRD_PARTY, "pretrain", "--help")
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    overview = capsys.readouterr().out
    assert all(f"  {name} " in overview for name in COMMANDS)
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    assert exit.value.code == 0
    assert capsys.readouterr().out == overview


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("frobnicate", "invalid choice: 'frobnicate'"),
        ("--frobnicate", "unrecognized arguments: --frobnicate"),
        ("telemetry", "ACTION"),
        ("telemetry frobnicate", "invalid choice: 'frobnicate'"),
        ("telemetry summary --frobnicate", "unrecognized arguments: --frobnicate"),
        ("lsp --tcp nowhere", "HOST:PORT"),
        ("lsp --tcp localhost:99999", "HOST:PORT"),
        ("complete", "FILE:LINE:COL"),
        ("complete code.py", "FILE:LINE:COL"),
        ("complete code.py:x:1", "FILE:LINE:COL"),
        ("complete missing.py:1:1", "missing.py: no such file"),
        ("complete code.py:0:1", ""),
        ("complete code.py:99:1", "code.py:99: the file has lines 1 to"),
        ("complete code.py:1:99", "code.py:1:99: the line has columns 1 to"),
        ("complete notes.txt:1:1", "not a source file"),
        ("complete .env.py:1:1", "looks like a secret"),
        ("complete latin.py:1:1", "latin.py"),
        ("demo missing.py", "missing.py"),
        ("demo notes.txt", "not a source file"),
        ("demo code.py --from 99", "--from 99"),
        ("demo code.py --lines none", "--lines"),
        ("bench everything", "invalid choice: 'everything'"),
        ("evaluate", "folder"),
        ("evaluate missing", "missing"),
        ("evaluate . --cases 0", "--cases"),
        ("pretrain", "FOLDER"),
        ("pretrain missing --output run --minutes 1", "missing"),
        ("pretrain .", "--output"),
        ("pretrain . --output run", "--minutes"),
    ],
)
def test_bad_input_gets_one_line(
    arguments: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / ".env.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text("x\n")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    monkeypatch.chdir(tmp_path)
    assert said in one_line(capsys, arguments.split())


def test_a_missing_dependency_is_named() -> None:
    answer = run_without("pygls", "lsp")
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line == "codecompose-ls: lsp needs pygls, which is not installed: pip install codecompose-ls"


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    source = Path(__file__).parent
    answer = run_without("torch", "pretrain", str(source), "--output", str(tmp_path / "run"), "--minutes", "1")
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].endswith("pip install 'codecompose-ls[tune]'")
    assert "Traceback" not in answer.stderr


def test_an_interrupted_command_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("codecompose_ls.cli.telemetry.run", interrupted)
    assert main(["telemetry", "summary"]) == 130
    assert capsys.readouterr() == ("", "")


# Telemetry.


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path))
    return tmp_path / "telemetry.sqlite3"


def fill(database: Path) -> None:
    store = Store(database, report=pytest.fail)
    store.record(Event(Kind.GENERATED, "python", "base", suggestion="1", source="engine", latency_ms=30.0))
    store.record(Event(Kind.FILTERED, "python", reason="repetition"))
    store.record(Event(Kind.SHOWN, "python", "base", suggestion="1"))
    store.record(Event(Kind.ACCEPTED, "python", "base", suggestion="1", characters=10))
    store.record(Event(Kind.RETAINED, suggestion="1", after_s=30, similarity=0.5, characters=5))
    store.record(Event(Kind.TYPED, "python", characters=30))
    store.close(timeout_s=60)


def test_telemetry_of_nothing_is_zero(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["telemetry", "summary", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["requested"], figures["shown"], figures["accepted"]) == (0, 0, 0)
    assert main(["telemetry", "export"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["telemetry", "purge"]) == 0
    assert capsys.readouterr().out == "0 events deleted\n"
    assert not database.exists()


def test_telemetry_summary_as_json(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database)
    assert main(["telemetry", "summary", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {
        "requested": 2,
        "generated": 1,
        "filtered": 1,
        "filtered_by": {"repetition": 1},
        "shown": 1,
        "accepted": 1,
        "acceptance_rate": 1.0,
        "percent_code_typed": 0.25,
        "keystrokes_saved": 9,
        "characters_retained": 5,
        "retained": {
            "30": {
                "suggestions": 1,
                "edit_similarity": 0.5,
                "characters": 5,
                "accepted_characters": 10,
                "mostly_unchanged": 0,
            }
        },
    }.items() <= figures.items()
    assert figures["latency_ms"]["engine"]["p50"] == pytest.approx(30, rel=0.05)


def test_telemetry_summary_for_people(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database)
    assert main(["telemetry", "summary"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {
        "requested 2", "percent_code_typed 0.25", "filtered_by repetition 1",
        "retained 30 suggestions 1, edit_similarity 0.5, characters 5, accepted_characters 10, mostly_unchanged 0",
    } <= set(lines)  # fmt: skip


def test_telemetry_export_and_purge(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database)
    assert main(["telemetry", "export"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["kind"] for event in events] == ["generated", "filtered", "shown", "accepted", "retained", "typed"]
    assert main(["telemetry", "purge"]) == 0
    assert capsys.readouterr().out == "6 events deleted\n"
    assert main(["telemetry", "export"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("action", ["summary", "export"])
def test_a_damaged_database_gets_one_line_and_purge_mends_it(
    database: Path, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database.write_bytes(b"this was a database once upon a time, before the disk went bad" * 20)
    assert "purge" in one_line(capsys, ["telemetry", action])
    assert main(["telemetry", "purge"]) == 0
    assert main(["telemetry", "summary"]) == 0


def test_a_reader_that_leaves_is_no_error(database: Path) -> None:
    store = Store(database, report=pytest.fail)
    for _ in range(2000):
        store.record(Event(Kind.TYPED, "python", characters=1))
    store.close(timeout_s=60)
    for arguments in (["telemetry", "summary"], ["telemetry", "export"]):
        command = [sys.executable, "-m", "codecompose_ls", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0


def test_too_little_memory_costs_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted() -> None:
        raise MemoryError

    monkeypatch.setattr("codecompose_ls.models.registry.entries", exhausted)
    assert "not enough memory" in one_line(capsys, ["models", "list"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_costs_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "codecompose_ls", "models", "list", "--json"]
        answer = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line == "codecompose-ls: No space left on device; mend that and try again"


def test_a_path_that_the_terminal_cannot_write_is_printed_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "größe").mkdir()
    command = [sys.executable, "-m", "codecompose_ls", "models", "promote", "base", "--workspace", "größe"]
    environment = os.environ | {"CODECOMPOSE_DATA": str(tmp_path / "data"), "PYTHONIOENCODING": "ascii"}
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert r"gr\xf6\xdfe" in answer.stdout
