"""Documents: incremental and full changes, in each position encoding, and what the engine then sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

ENCODINGS = ("utf-8", "utf-16", "utf-32")


async def seen(session: Session, uri: str) -> str:
    """Return the document as the engine sees it with the cursor at the end."""
    await session.inline(uri, len(session.text(uri)), trigger="invoked")
    context = (await session.raw_request("test/state"))["asked"][-1]
    return str(context["prefix"] + context["suffix"])


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_each_position_encoding_is_taken_when_the_client_offers_it(encoding: str, workspace: Path) -> None:
    async with fake(root=workspace, encoding=encoding) as session:
        assert session.initialize_result["capabilities"]["positionEncoding"] == encoding
        head = "#say 👩\u200d🚀本é)\ns = '😀本e\u0301' + print("
        uri = await session.open(workspace / "encoded.py", head + ")\n", "python")
        session.change(uri, head.index("+"), head.index("+"), "🙂 ")
        assert await seen(session, uri) == session.text(uri)
        (item,) = await session.inline(uri, session.text(uri).index("print(") + 6)
        assert item.insert_text == "👩\u200d🚀本é)"
        cursor = session.cursor(uri, session.text(uri).index("print(") + 6)["position"]
        assert item.range is not None
        assert item.range.start.character == cursor["character"]
        assert item.range.end.character == cursor["character"] + 1


async def test_a_client_that_offers_no_encoding_gets_utf_16(workspace: Path) -> None:
    async with fake(root=workspace, capabilities={"general": {}}) as session:
        assert session.initialize_result["capabilities"]["positionEncoding"] == "utf-16"


async def test_incremental_sync_is_advertised_and_full_texts_are_taken_too(session: Session, workspace: Path) -> None:
    sync = session.initialize_result["capabilities"]["textDocumentSync"]
    assert (sync["openClose"], sync["change"]) == (True, 2)
    uri = await session.open(workspace / "full.py", "old = 1\n", "python")
    session.replace_all(uri, "new = 2\n")
    session.change(uri, 0, 3, "newer")
    assert await seen(session, uri) == "newer = 2\n"


async def test_form_feeds_and_unicode_separators_end_no_line(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "feeds.py", "a = 1\x0c\nb = '\u2028\x85'\nc = 3\n", "python")
    session.change(uri, session.text(uri).index("3"), session.text(uri).index("3") + 1, "4")
    assert await seen(session, uri) == session.text(uri)


async def test_a_change_past_the_end_appends(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "past.py", "a = 1", "python")
    place = {"line": 9, "character": 9}
    change = {"range": {"start": place, "end": place}, "text": "2"}
    session.notify(
        "textDocument/didChange", {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [change, change]}
    )
    await session.inline(uri, 5, trigger="invoked")
    assert (await session.raw_request("test/state"))["asked"][-1]["suffix"] in ("22", "")


async def test_lone_surrogates_become_replacement_characters(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "surrogates.py", "s = '\ud83d'\n", "python")
    assert await seen(session, uri) == "s = '\ufffd'\n"


async def test_a_change_of_a_document_that_is_not_open_is_no_fault(session: Session) -> None:
    identifier = {"uri": "file:///nowhere.py", "version": 3}
    session.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [{"text": "x"}]})
    session.notify("textDocument/didClose", {"textDocument": {"uri": "file:///nowhere.py"}})
    assert await session.raw_request("test/state")


async def test_an_opened_document_is_read_ahead_and_so_is_where_one_types(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "warm.py", "before = 1\nafter = 2\n", "python")
    session.change(uri, 10, 10, "0")
    assert await session.raw_request("test/begun", "warm.py, read ahead at 11")


async def test_a_closed_document_is_forgotten(session: Session, workspace: Path) -> None:
    text = "#say hello)\nprint("
    uri = await session.open(workspace / "closed.py", text, "python")
    params = session.cursor(uri, len(text)) | {"context": {"triggerKind": 1}}
    assert len((await session.raw_request("textDocument/inlineCompletion", params))["items"]) == 1
    session.close(uri)
    assert (await session.raw_request("textDocument/inlineCompletion", params))["items"] == []


async def test_a_document_without_a_file_or_a_workspace_is_completed(session: Session) -> None:
    text = "#say hello)\nprint("
    for uri in ("untitled:Untitled-1", "file:///tmp/elsewhere/lone.py", "vscode-vfs://github/some/remote.py"):
        await session.open(uri, text, "python")
        assert len(await session.inline(uri, len(text))) == 1


@given(
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.text("a\n\r\x0c😀本", max_size=4), st.booleans()), max_size=8
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_sequence_of_edits_leaves_both_sides_with_the_same_text(
    session: Session, workspace: Path, edits: list[tuple[float, float, str, bool]]
) -> None:
    uri = await session.open(workspace / "edited.txt", "one\r\ntwo 😀\nthree\n", "plaintext")
    for first, second, text, whole in edits:
        if whole:
            session.replace_all(uri, text + session.text(uri))
        else:
            start, end = sorted(round(share * len(session.text(uri))) for share in (first, second))
            session.change(uri, start, end, text)
    state = await session.raw_request("test/text", {"uri": uri})
    assert state == session.text(uri)
