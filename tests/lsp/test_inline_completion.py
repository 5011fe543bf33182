"""textDocument/inlineCompletion: the capability, the answer, who asked how."""

from __future__ import annotations

from pathlib import Path

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

HELLO = "#say hello)\nprint("


async def test_it_is_advertised_statically_and_so_is_the_command_of_its_items(session: Session) -> None:
    capabilities = session.initialize_result["capabilities"]
    assert capabilities["inlineCompletionProvider"] == {}
    assert "codecompose.accepted" in capabilities["executeCommandProvider"]["commands"]


async def test_the_item_is_an_insertion_at_the_cursor_whose_command_carries_an_id(
    session: Session, workspace: Path
) -> None:
    uri = await session.open(workspace / "item.py", HELLO, "python")
    (item,) = await session.inline(uri, len(HELLO))
    assert item.insert_text == "hello)"
    assert item.range is not None and item.command is not None
    assert (item.range.start.line, item.range.start.character) == (1, 6)
    assert item.range.end == item.range.start
    assert item.command.command == "codecompose.accepted"
    assert item.command.arguments and isinstance(item.command.arguments[0], str)


async def test_closing_marks_after_the_cursor_are_replaced_on_the_same_line(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "closing.py", HELLO + ")\nmore = 1\n", "python")
    (item,) = await session.inline(uri, len(HELLO))
    assert item.insert_text == "hello)" and item.range is not None
    assert (item.range.end.line, item.range.end.character) == (1, 7)


async def test_typing_through_keeps_the_id(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "typed.py", HELLO, "python")
    (first,) = await session.inline(uri, len(HELLO))
    session.change(uri, len(HELLO), len(HELLO), "he")
    (second,) = await session.inline(uri, len(HELLO) + 2)
    assert second.insert_text == "llo)"
    assert first.command is not None and second.command is not None
    assert second.command.arguments == first.command.arguments


async def test_the_engine_sees_the_path_in_the_workspace(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "package" / "module.py", HELLO, "python")
    await session.inline(uri, len(HELLO))
    context = (await session.raw_request("test/state"))["asked"][-1]
    assert (context["path"], context["language"]) == ("package/module.py", "python")


async def test_a_client_that_declares_nothing_is_answered_all_the_same(workspace: Path) -> None:
    async with fake(root=workspace, capabilities={"textDocument": {}}) as session:
        uri = await session.open(workspace / "undeclared.py", HELLO, "python")
        assert len(await session.inline(uri, len(HELLO))) == 1


async def test_a_document_that_is_not_open_gets_an_empty_answer(session: Session, workspace: Path) -> None:
    params = {
        "textDocument": {"uri": (workspace / "absent.py").as_uri()},
        "position": {"line": 0, "character": 0},
        "context": {"triggerKind": 1},
    }
    assert await session.raw_request("textDocument/inlineCompletion", params) == {"items": []}


async def ask(session: Session, uri: str, offset: int, kind: object) -> int:
    context = {"context": {"triggerKind": kind}}
    result = await session.raw_request("textDocument/inlineCompletion", session.cursor(uri, offset) | context)
    return len(result["items"])


async def test_automatic_requests_stay_silent_inside_a_word_and_invoked_ones_do_not(workspace: Path) -> None:
    text = "#say there\nhel = o"
    async with fake(root=workspace) as session:
        uri = await session.open(workspace / "word.py", text, "python")
        middle = len(text) - 5
        assert await ask(session, uri, middle, 2) == 0
        assert await ask(session, uri, middle, 1) == 1


async def test_a_client_that_has_ever_sent_0_counts_from_0(workspace: Path) -> None:
    text = "#say there\nhel = o\nhel = o"
    async with fake(root=workspace) as session:
        uri = await session.open(workspace / "old.py", text, "python")
        assert await ask(session, uri, len(text) - 5, 0) == 1  # Invoked
        assert await ask(session, uri, text.index(" = o"), 1) == 0  # Automatic


async def test_a_kind_from_the_future_is_automatic(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "future.py", HELLO, "python")
    for kind in (3, 7, -1, "x", None, {}):
        assert await ask(session, uri, len(HELLO), kind) == 1


async def test_the_selected_entry_of_the_popup_is_part_of_the_text(session: Session, workspace: Path) -> None:
    text = "#say (1)\nimport math\nmath.sq"
    uri = await session.open(workspace / "selected.py", text, "python")
    start, cursor = (session.cursor(uri, offset)["position"] for offset in (len(text) - 2, len(text)))
    selected = {"range": {"start": start, "end": cursor}, "text": "sqrt"}
    context = {"triggerKind": 2, "selectedCompletionInfo": selected}
    params = session.cursor(uri, len(text)) | {"context": context}
    (item,) = (await session.raw_request("textDocument/inlineCompletion", params))["items"]
    assert item["insertText"] == "sqrt(1)"
    assert item["range"] == {"start": start, "end": cursor}
