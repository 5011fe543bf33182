"""Code actions without a chat model: what analysis does for Python, at once or when chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

SOURCE = '''def greet(name: str, times: int) -> str:
    """Say hello to name."""
    return " ".join([f"hello 😀 {name}"] * times)
'''
RESOLVES = {"codeAction": {"resolveSupport": {"properties": ["edit"]}}}
SHOWS = {"experimental": {"codecompose": {"assist": True}}}


async def actions(session: Session, uri: str, offset: int, **context: Any) -> dict[str, Any]:
    place = session.cursor(uri, offset)["position"]
    params = {
        "textDocument": {"uri": uri},
        "range": {"start": place, "end": place},
        "context": {"diagnostics": [], **context},
    }
    found = await session.raw_request("textDocument/codeAction", params)
    return {action["title"]: action for action in found}


async def execute(session: Session, command: dict[str, Any]) -> Any:
    params = {"command": command["command"], "arguments": command["arguments"]}
    return await session.raw_request("workspace/executeCommand", params)


async def test_the_kinds_and_the_commands_are_advertised(session: Session) -> None:
    capabilities = session.initialize_result["capabilities"]
    assert capabilities["codeActionProvider"] == {
        "codeActionKinds": ["codecompose", "refactor.rewrite.codecompose"],
        "resolveProvider": True,
    }
    commands = {"codecompose.assist", "codecompose.assistants", "codecompose.explain"}
    assert commands <= set(capabilities["executeCommandProvider"]["commands"])


async def test_explain_returns_an_outline_and_shows_it(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "explained.py", SOURCE, "python")
    command = (await actions(session, uri, SOURCE.index("return")))["Explain"]["command"]
    answer = await execute(session, command)
    assert "greet(name: str, times: int) -> str" in answer["markdown"]
    assert (answer["madeBy"], answer["applied"], answer["refusal"]) == ("analysis", False, "")
    assert (await session.wait_for("window/showMessage"))["message"] == answer["markdown"]


async def test_a_client_that_shows_answers_gets_no_message(workspace: Path) -> None:
    async with fake(root=workspace, capabilities=SHOWS) as session:
        uri = await session.open(workspace / "quiet.py", SOURCE, "python")
        command = (await actions(session, uri, SOURCE.index("return")))["Explain"]["command"]
        assert (await execute(session, command))["markdown"]
        assert "window/showMessage" not in [method for method, _ in session.notifications]


async def test_a_client_of_before_gets_its_own_command_and_shows_what_it_returns(workspace: Path) -> None:
    capabilities = {"experimental": {"codecompose": {"explain": True}}}
    async with fake(root=workspace, capabilities=capabilities) as session:
        uri = await session.open(workspace / "before.py", SOURCE, "python")
        command = (await actions(session, uri, SOURCE.index("return")))["Explain"]["command"]
        assert command["command"] == "codecompose.explain"
        assert "greet(name: str, times: int) -> str" in await execute(session, command)
        assert "window/showMessage" not in [method for method, _ in session.notifications]


async def test_input_checks_are_computed_when_chosen(workspace: Path) -> None:
    capabilities = {"textDocument": RESOLVES, "workspace": {"workspaceEdit": {"documentChanges": True}}}
    async with fake(root=workspace, capabilities=capabilities) as session:
        uri = await session.open(workspace / "checked.py", SOURCE, "python")
        offered = (await actions(session, uri, SOURCE.index("return")))["Add input checks"]
        assert "edit" not in offered
        (change,) = (await session.raw_request("codeAction/resolve", offered))["edit"]["documentChanges"]
        assert change["textDocument"] == {"uri": uri, "version": 1}
        (edit,) = change["edits"]
        assert edit["range"]["start"]["line"] in (1, 2)
        assert "isinstance(name, str)" in edit["newText"]


async def test_an_action_that_is_whole_is_resolved_as_it_is(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "whole.py", SOURCE, "python")
    offered = (await actions(session, uri, SOURCE.index("return")))["Explain"]
    assert await session.raw_request("codeAction/resolve", offered) == offered


async def test_a_client_that_cannot_resolve_gets_the_edit_at_once(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "eager.py", SOURCE, "python")
    offered = (await actions(session, uri, SOURCE.index("return")))["Add input checks"]
    assert list(offered["edit"]["changes"]) == [uri]


async def test_where_nothing_can_be_checked_the_action_says_so(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "unchecked.py", "def f(x):\n    return x\n", "python")
    assert (await actions(session, uri, 12))["Add input checks"]["disabled"]["reason"]


async def test_an_action_on_a_text_that_has_changed_since_is_refused(workspace: Path) -> None:
    async with fake(root=workspace, capabilities={"textDocument": RESOLVES}) as session:
        uri = await session.open(workspace / "stale.py", SOURCE, "python")
        offered = (await actions(session, uri, SOURCE.index("return")))["Add input checks"]
        session.change(uri, 0, 0, "# new\n")
        with pytest.raises(JsonRpcException) as raised:
            await session.raw_request("codeAction/resolve", offered)
        assert raised.value.code == -32801


async def test_only_the_kinds_that_were_asked_for_are_offered(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "only.py", SOURCE, "python")
    offset = SOURCE.index("return")
    assert list(await actions(session, uri, offset, only=["codecompose.explain"])) == ["Explain"]
    assert list(await actions(session, uri, offset, only=["quickfix"])) == []
    everything = await actions(session, uri, offset, only=[""])
    assert {"Explain", "Add input checks"} <= everything.keys()
    edits = await actions(session, uri, offset, only=["refactor"])
    assert edits.keys() == everything.keys() - {"Explain"}
    assert all(action["kind"].startswith("refactor.rewrite.codecompose.") for action in edits.values())


async def test_where_the_cursor_lands_is_read_ahead(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "landed.go", "package main\n", "go")
    assert await actions(session, uri, 7) == {}
    assert await session.raw_request("test/begun", "landed.go, read ahead at 7")


async def test_other_languages_and_files_to_be_left_alone_are_offered_nothing(
    session: Session, workspace: Path
) -> None:
    for name, language in (("other.go", "go"), (".env", "python")):
        uri = await session.open(workspace / name, SOURCE, language)
        assert await actions(session, uri, 5) == {}
