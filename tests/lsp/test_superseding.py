"""A newer request takes the place of an older one, and $/cancelRequest reaches the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pygls.exceptions import JsonRpcException

from codecompose_ls.lsp.client.session import Session

CANCELLED = -32800
HANG = "#hang\nprint("


async def test_the_older_request_is_answered_empty_and_its_generation_stops(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "superseded.py", HANG, "python")
    older = session.inline(uri, len(HANG))
    await session.raw_request("test/begun", "superseded.py")
    session.change(uri, 0, len(HANG), "#say new)\nprint(")
    newer = session.inline(uri, len(session.text(uri)))
    assert await older == []
    assert [item.insert_text for item in await newer] == ["new)"]
    assert await session.raw_request("test/stopped", "superseded.py")


async def test_another_document_supersedes_nothing(session: Session, workspace: Path) -> None:
    hanging = await session.open(workspace / "hanging.py", HANG, "python")
    older = session.inline(hanging, len(HANG), id="older")
    text = "#say hello)\nprint("
    uri = await session.open(workspace / "beside.py", text, "python")
    assert len(await session.inline(uri, len(text))) == 1
    assert not older.done()
    session.cancel("older")
    with pytest.raises(JsonRpcException):
        await older


async def test_a_cancelled_request_gets_its_error_and_the_engine_stops(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "cancelled.py", HANG, "python")
    request = session.inline(uri, len(HANG), id=7)
    await session.raw_request("test/begun", "cancelled.py")
    session.cancel(7)
    with pytest.raises(JsonRpcException) as raised:
        await request
    assert raised.value.code == CANCELLED
    assert await session.raw_request("test/stopped", "cancelled.py")


async def test_of_many_keys_each_request_is_answered_once_and_the_last_one_wins(
    session: Session, workspace: Path
) -> None:
    uri = await session.open(workspace / "burst.py", HANG, "python")
    requests = [session.inline(uri, len(HANG))]
    for key in "abcdefgh":
        session.change(uri, len(HANG), len(HANG), key)
        requests.append(session.inline(uri, len(HANG) + 1, trigger="invoked"))
    session.change(uri, 0, len(session.text(uri)), "#say last)\nprint(")
    requests.append(session.inline(uri, len(session.text(uri))))
    *older, last = await asyncio.gather(*requests)
    assert older == [[]] * 9
    assert [item.insert_text for item in last] == ["last)"]


async def test_a_change_behind_a_request_does_not_reach_it(session: Session, workspace: Path) -> None:
    text = "#say old)\nprint("
    uri = await session.open(workspace / "ordered.py", text, "python")
    request = session.inline(uri, len(text))
    session.change(uri, 5, 8, "new")
    assert [item.insert_text for item in await request] == ["old)"]


async def test_cancelling_what_is_unknown_or_answered_is_no_fault(session: Session) -> None:
    session.cancel("never asked")
    session.notify("$/cancelRequest", {"id": None})
    session.notify("$/cancelRequest", {"id": {}})
    session.notify("$/cancelRequest")
    assert await session.raw_request("test/state")
