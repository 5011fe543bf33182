"""`codecompose-ls serve`: one process that answers over HTTP until it is interrupted, or says in one line why not."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi")

from codecompose_ls.service.access import VARIABLE
from tests.unit.test_cli import one_line, run_without


@contextmanager
def serve(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start the command on a free port and wait for what it says when it listens."""
    command = [sys.executable, "-m", "codecompose_ls", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line.rstrip())
            if "keyring" in line:
                break
        try:
            yield process, said
        finally:
            process.kill()


def test_it_says_how_to_reach_it_and_answers_and_keeps_quiet_about_what_is_asked(tiny: Path) -> None:
    with serve("--model", str(tiny), "--log-level", "info") as (process, said):
        address = re.search(r"serving tiny on (http://127\.0\.0\.1:\d+)", said[0])
        token = re.search(r"token, for this run only: (\S+)", said[1])
        assert address and token and f"backend_url = {address[1]}/v1, backend_model = tiny" in said[2]
        headers = {"Authorization": f"Bearer {token[1]}"}
        with httpx.Client(base_url=address[1], headers=headers, timeout=60, trust_env=False) as client:
            body = {"model": "tiny", "prompt": "secret = 1", "max_tokens": 4}
            answer = client.post("/v1/completions", json=body).raise_for_status().json()
        assert answer["usage"]["completion_tokens"] == 4
        process.send_signal(signal.SIGINT)
        output, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "POST /v1/completions" in output + log
    assert "secret" not in output + log and token[1] not in log and "Traceback" not in log


def test_a_token_of_ones_own_is_not_printed(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "of-the-environment-" + "x" * 9
    monkeypatch.setenv(VARIABLE, token)
    with serve("--model", str(tiny)) as (_, said):
        assert token not in "".join(said) and "token, for this run" not in "".join(said)
        address = said[0].rpartition(" ")[2]
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{address}/v1/models", headers=headers, trust_env=False).json()["data"][0]["id"] == "tiny"
        assert httpx.get(f"{address}/v1/models", trust_env=False).status_code == 401


def test_what_cannot_be_served_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tokens.txt").write_text("short\n")
    (tmp_path / "broken").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, said in (
            (["--port", port], f"cannot listen on 127.0.0.1:{port} (Address already in use); another one: --port 0"),
            (["--port", "70000"], "--port 70000: give a number up to 65535"),
            (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
            (["--host", "[::1]", "--port", "70000"], "--port 70000"),
            (["--threads", "0"], "--threads 0: give a number from 1 to 64"),
            (["--model", "nobody"], "no model 'nobody'"),
            (["--model", str(tmp_path / "broken"), "--port", "0"], "config.json is missing"),
            (["--token-file", str(tmp_path / "tokens.txt")], "a token needs at least 16 characters"),
        ):
            assert said in one_line(capsys, ["serve", *arguments])


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_without_the_extra_it_says_which(missing: str) -> None:
    answer = run_without(missing, "serve")
    (line,) = answer.stderr.splitlines()
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"this command needs {missing}: pip install 'codecompose-ls[serve]'" in line
