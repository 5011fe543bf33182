"""Code actions on Python: Explain and Add input checks, by analysis alone."""

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


async def actions(session: Session, uri: str, offset: int, **context: Any) -> dict[str, Any]:
    place = session.cursor(uri, offset)["position"]
    params = {
        "textDocument": {"uri": uri},
        "range": {"start": place, "end": place},
        "context": {"diagnostics": [], **context},
    }
    found = await session.raw_request("textDocument/codeAction", params)
    return {action["title"]: action for action in found}


async def test_the_kinds_and_the_command_are_advertised(session: Session) -> None:
    capabilities = session.initialize_result["capabilities"]
    assert capabilities["codeActionProvider"] == {
        "codeActionKinds": ["codecompose.explain", "refactor.rewrite.inputChecks"],
        "resolveProvider": True,
    }
    assert "codecompose.explain" in capabilities["executeCommandProvider"]["commands"]


async def test_explain_returns_an_outline_and_shows_it(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "explained.py", SOURCE, "python")
    command = (await actions(session, uri, SOURCE.index("return")))["Explain"]["command"]
    outline = await session.raw_request(
        "workspace/executeCommand", {"command": command["command"], "arguments": command["arguments"]}
    )
    assert "greet(name: str, times: int) -> str" in outline
    assert (await session.wait_for("window/showMessage"))["message"] == outline


async def test_a_client_that_shows_explanations_gets_no_message(workspace: Path) -> None:
    capabilities = {"experimental": {"codecompose": {"explain": True}}}
    async with fake(root=workspace, capabilities=capabilities) as session:
        uri = await session.open(workspace / "quiet.py", SOURCE, "python")
        command = (await actions(session, uri, SOURCE.index("return")))["Explain"]["command"]
        arguments = {"command": command["command"], "arguments": command["arguments"]}
        assert await session.raw_request("workspace/executeCommand", arguments)
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
    assert list(await actions(session, uri, offset, only=["refactor"])) == ["Add input checks"]
    assert list(await actions(session, uri, offset, only=["codecompose.explain"])) == ["Explain"]
    assert list(await actions(session, uri, offset, only=["quickfix"])) == []
    assert len(await actions(session, uri, offset, only=[""])) == 2


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
