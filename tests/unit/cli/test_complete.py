"""`complete FILE:LINE:COL` answers for a cursor, or says in one line what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codecompose_ls.cli import main


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "größe.py").write_bytes("import sys\r\n\r\nname = 'ü'; print(\r\n".encode())
    return tmp_path


def test_json_says_what_would_be_inserted_and_where(
    project: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["complete", f"{project}/src/größe.py:3:19", "--model", str(tiny), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"text", "offset", "end", "model", "confidence", "reason", "latency_ms", "stages"}
    if found["text"] is not None:
        # Lines of 12, 2 and 18 characters before the cursor, line breaks of two characters included.
        assert found["offset"] == 12 + 2 + 18


def test_text_is_the_suggestion_alone(project: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"{project}/src/größe.py:3:19"
    main(["complete", where, "--model", str(tiny), "--json"])
    text = json.loads(capsys.readouterr().out)["text"]
    assert main(["complete", where, "--model", str(tiny)]) == 0
    printed = capsys.readouterr()
    assert printed.out == (f"{text}\n" if text is not None else "")
    assert bool(printed.err) == (text is None)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("src/größe.py", "say FILE:LINE:COL"),
        ("src/größe.py:3", "say FILE:LINE:COL"),
        ("src/missing.py:1:1", "no such file"),
        ("src:1:1", "is a folder, not a file"),
        ("src/größe.py:5:1", "the file has lines 1 to 4"),
        ("src/größe.py:0:1", "the file has lines 1 to 4"),
        ("src/größe.py:3:20", "the line has columns 1 to 19"),
        ("notes.txt:1:1", "not a source file of a language we know"),
        (".env:1:1", "looks like a secret (.env)"),
        ("ignored.py:1:1", "ignored by .gitignore"),
        ("latin.py:1:1", "not UTF-8"),
        ("binary.py:1:1", "binary"),
    ],
)
def test_bad_input_gets_one_clear_line(
    project: Path, where: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".gitignore").write_text("ignored.py\n")
    for name, content in {
        "notes.txt": b"x",
        ".env": b"A=1",
        "ignored.py": b"x",
        "latin.py": b"\xe9",
        "binary.py": b"\0",
    }.items():
        (project / name).write_bytes(content)
    assert main(["complete", f"{project}/{where}"]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_a_model_that_is_not_there_is_said_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", f"{project}/src/größe.py:1:1", "--model", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
