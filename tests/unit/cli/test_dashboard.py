"""`codecompose-ls dashboard`: says where the page is, opens it where there is a screen, or says in one line why not."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

pytest.importorskip("fastapi")

from codecompose_ls.cli import dashboard
from tests.unit.test_cli import one_line, run_without


def test_it_says_where_the_page_is_serves_it_and_ends_with_ctrl_c() -> None:
    command = [sys.executable, "-m", "codecompose_ls", "dashboard", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.fullmatch(r"the dashboard: (http://127\.0\.0\.1:\d+/dashboard) \(Ctrl-C ends it\)\n", said)
        assert found, said
        answer = httpx.get(found[1], timeout=60, trust_env=False)
        assert (answer.status_code, "<h1>" in answer.text) == (200, True)
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, rest, complaints) == (0, "", "")


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = one_line(capsys, ["dashboard", "--no-browser", "--port", str(port)])
    assert f"cannot listen on 127.0.0.1:{port}" in line and line.endswith("another one: --port 0")


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "jinja2", "pygal"])
def test_a_missing_extra_is_named(missing: str) -> None:
    answer = run_without(missing, "dashboard", "--no-browser")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == f"codecompose-ls: this command needs {missing}: pip install 'codecompose-ls[serve]'\n"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Run the command with a server that ends at once; returns the addresses that a browser was given."""

    def opened(*arguments: str, **environment: str) -> list[str]:
        import uvicorn

        from codecompose_ls.cli import main

        addresses: list[str] = []
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(dashboard.webbrowser, "open", addresses.append)
        monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
        assert main(["dashboard", "--port", "0", *arguments]) == 0
        return addresses

    return opened


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there is always a screen")
def test_the_browser_opens_where_there_is_a_screen(opened: Callable[..., list[str]]) -> None:
    assert opened() == []
    assert opened("--no-browser", DISPLAY=":0") == []
    (address,) = opened(WAYLAND_DISPLAY="wayland-0")
    assert address.endswith("/dashboard")
