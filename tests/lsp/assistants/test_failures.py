"""What the user reads when the model server is not well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.telemetry.database import default_path
from codecompose_ls.telemetry.summary import export
from tests.http_server import CUT, HANG, HttpServer, said, stream, whole
from tests.lsp.assistants.conftest import INSIDE, SOURCE, able, answered, failure
from tests.lsp.editor import Editor, editor


async def test_a_server_that_is_down_is_one_line_and_then_left_alone(
    session: Editor, chat: HttpServer, uri: str
) -> None:
    down = f"the model server at {chat.url}/v1 cannot be reached (Connection refused): is it running?"
    await chat.stop()
    assert await failure(session, uri) == down
    await chat.start()
    await answered(session, chat, uri)
    await chat.stop()
    for _ in range(3):
        assert await failure(session, uri) == down
    assert re.fullmatch(re.escape(down) + "; it is left alone for [345] s", await failure(session, uri))
    assert session.pieces("here") == []
    await chat.start()
    # With other settings it is another server.
    settings = {"chat": "openai", "chatUrl": f"{chat.url}/v1", "chatModel": "chatty", "index": False}
    session.notify("workspace/didChangeConfiguration", {"settings": {**settings, "chatContext": 4096}})
    await answered(session, chat, uri)
    session.notify("workspace/didChangeConfiguration", {"settings": settings})


async def test_a_server_that_is_slow_is_one_line(server: HttpServer, tmp_path: Path) -> None:
    async with editor(tmp_path, server, chatReadTimeoutMs=500) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for steps, pieces in (((HANG,), []), ((said("It "), HANG), ["It "])):
            server.answers.append(stream(*steps))
            assert await failure(session, uri) == f"the model server at {server.url}/v1 has said nothing for 0.5 s"
            assert session.pieces("here") == pieces
            await server.left.wait()
        assert b"Traceback" not in session.log


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (whole(b"<html>hi</html>", kind="text/html"), "{at} answers nonsense: what it sends is no answer"),
        (stream(b"data: hello\n\n"), "the model server answers nonsense: what it sends is not JSON"),
        (whole([1]), "the model server answers nonsense: what it sends is not a JSON object"),
        (whole(b"", status=502), "{at} answers 502"),
    ],
)
async def test_a_server_that_answers_nonsense_is_one_line(
    answer: Any, line: str, session: Editor, chat: HttpServer, uri: str
) -> None:
    chat.answers.append(answer)
    assert await failure(session, uri) == line.format(at=f"the model server at {chat.url}/v1")
    assert session.pieces("here") == []
    await answered(session, chat, uri)


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ((CUT,), "broke off (peer closed connection without sending complete message body (incomplete chunked read))"),
        ((), "stopped in the midst of its answer"),
    ],
)
async def test_a_server_that_stops_in_the_midst_is_one_line_and_what_has_come_stays(
    steps: Any, line: str, session: Editor, chat: HttpServer, uri: str
) -> None:
    # Not even analysis stands in for an answer that somebody has begun to read.
    for name in ("review", "explain"):
        session.notifications.clear()
        chat.answers.append(stream(said("It "), said("dou"), *steps))
        assert await failure(session, uri, name) == f"the model server at {chat.url}/v1 {line}"
        assert session.pieces("here") == ["It ", "dou"]
    await answered(session, chat, uri)


async def test_analysis_stands_in_for_a_server_that_has_said_nothing(
    session: Editor, chat: HttpServer, uri: str
) -> None:
    why = f"The chat model did not answer: the model server at {chat.url}/v1 answers 500; "
    chat.answers += [whole(b"", status=500)] * 2
    answer = await session.assist("explain", uri, INSIDE, partialResultToken="here")
    assert why + "outlined by static analysis of this file alone." in answer["markdown"]
    assert (answer["madeBy"], session.pieces("here")) == ("analysis", [answer["markdown"]])
    answer = await session.assist("add-input-checks", uri, INSIDE)
    assert (answer["madeBy"], answer["applied"], answer["refusal"]) == ("analysis", True, "")
    (edit,) = session.edits
    (annotation,) = edit["changeAnnotations"].values()
    assert "by static analysis" in annotation["description"] and why[1:-2] in annotation["description"]
    assert "isinstance(number, int)" in str(edit["documentChanges"])
    await answered(session, chat, uri)


async def test_who_has_no_panel_is_told_that_analysis_stands_in(server: HttpServer, tmp_path: Path) -> None:
    await server.stop()
    before = len(list(export(default_path())))
    async with editor(tmp_path, server, capabilities=able(experimental=None)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        assert (await session.assist("add-docstrings", uri, INSIDE))["applied"]
        shown = await session.wait_for("window/showMessage")
    at = f"the model server at {server.url}/v1 cannot be reached (Connection refused): is it running?"
    assert shown["message"] == f"the chat model did not answer: {at}; done by analysis"
    rows = [row for row in list(export(default_path()))[before:] if row["kind"].startswith("assist")]
    assert [(row["kind"], row["model"]) for row in rows] == [("assisted", "analysis"), ("assist applied", "analysis")]
    await server.start()
