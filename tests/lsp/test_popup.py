"""textDocument/completion: off unless the setting `popup` asks for it; then the ghost text is one item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

TEXT = "#say nd(item))\n(items.appe"


async def complete(session: Session, uri: str, offset: int) -> Any:
    return await session.raw_request(
        "textDocument/completion", session.cursor(uri, offset) | {"context": {"triggerKind": 1}}
    )


async def test_it_is_not_advertised_unless_asked_for(session: Session) -> None:
    assert "completionProvider" not in session.initialize_result["capabilities"]


async def test_the_suggestion_is_one_item_that_replaces_the_word_before_the_cursor(workspace: Path) -> None:
    async with fake(root=workspace, options={"popup": True}) as session:
        provider = session.initialize_result["capabilities"]["completionProvider"]
        assert "." in provider["triggerCharacters"]
        uri = await session.open(workspace / "popup.py", TEXT + ")\n", "python")
        answer = await complete(session, uri, len(TEXT))
        (item,) = answer["items"]
        assert answer["isIncomplete"]
        assert item["label"] == item["filterText"] == "append(item))"
        edit = {"start": {"line": 1, "character": 7}, "end": {"line": 1, "character": 12}}
        assert item["textEdit"] == {"range": edit, "newText": "append(item))"}
        assert item["command"]["command"] == "codecompose.accepted"
        assert item["command"]["arguments"]


async def test_without_a_suggestion_the_list_is_empty(workspace: Path) -> None:
    async with fake(root=workspace, options={"popup": True}) as session:
        uri = await session.open(workspace / "silent.py", "#say \nitems.", "python")
        assert (await complete(session, uri, 12))["items"] == []


async def test_a_client_that_can_register_gets_it_when_the_setting_changes(workspace: Path) -> None:
    capabilities = {"textDocument": {"completion": {"dynamicRegistration": True}}}
    async with fake(root=workspace, capabilities=capabilities) as session:
        session.notify("workspace/didChangeConfiguration", {"settings": {"popup": True}})
        registered = await session.wait_for("client/registerCapability")
        assert [one["method"] for one in registered["registrations"]] == ["textDocument/completion"]
        uri = await session.open(workspace / "registered.py", TEXT, "python")
        assert len((await complete(session, uri, len(TEXT)))["items"]) == 1
        session.notify("workspace/didChangeConfiguration", {"settings": {"popup": False}})
        assert (await complete(session, uri, len(TEXT)))["items"] == []


async def test_a_client_that_cannot_is_told_to_start_the_server_again(workspace: Path) -> None:
    async with fake(root=workspace) as session:
        session.notify("workspace/didChangeConfiguration", {"settings": {"popup": True}})
        assert "started again" in (await session.wait_for("window/showMessage"))["message"]
