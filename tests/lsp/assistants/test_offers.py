"""What is offered where, and why some of it cannot be had."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from tests.http_server import HttpServer
from tests.lsp.assistants.conftest import EDITS, INSIDE, SOURCE, able, listing
from tests.lsp.editor import Editor, editor


async def test_each_built_in_assistant_is_offered_where_it_makes_sense(
    session: Editor, chat: HttpServer, uri: str
) -> None:
    plain = {
        "Explain": "codecompose.explain",
        "Potential problems": "codecompose.potential-problems",
        "Review": "codecompose.review",
        "Document pull request": "codecompose.document-pull-request",
        "Improve": f"{EDITS}.improve",
        "Add docstrings": f"{EDITS}.add-docstrings",
        "Add input checks": f"{EDITS}.add-input-checks",
        "Implement tests": f"{EDITS}.implement-tests",
    }
    todo = {"Complete the TODO": f"{EDITS}.complete-todo"}
    problem = {"Fix this problem": f"{EDITS}.fix-diagnostic"}
    line = SOURCE.index("def double")
    assert {title: action["kind"] for title, action in (await session.actions(uri, line)).items()} == plain
    offered = await session.actions(uri, INSIDE)
    assert {title: action["kind"] for title, action in offered.items()} == plain | todo
    assert all(action["tags"] == [1] and "disabled" not in action for action in offered.values())
    places = {"start": {"line": 4, "character": 4}, "end": {"line": 4, "character": 10}}
    diagnostics = [{"range": places, "message": "not typed", "source": "mypy"}]
    reported = await session.actions(uri, INSIDE, diagnostics=diagnostics)
    assert {title: action["kind"] for title, action in reported.items()} == plain | todo | problem
    (argument,) = reported["Fix this problem"]["command"]["arguments"]
    assert (argument["name"], argument["uri"], argument["version"]) == ("fix-diagnostic", uri, 1)
    assert [one["message"] for one in argument["diagnostics"]] == ["not typed"]

    assert chat.asked == []


async def test_without_a_chat_model_what_needs_one_says_how_to_set_one_up(tmp_path: Path) -> None:
    async with editor(tmp_path) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        offered = await session.actions(uri, INSIDE)
        disabled = {title for title, action in offered.items() if "disabled" in action}
        assert offered.keys() - disabled == {"Explain", "Add docstrings", "Add input checks"}
        assert "set 'chat' in your settings" in offered["Review"]["disabled"]["reason"]
        assert not any("tags" in action for action in offered.values())
        listed = await listing(session, uri)
        assert {one["title"] for one in listed if one["disabled"]} >= disabled
        with pytest.raises(
            JsonRpcException, match="'review' needs a chat model: set 'chat' in your settings"
        ) as raised:
            await session.assist("review", uri, INSIDE)
        assert raised.value.code == -32803


async def test_a_client_that_cannot_show_disabled_actions_gets_none(tmp_path: Path) -> None:
    resolves = {"codeAction": {"resolveSupport": {"properties": ["edit"]}}}
    async with editor(tmp_path, capabilities=able(textDocument=resolves)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        offered = await session.actions(uri, INSIDE)
        assert offered.keys() == {"Explain", "Add docstrings", "Add input checks"}
        go = await session.open(tmp_path / "double.go", "package main\n\nfunc f() {\n}\n", "go")
        assert await session.actions(go, 20) == {}


async def test_settings_that_name_no_chat_model_are_the_reason(tmp_path: Path) -> None:
    wrong = [
        ({"chat": "ollama"}, "the backend 'ollama' needs the setting 'chat_model'"),
        ({"chat": "openai", "chatModel": "m", "chatUrl": "gpu:8000"}, "setting 'chat_url': the address of a model"),
        ({"chat": "local"}, "chat = 'local' needs the setting 'chat_model': a chat model's folder or name"),
        ({"chat": "local", "chatModel": "nowhere"}, "no model 'nowhere'"),
    ]
    async with editor(tmp_path) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for settings, why in wrong:
            session.notify("workspace/didChangeConfiguration", {"settings": settings})
            assert (await session.actions(uri, INSIDE))["Review"]["disabled"]["reason"].startswith(why)
            with pytest.raises(JsonRpcException, match=f"^{re.escape(why)}"):
                await session.assist("review", uri, INSIDE)
            explained = await session.assist("explain", uri, INSIDE)
            assert explained["madeBy"] == "analysis" and f"did not answer: {why}" in explained["markdown"]


async def test_a_menu_can_list_them(server: HttpServer, tmp_path: Path) -> None:
    async with editor(tmp_path, server, ignore=["hidden.py"]) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        listed = await listing(session, uri)
        assert {"name": "review", "title": "Review", "kind": "show", "disabled": ""} in listed
        assert {"name": "improve", "title": "Improve", "kind": "edit", "disabled": ""} in listed
        hidden = await session.open(tmp_path / "hidden.py", SOURCE, "python")
        assert await listing(session, hidden) == []
        assert await listing(session, "file:///nowhere.py") == []


@pytest.mark.parametrize("arguments", [[], [1], [{}], [{"name": 1}], [{"name": "explain", "uri": "file:///x.py"}]])
async def test_malformed_arguments_are_answered(arguments: list[Any], session: Editor) -> None:
    for command in ("codecompose.assist", "codecompose.explain"):
        with pytest.raises(JsonRpcException) as raised:
            await session.raw_request("workspace/executeCommand", {"command": command, "arguments": arguments})
        assert raised.value.code == -32602
    with pytest.raises(JsonRpcException, match=r"there is no command 'codecompose\.nothing'"):
        await session.raw_request("workspace/executeCommand", {"command": "codecompose.nothing"})
