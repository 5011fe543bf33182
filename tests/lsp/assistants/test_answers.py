"""How an answer comes, and how it is cancelled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from tests.http_server import CUT, HANG, HttpServer, said, stream, talk
from tests.lsp.assistants.conftest import INSIDE, SOURCE, able
from tests.lsp.editor import Editor, editor


async def test_an_answer_comes_in_pieces_and_whole_at_the_end(session: Editor, chat: HttpServer, uri: str) -> None:
    chat.answers.append(talk("It ", "doubles", " a number. 😀\n"))
    answer = await session.assist("explain", uri, INSIDE, partialResultToken="here", workDoneToken="bar")
    assert session.pieces("here") == ["It ", "doubles", " a number. 😀\n"]
    assert answer == {
        "name": "explain",
        "title": "Explain",
        "markdown": "".join(session.pieces("here")),
        "madeBy": f"chatty@{chat.url[7:]}",
        "applied": False,
        "refusal": "",
    }
    bar = [params["value"] for _, params in session.notifications if params.get("token") == "bar"]
    assert [value["kind"] for value in bar] == ["begin", "end"]
    assert (bar[0]["title"], bar[0]["cancellable"]) == ("Explain", True)
    assert "number + number" in str(chat.asked[0].body["messages"])
    assert "window/showMessage" not in [method for method, _ in session.notifications]


async def test_without_tokens_there_is_a_bar_of_the_servers_and_the_answer_is_shown(
    server: HttpServer, tmp_path: Path
) -> None:
    async with editor(tmp_path, server, capabilities=able(experimental=None)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk("It doubles."))
        command = (await session.actions(uri, INSIDE))["Explain"]["command"]
        arguments = {"command": command["command"], "arguments": command["arguments"]}
        assert (await session.raw_request("workspace/executeCommand", arguments))["markdown"] == "It doubles."
        assert (await session.wait_for("window/showMessage"))["message"] == "It doubles."
        assert "window/workDoneProgress/create" in [method for method, _ in session.asked]


@pytest.mark.parametrize("how", ["request", "given bar", "own bar"])
async def test_cancelling_hangs_up_on_the_server(how: str, session: Editor, chat: HttpServer, uri: str) -> None:
    chat.answers.append(stream(said("It goes on"), HANG))
    more = {"workDoneToken": "bar"} if how == "given bar" else {}
    asked = session.assist("explain", uri, INSIDE, id="ask", partialResultToken="here", **more)
    await session.wait_for("$/progress", lambda params: params["token"] == "here")
    if how == "request":
        session.cancel("ask")
    else:
        begun = await session.wait_for("$/progress", lambda params: params["value"]["kind"] == "begin")
        session.notify("window/workDoneProgress/cancel", {"token": begun["token"]})
    with pytest.raises(JsonRpcException) as raised:
        await asked
    assert raised.value.code == -32800
    await chat.left.wait()
    assert session.pieces("here") == ["It goes on"]
    await session.wait_for("$/progress", lambda params: params["value"]["kind"] == "end")
    chat.answers.append(talk("It doubles."))
    assert (await session.assist("explain", uri, INSIDE))["markdown"] == "It doubles."


async def test_suggestions_come_while_a_chat_model_answers(
    session: Editor, chat: HttpServer, uri: str, workspace: Path
) -> None:
    go_on = asyncio.Event()
    chat.answers.append(stream(said("It "), go_on, *talk("doubles.")[1:-1]))
    asked = session.assist("explain", uri, INSIDE, partialResultToken="here")
    await session.wait_for("$/progress", lambda params: params["token"] == "here")
    other = await session.open(workspace / "other.py", "#say hello\n", "python")
    assert len(await session.inline(other, 11, trigger="invoked")) == 1
    go_on.set()
    assert (await asked)["markdown"] == "It doubles."


async def test_who_waits_is_told_for_what_and_not_for_long_where_analysis_can_answer(
    server: HttpServer, tmp_path: Path
) -> None:
    async with editor(tmp_path, server, env={"PAUSE_S": "0.05"}) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        name = f"chatty@{server.url[7:]}"

        def waiting(params: Any) -> bool:
            said = params["value"].get("message") or ""
            return bool(
                said.startswith(f"{name} has said nothing for ") and said.endswith("; cancelling ends the wait")
            )

        # Only a model can do it: there is no hurry, and it answers in the end.
        go_on = asyncio.Event()
        server.answers.append(stream(go_on, *talk("It doubles.")[1:-1]))
        asked = session.assist("review", uri, INSIDE, workDoneToken="bar")
        await session.wait_for("$/progress", waiting)
        go_on.set()
        assert (await asked)["markdown"] == "It doubles."

        # The server takes requests, and answers none of them.
        server.answers.append(stream(HANG))
        server.listing = [CUT]
        answer = await session.assist("explain", uri, INSIDE)
        assert answer["madeBy"] == "analysis"
        assert f"server at {server.url}/v1 says nothing and gives no sign of life; outlined by" in answer["markdown"]
        await server.left.wait()
