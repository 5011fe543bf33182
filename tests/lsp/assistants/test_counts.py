"""What is counted: asked, applied, dismissed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pygls.exceptions import JsonRpcException

from codecompose_ls.telemetry.database import default_path
from codecompose_ls.telemetry.summary import export
from tests.http_server import HANG, HttpServer, said, stream, talk
from tests.lsp.assistants.conftest import BETTER, INSIDE, SOURCE, code
from tests.lsp.editor import editor


async def test_what_was_asked_applied_and_dismissed_is_counted_apart(server: HttpServer, tmp_path: Path) -> None:
    before = len(list(export(default_path())))
    async with editor(tmp_path, server) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk("It doubles."))
        await session.assist("explain", uri, INSIDE)
        server.answers.append(talk(code(BETTER)))
        await session.assist("improve", uri, INSIDE)
        session.replies["workspace/applyEdit"] = {"applied": False}
        server.answers.append(talk(code(BETTER)))
        await session.assist("improve", uri, INSIDE)
        server.answers.append(stream(said("It goes on"), HANG))
        asked = session.assist("review", uri, INSIDE, id="ask", partialResultToken="here")
        await session.wait_for("$/progress", lambda params: params["token"] == "here")
        session.cancel("ask")
        with pytest.raises(JsonRpcException):
            await asked
    rows = [row for row in list(export(default_path()))[before:] if row["kind"].startswith("assist")]
    assert [(row["kind"], row["source"], row.get("reason")) for row in rows] == [
        ("assisted", "explain", None),
        ("assisted", "improve", None),
        ("assist applied", "improve", None),
        ("assisted", "improve", None),
        ("assist dismissed", "improve", "rejected"),
        ("assisted", "review", None),
        ("assist dismissed", "review", "cancelled"),
    ]
    assert {row["language"] for row in rows} == {"python"}
    assert {row["model"] for row in rows} == {f"chatty@{server.url[7:]}"}
    assert all(row["latency_ms"] > 0 for row in rows if row["kind"] == "assisted")


async def test_an_edit_by_analysis_is_counted_when_it_has_been_made(tmp_path: Path) -> None:
    before = len(list(export(default_path())))
    async with editor(tmp_path) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        offered = (await session.actions(uri, INSIDE))["Add input checks"]
        assert "command" not in offered
        action = await session.raw_request("codeAction/resolve", offered)
        assert action["edit"]
        command = {key: action["command"][key] for key in ("command", "arguments")}
        await session.raw_request("workspace/executeCommand", command)
        # What makes no sense is no news.
        for arguments in ([], ["nothing", uri], ["explain", 1]):
            await session.raw_request("workspace/executeCommand", {**command, "arguments": arguments})
    rows = [row for row in list(export(default_path()))[before:] if row["kind"].startswith("assist")]
    assert [(row["kind"], row["source"], row["model"]) for row in rows] == [
        ("assisted", "add-input-checks", "analysis"),
        ("assist applied", "add-input-checks", "analysis"),
    ]
