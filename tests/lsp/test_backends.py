"""A model behind an HTTP server, over stdio: what it answers, what it is told, and what happens when it is down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from codecompose_ls.lsp.client.session import Session
from tests.http_server import CUT, HANG, HttpServer, event, openai, stream, whole
from tests.models import silent_model

CODE = "import sys\n\n\ndef main():\n    print("
TOKEN = "ghp_" + "a1B2" * 9


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as server:
        yield server


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model on this machine: asked by hand, it says "print"."""
    return silent_model(tmp_path_factory.mktemp("model") / "near")


def start(
    server: HttpServer, near: Path, workspace: Path, *, env: dict[str, str] | None = None, **settings: Any
) -> Session:
    """The real server, whose settings name the test's."""
    options = {
        "backend": "openai",
        "backendUrl": f"{server.url}/v1",
        "backendModel": "far",
        "model": str(near),
        "index": False,
        "speculate": False,
        **settings,
    }
    return Session.start(root=workspace, options=options, env=env)


async def ask(session: Session, path: Path, text: str = CODE) -> str:
    """Open a document and ask by hand at its end; an empty answer is an empty string."""
    uri = await session.open(path, text, "python")
    items = await session.inline(uri, len(text), trigger="invoked")
    return str(items[0].insert_text) if items else ""


def status(session: Session) -> Any:
    return [params for method, params in session.notifications if method == "didChangeStatus"][-1]


def asked(server: HttpServer) -> list[Any]:
    return [asked.body for asked in server.asked if asked.method == "POST"]


async def test_it_completes_goes_down_is_stood_in_for_and_comes_back(
    server: HttpServer, near: Path, workspace: Path
) -> None:
    async with start(server, near, workspace) as session:
        server.answers.append(openai("sys.", "argv)"))
        assert await ask(session, workspace / "one.py") == "sys.argv)"
        assert status(session)["kind"] == "Normal"
        assert status(session)["message"].startswith(f"model 'far@{server.url[7:]}'")
        assert (asked(server)[0]["prompt"], asked(server)[0]["suffix"]) == (CODE, "")

        await server.stop()
        assert await ask(session, workspace / "two.py") == "print"
        down = status(session)
        assert down["kind"] == "Warning"
        assert f"the model server at {server.url}/v1 cannot be reached" in down["message"]
        assert down["message"].endswith("the local model answers")

        await server.start()
        server.answers.append(openai("len(sys.argv))"))
        assert await ask(session, workspace / "three.py") == "len(sys.argv))"
        assert status(session)["kind"] == "Normal"
        assert status(session)["message"].startswith("model 'far@")


BEGUN = event({"choices": [{"text": "sys."}]})
CUT_OFF = "broke off (peer closed connection without sending complete message body (incomplete chunked read))"
#: What a server does that is not well (None: nothing, it is down), what has come of a suggestion by then, and the line
#: that the user reads.
UNWELL: list[tuple[Any, str, str]] = [
    (None, "", "{at} cannot be reached (Connection refused): is it running?"),
    (whole(b"<html>hi</html>", kind="text/html"), "", "{at} answers nonsense: what it sends is no answer"),
    (whole(b'{"choices": ['), "", "the model server answers nonsense: what it sends is not JSON"),
    (stream(BEGUN, CUT), "sys.", "{at} " + CUT_OFF),
    (stream(BEGUN), "sys.", "{at} stopped in the midst of its answer"),
]
SLOW: list[tuple[Any, str, str]] = [
    (stream(HANG), "", "{at} has said nothing for 0.5 s"),
    (stream(BEGUN, HANG), "sys.", "{at} has said nothing for 0.5 s"),
]


async def see(session: Session, server: HttpServer, path: Path, case: tuple[Any, str, str], *, fallback: bool) -> None:
    """Ask a server that is not well, and see what the user gets and reads."""
    answer, told, line = case
    if answer is None:
        await server.stop()
    else:
        server.answers.append(answer)
    # The model on this machine goes on from what has come: it says "print" only where that is nothing.
    assert await ask(session, path) == (told or "print") * fallback
    line = line.format(at=f"the model server at {server.url}/v1")
    if fallback:
        assert status(session)["kind"] == "Warning"
        assert status(session)["message"] == f"model 'far@{server.url[7:]}': {line}; the local model answers"
    else:
        assert (status(session)["kind"], status(session)["message"]) == ("Error", line)
    if answer is None:
        await server.start()


@pytest.mark.parametrize("fallback", [True, False])
async def test_a_server_that_is_down_confused_or_breaks_off_is_one_line_in_the_status(
    fallback: bool, server: HttpServer, near: Path, tmp_path: Path
) -> None:
    async with start(server, near, tmp_path, backendFallback=fallback) as session:
        for number, case in enumerate(UNWELL):
            await see(session, server, tmp_path / f"unwell{number}.py", case, fallback=fallback)
            server.answers.append(openai("len(sys.argv))"))
            assert await ask(session, tmp_path / f"well{number}.py") == "len(sys.argv))"
            assert status(session)["kind"] == "Normal"
        await server.stop()
        for number in range(4):
            assert await ask(session, tmp_path / f"down{number}.py") == "print" * fallback
        assert ("it is left alone for" in status(session)["message"]) != fallback
        assert status(session)["message"].endswith("the local model answers") == fallback
        assert b"Traceback" not in session.log


@pytest.mark.parametrize("fallback", [True, False])
async def test_a_server_that_is_slow_is_one_line_in_the_status(
    fallback: bool, server: HttpServer, near: Path, tmp_path: Path
) -> None:
    async with start(server, near, tmp_path, backendFallback=fallback, backendReadTimeoutMs=500) as session:
        for number, case in enumerate(SLOW):
            await see(session, server, tmp_path / f"slow{number}.py", case, fallback=fallback)


async def test_without_the_local_model_behind_it_the_failure_is_said(
    server: HttpServer, near: Path, workspace: Path
) -> None:
    async with start(server, near, workspace, backendFallback=False) as session:
        server.answers.append(whole({"error": {"message": "no model 'far'"}}, status=404))
        assert await ask(session, workspace / "gone.py") == ""
        assert status(session)["kind"] == "Error"
        assert "not the model asked for (no model 'far')" in status(session)["message"]


async def test_an_answer_that_goes_on_is_cut_where_the_line_ends_and_its_server_is_left(
    server: HttpServer, near: Path, workspace: Path
) -> None:
    async with start(server, near, workspace) as session:
        server.answers.append(stream(event({"choices": [{"text": "sys)\n\n\nmain()\n"}]}), HANG))
        assert await ask(session, workspace / "long.py") == "sys)"
        await server.left.wait()


async def test_what_is_ignored_or_secret_is_not_sent(server: HttpServer, near: Path, workspace: Path) -> None:
    async with start(server, near, workspace, ignore=["hidden.py"]) as session:
        assert await ask(session, workspace / ".env", "A=") == ""
        assert await ask(session, workspace / "hidden.py") == ""
        assert await ask(session, workspace / "key.py", f"key = '{TOKEN}'\n{CODE}") == ""
        assert asked(server) == []
        assert TOKEN.encode() not in session.log


async def test_a_project_cannot_send_code_anywhere(server: HttpServer, near: Path, tmp_path: Path) -> None:
    (tmp_path / ".codecompose.toml").write_text(
        f'backend = "openai"\nbackend_url = "{server.url}/v1"\nbackend_model = "far"\nchat = "openai"\n'
    )
    async with Session.start(root=tmp_path, options={"model": str(near), "index": False}) as session:
        await ask(session, tmp_path / "mine.py")
        shown = [params["message"] for method, params in session.notifications if method == "window/showMessage"]
        assert len([text for text in shown if "cannot be set by a project, only by its user" in text]) == 4
    assert server.asked == []


async def test_settings_that_do_not_go_together_are_said(server: HttpServer, near: Path, workspace: Path) -> None:
    async with start(server, near, workspace, backendModel="") as session:
        fault = await session.fault()
        assert fault == "the backend 'openai' needs the setting 'backend_model': the name of a model it serves"
        server.answers.append(openai("sys)"))
        settings = {"backend": "openai", "backendUrl": f"{server.url}/v1", "backendModel": "far"}
        session.notify("workspace/didChangeConfiguration", {"settings": settings})
        assert await ask(session, workspace / "better.py") == "sys)"


async def test_the_key_of_the_environment_is_sent_and_shown_nowhere(
    server: HttpServer, near: Path, workspace: Path
) -> None:
    key = "sk-unmistakable-0123456789"
    async with start(server, near, workspace, logLevel="debug", env={"CODECOMPOSE_API_KEY": key}) as session:
        refusal = {"error": {"message": f"Incorrect API key provided: {key}"}}
        server.answers.append(whole(refusal, status=401))
        assert await ask(session, workspace / "locked.py") == "print"
        assert "refuses the API key (Incorrect API key provided: ***)" in status(session)["message"]
    assert server.asked[0].headers["authorization"] == f"Bearer {key}"
    assert key.encode() not in session.log
    assert key not in str(session.notifications)
