"""`assist NAME FILE:RANGE` answers about code, prints or writes an edit, or says in one line why not."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codecompose_ls.cli import main
from tests.http_server import HANG, HttpServer, Step, event, stream
from tests.repositories import Git

SOURCE = "import os\n\n\ndef half(number: int) -> float:\n    return number / 2\n\n\ndef twice(x):\n    return 2 * x\n"
ANSWER = "Here:\n\n```python\ndef twice(x):\n    return x + x\n```\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_CONFIG", str(tmp_path / "config" / "settings.toml"))
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    git = Git(tmp_path / "project")
    git.commit({"half.py": SOURCE})
    monkeypatch.chdir(git.root)
    return git.root


class Chatty:
    """A chat server in a thread of its own; `answers` are what it says."""

    def __init__(self) -> None:
        self.server = HttpServer()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> Chatty:
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self.loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def says(self, *texts: str, last: Step | None = None) -> None:
        said: list[Step] = [event({"choices": [{"delta": {"content": text}}]}) for text in texts]
        ended: list[Step] = [event({"choices": [{"delta": {}, "finish_reason": "stop"}]}), b"data: [DONE]\n\n"]
        self.server.answers.append(stream(*said, *([last] if last else ended)))


@pytest.fixture
def chatty(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chatty]:
    with Chatty() as chatty:
        monkeypatch.setenv("CODECOMPOSE_CHAT", "openai")
        monkeypatch.setenv("CODECOMPOSE_CHAT_URL", f"{chatty.server.url}/v1")
        monkeypatch.setenv("CODECOMPOSE_CHAT_MODEL", "tiny")
        yield chatty


def test_the_assistants_are_listed_with_what_they_take(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assist"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["add-input-checks", "edit", "built-in", "for"]
    assert "needs a chat model" in next(line for line in lines if line.startswith("review"))
    assert main(["assist", "list", str(root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["assistants"]) == 10 and not found["problems"] and not found["untrusted"]
    assert {
        "name": "explain",
        "title": "Explain",
        "kind": "show",
        "origin": "built-in",
        "disabled": "",
    }.items() <= found["assistants"][4].items()


def test_analysis_needs_no_model(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assist", "explain", "half.py:5"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("### `def half(number: int) -> float`") and not printed.err


def test_an_edit_is_a_diff_until_it_is_applied(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assist", "add-docstrings", "half.py:1-9"]) == 0
    diff = capsys.readouterr().out
    assert (
        diff.startswith("--- a/half.py\n+++ b/half.py\n@@ -2,8 +2,24 @@\n") and (root / "half.py").read_text() == SOURCE
    )
    subprocess.run(["git", "apply", "--check", "-"], input=diff, text=True, cwd=root, check=True)
    assert main(["assist", "add-docstrings", "half.py:1-9", "--apply"]) == 0
    assert capsys.readouterr().out == f"wrote {root / 'half.py'}\n"
    assert (root / "half.py").read_text().count('"""') == 4
    assert main(["assist", "add-docstrings", "half.py:1-9", "--apply"]) == 2
    assert "no edit: no definition here lacks a docstring" in capsys.readouterr().err


def test_a_model_is_asked_and_its_edit_checked(root: Path, chatty: Chatty, capsys: pytest.CaptureFixture[str]) -> None:
    chatty.says(ANSWER[:20], ANSWER[20:])
    assert main(["assist", "improve", "half.py:9", "--apply"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ANSWER and printed.out == f"wrote {root / 'half.py'}\n"
    assert (root / "half.py").read_text() == SOURCE.replace("2 * x", "x + x")


def test_json_holds_all_of_it(root: Path, chatty: Chatty, capsys: pytest.CaptureFixture[str]) -> None:
    chatty.says("I'd rather not.")
    assert main(["assist", "improve", "half.py:9", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "name": "improve",
        "title": "Improve",
        "markdown": "I'd rather not.",
        "diff": "",
        "applied": False,
        "refusal": "the answer holds no code block",
        "made_by": f"tiny@{chatty.server.url.removeprefix('http://')}",
    }


def test_tests_are_written_to_a_new_file(root: Path, chatty: Chatty, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "tests").mkdir()
    chatty.says("```python\nfrom half import half\n\n\ndef test_half():\n    assert half(2) == 1\n```")
    assert main(["assist", "implement-tests", "half.py:5"]) == 0
    assert capsys.readouterr().out.startswith("--- /dev/null\n+++ b/tests/test_half.py\n@@ -0,0 +1,5 @@\n+from half")
    chatty.says("```python\ndef test_half():\n    assert True\n```")
    assert main(["assist", "implement-tests", "half.py:5", "--apply"]) == 0
    assert (root / "tests" / "test_half.py").read_text() == "def test_half():\n    assert True\n"


def test_the_changes_and_a_reported_problem_can_be_asked_about(root: Path, chatty: Chatty) -> None:
    (root / "half.py").write_text(SOURCE.replace("2 * x", "3 * x"))
    chatty.says("Thrice.")
    assert main(["assist", "document-pull-request"]) == 0
    chatty.says("no")
    assert main(["assist", "fix-diagnostic", "half.py:9", "--problem", "x is unknown"]) == 2
    changes, problem = (asked.body["messages"][0]["content"] for asked in chatty.server.asked)
    assert "+    return 3 * x" in changes and "- line 9, at `return 3 * x`: x is unknown" in problem


def test_a_range_may_have_columns(root: Path, chatty: Chatty) -> None:
    chatty.says("ok")
    assert main(["assist", "explain", "half.py:5:5-5:11", "--say", "Be brief."]) == 0
    (asked,) = chatty.server.asked
    prompt = asked.body["messages"][0]["content"]
    assert "    return number / 2" in prompt and "\n\nBe brief.\n\n" in prompt


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain"], ".: say FILE:RANGE"),
        (["explain", "half.py"], "say FILE:RANGE"),
        (["explain", "half.py:0"], "the file has lines 1 to 10"),
        (["explain", "half.py:3-11"], "the file has lines 1 to 10"),
        (["explain", "half.py:1:11"], "the line has columns 1 to 10"),
        (["explain", "half.py:5-2"], "the range ends before it begins"),
        (["explain", "missing.py:1"], "no such file"),
        (["explain", ".env:1"], "looks like a secret"),
        (["explian", "half.py:1"], "no assistant 'explian'"),
        (["review", "half.py:1"], "needs a chat model"),
        (["explain", "binary.py:1"], "left alone: binary"),
        (["explain", "latin.py:1"], "cannot be read (not UTF-8)"),
        (["list", "nowhere"], "no such folder"),
        (["fix-diagnostic", "half.py:1"], "--problem TEXT"),
        (["trust"], "say the project's folder"),
        (["trust", "nowhere"], "no such folder"),
        (["trust", "."], "no assistants to trust"),
    ],
)
def test_bad_input_gets_one_clear_line(
    root: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / ".env").write_text("A=1")
    (root / "binary.py").write_bytes(b"x = 1\0")
    (root / "latin.py").write_bytes("x = 'é'".encode("latin-1"))
    assert main(["assist", *arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_a_projects_assistant_runs_once_it_is_trusted(
    root: Path, chatty: Chatty, capsys: pytest.CaptureFixture[str]
) -> None:
    own = root / ".codecompose" / "assistants" / "rhyme.md"
    own.parent.mkdir(parents=True)
    own.write_text('+++\ntitle = "Rhyme"\n+++\nRhyme about this.\n\n{{code}}\n')
    assert main(["assist", "rhyme", "half.py:5"]) == 2
    assert "not trusted yet" in capsys.readouterr().err
    assert main(["assist", "list"]) == 0
    assert "not trusted yet (rhyme)" in capsys.readouterr().err
    assert main(["assist", "trust", "."]) == 0
    chatty.says("Half, by my behalf.")
    capsys.readouterr()
    assert main(["assist", "rhyme", "half.py:5"]) == 0
    assert capsys.readouterr().out == "Half, by my behalf.\n"


def test_a_file_that_changed_meanwhile_is_not_written(
    root: Path, chatty: Chatty, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from codecompose_ls.assistants import edit

    made = edit.edit_of

    def changed(*arguments: object) -> object:
        (root / "half.py").write_text("x = 1\n")
        return made(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("codecompose_ls.assistants.carry_out.edit_of", changed)
    chatty.says(ANSWER)
    assert main(["assist", "improve", "half.py:9", "--apply"]) == 2
    assert "has changed meanwhile" in capsys.readouterr().err
    assert (root / "half.py").read_text() == "x = 1\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of processes")
def test_a_disk_that_is_full_loses_nothing(root: Path) -> None:
    import resource

    (root / "half.py").chmod(0o640)
    command = [sys.executable, "-B", "-m", "codecompose_ls", "assist", "add-docstrings", "half.py:1-9", "--apply"]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (len(SOURCE), len(SOURCE))),
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"codecompose-ls: {root / 'half.py'}: cannot be written (File too large)"
    assert (root / "half.py").read_text() == SOURCE
    assert not list(root.glob(".half.py*"))
    assert main(["assist", "add-docstrings", "half.py:1-9", "--apply"]) == 0
    assert (root / "half.py").stat().st_mode & 0o777 == 0o640


def test_analysis_stands_in_for_a_model_that_does_not_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    down = "the model server at http://127.0.0.1:1/v1 cannot be reached (Connection refused): is it running?"
    monkeypatch.setenv("CODECOMPOSE_CHAT", "openai")
    monkeypatch.setenv("CODECOMPOSE_CHAT_URL", "http://127.0.0.1:1/v1")
    for model, why in (("tiny", down), ("", "the backend 'openai' needs the setting 'chat_model'")):
        monkeypatch.setenv("CODECOMPOSE_CHAT_MODEL", model)
        assert main(["assist", "explain", "half.py:5"]) == 0
        assert f"*The chat model did not answer: {why}" in capsys.readouterr().out
        assert main(["assist", "add-input-checks", "half.py:5"]) == 0
        printed = capsys.readouterr()
        assert why in printed.err and "isinstance(number, int)" in printed.out
        assert main(["assist", "review", "half.py:5"]) == 2
        assert capsys.readouterr().err.startswith(f"codecompose-ls: {why}")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
def test_an_interrupt_stops_cleanly(root: Path, chatty: Chatty) -> None:
    chatty.says("It halves", last=HANG)
    command = [sys.executable, "-m", "codecompose_ls", "assist", "explain", "half.py:5"]
    # Where the tests run in the background, a shell may have told them to ignore it.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(9) == b"It halves"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
    asyncio.run_coroutine_threadsafe(chatty.server.left.wait(), chatty.loop).result(10)
