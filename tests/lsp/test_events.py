"""What became of a suggestion, as the client tells it and as the document shows it, counted in the user's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from lsprotocol.types import InlineCompletionItem
from pygls.exceptions import JsonRpcException

from codecompose_ls.lsp.client.session import Session
from codecompose_ls.telemetry.metrics import Metrics
from codecompose_ls.telemetry.summary import export, summary
from tests.lsp.conftest import fake

HELLO = "#say hello, 😀 world)\nprint("
GHOST = "hello, 😀 world)"

Counted = Callable[..., AbstractAsyncContextManager[Session]]


@pytest.fixture
def counted(tmp_path: Path, workspace: Path) -> Counted:
    """A server that counts into a database of its own; `held` holds the clock that times suggestions."""

    @asynccontextmanager
    async def start(*, held: bool = False, **options: Any) -> AsyncIterator[Session]:
        env = {"CODECOMPOSE_DATA": str(tmp_path), "HELD_CLOCK": "yes" if held else ""}
        async with fake(root=workspace, options=options, env=env) as session:
            yield session

    return start


def counts(folder: Path) -> Metrics:
    return summary(folder / "telemetry.sqlite3")


async def shown(folder: Path, number: int) -> Metrics:
    """Look into the database until so many suggestions were shown."""

    async def look() -> Metrics:
        while (found := counts(folder)).shown < number:
            await asyncio.sleep(0.05)
        return found

    return await asyncio.wait_for(look(), 30)


async def suggestion(
    session: Session, workspace: Path, *, show: bool = True, name: str = "counted.py"
) -> tuple[str, InlineCompletionItem]:
    uri = await session.open(workspace / name, HELLO, "python")
    (item,) = await session.inline(uri, len(HELLO))
    assert item.insert_text == GHOST
    if show:
        await session.show(item)
    return uri, item


async def test_an_accepted_suggestion_was_requested_and_shown(
    counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted() as session:
        uri, item = await suggestion(session, workspace)
        session.change(uri, len(HELLO), len(HELLO), GHOST)
        await session.accept(item)
        await session.accept(item)
    found = counts(tmp_path)
    assert (found.requested, found.shown, found.accepted) == (1, 1, 1)
    assert (found.accepted_characters, found.typed_characters) == (len(GHOST), 0)


@pytest.mark.parametrize("with_command", [True, False])
async def test_a_client_that_tells_nothing_is_counted_from_the_command_and_the_document(
    with_command: bool, counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted() as session:
        uri, item = await suggestion(session, workspace, show=False)
        session.change(uri, len(HELLO), len(HELLO), GHOST)
        if with_command:
            await session.accept(item)
    found = counts(tmp_path)
    assert (found.requested, found.shown, found.accepted) == (1, 1, 1)
    assert found.accepted_characters == len(GHOST)


async def test_a_part_that_was_accepted_is_measured_in_utf_16_from_the_start(
    counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted() as session:
        uri, item = await suggestion(session, workspace)
        part = "hello, 😀"
        session.change(uri, len(HELLO), len(HELLO), part)
        await session.accept_part(item, len(part))
    found = counts(tmp_path)
    assert (found.shown, found.accepted, found.partly_accepted) == (1, 0, 1)
    assert found.accepted_characters == len(part)


async def test_a_dismissed_suggestion_is_not_given_again_and_was_not_shown_in_so_short_a_time(
    counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted(held=True) as session:
        uri, item = await suggestion(session, workspace)
        await session.dismiss(item, "rejected")
        (again,) = await session.inline(uri, len(HELLO), trigger="invoked")
        assert again.command is not None and item.command is not None
        assert again.command.arguments != item.command.arguments
        await session.raw_request("test/goOn", {"seconds": 1})
    found = counts(tmp_path)
    assert (found.requested, found.shown, found.accepted) == (2, 0, 0)


@pytest.mark.parametrize("told", [True, False])
async def test_a_suggestion_that_stays_on_the_screen_was_shown_after_750_ms(
    told: bool, counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted() as session:
        await suggestion(session, workspace, show=told)
        found = await shown(tmp_path, 1)
    assert (found.requested, found.accepted) == (1, 0)
    at = {event["kind"]: event["at"] for event in export(tmp_path / "telemetry.sqlite3")}
    # It was drawn no earlier than it was answered; the clocks for timers and for dates may differ by a little.
    assert at["shown"] - at["generated"] > 0.75 - 0.05


async def test_a_suggestion_that_is_gone_before_was_not_shown(
    counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted(held=True) as session:
        _, item = await suggestion(session, workspace, name="dismissed.py")
        await session.dismiss(item, "rejected")
        uri, _ = await suggestion(session, workspace, name="typed_over.py")
        session.change(uri, len(HELLO), len(HELLO), "x")
        uri, _ = await suggestion(session, workspace, name="deleted.py")
        session.change(uri, len(HELLO) - 1, len(HELLO), "")
        uri, _ = await suggestion(session, workspace, name="closed.py")
        session.close(uri)
        await suggestion(session, workspace, name="stays.py")
        await session.raw_request("test/goOn", {"seconds": 1})
        await shown(tmp_path, 1)
    events = list(export(tmp_path / "telemetry.sqlite3"))
    asked = [event["suggestion"] for event in events if event["kind"] == "generated"]
    assert len(asked) == 5
    assert [event["suggestion"] for event in events if event["kind"] == "shown"] == asked[4:]


async def test_a_suggestion_that_is_typed_into_and_drawn_again_and_again_is_shown_once(
    counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted() as session:
        uri, item = await suggestion(session, workspace)
        for number, key in enumerate("hello"):
            session.change(uri, len(HELLO) + number, len(HELLO) + number, key)
            (rest,) = await session.inline(uri, len(HELLO) + number + 1)
            assert rest.command is not None and item.command is not None
            assert rest.command.arguments == item.command.arguments
            await session.show(rest)
        await shown(tmp_path, 1)
        await session.show(rest)
        # Drawn after it and for as long: a second count would have come before.
        await suggestion(session, workspace, name="later.py")
        await shown(tmp_path, 2)
    found = counts(tmp_path)
    assert (found.requested, found.shown) == (7, 2)


async def test_typing_it_all_by_hand_is_typing(counted: Counted, workspace: Path, tmp_path: Path) -> None:
    async with counted() as session:
        uri, _ = await suggestion(session, workspace)
        for number, key in enumerate("hello, w"):
            session.change(uri, len(HELLO) + number, len(HELLO) + number, key)
        await session.raw_request("test/state")
    found = counts(tmp_path)
    assert (found.accepted, found.typed_characters) == (0, len("hello, w"))


async def test_a_client_that_only_shows_popups_is_counted_by_the_command(
    counted: Counted, workspace: Path, tmp_path: Path
) -> None:
    async with counted(popup=True) as session:
        uri = await session.open(workspace / "popup.py", HELLO, "python")
        answer = await session.raw_request("textDocument/completion", session.cursor(uri, len(HELLO)))
        command = answer["items"][0]["command"]
        session.change(uri, len(HELLO), len(HELLO), GHOST)
        arguments = {"command": command["command"], "arguments": command["arguments"]}
        await session.raw_request("workspace/executeCommand", arguments)
    assert counts(tmp_path).accepted == 1


async def test_after_a_suggestion_is_shown_the_next_one_is_prepared(counted: Counted, workspace: Path) -> None:
    async with counted() as session:
        await suggestion(session, workspace)
        assert await session.raw_request("test/begun", "counted.py, to be prepared")
        prepared = (await session.raw_request("test/state"))["asked"][1]
        assert prepared["prefix"].startswith(HELLO + GHOST)


async def test_nothing_is_counted_when_telemetry_is_off(counted: Counted, workspace: Path, tmp_path: Path) -> None:
    async with counted(telemetry=False) as session:
        _, item = await suggestion(session, workspace)
        await session.accept(item)
    assert not (tmp_path / "telemetry.sqlite3").exists()


async def test_counting_stops_and_goes_on_with_the_setting(counted: Counted, workspace: Path, tmp_path: Path) -> None:
    async with counted() as session:
        uri, _ = await suggestion(session, workspace)
        for enabled in (False, True):
            session.notify("workspace/didChangeConfiguration", {"settings": {"telemetry": enabled}})
            await session.inline(uri, len(HELLO))
    assert counts(tmp_path).requested == 2


async def test_a_file_that_is_left_alone_is_not_counted(counted: Counted, workspace: Path, tmp_path: Path) -> None:
    async with counted() as session:
        uri = await session.open(workspace / ".env", "TOKEN=", "plaintext")
        session.change(uri, 6, 6, "x")
        await session.inline(uri, 7)
    found = counts(tmp_path)
    assert (found.requested, found.typed_characters) == (0, 0)


async def test_events_of_any_shape_are_survived(counted: Counted, workspace: Path, tmp_path: Path) -> None:
    async with counted() as session:
        _, item = await suggestion(session, workspace, show=False)
        assert item.command is not None and item.command.arguments
        id = item.command.arguments[0]
        items = [
            None,
            5,
            "x",
            [],
            {},
            {"command": None},
            {"command": {"arguments": []}},
            {"command": {"arguments": [7]}},
        ]
        items += [
            {"command": {"arguments": ["unknown"]}},
            {"command": {"arguments": [id]}, "insertText": {"value": "x"}},
        ]
        for method in (
            "textDocument/didShowCompletion",
            "textDocument/didPartiallyAcceptCompletion",
            "codecompose/didDismissCompletion",
        ):
            session.notify(method)
            for odd in items:
                for length in (None, -1, 10**9, "x", 1.5):
                    session.notify(method, {"item": odd, "acceptedLength": length, "reason": length})
        for arguments in (None, [], [None], [{}], ["unknown", "more"], "x"):
            command = {"command": "codecompose.accepted", "arguments": arguments}
            with suppress(JsonRpcException):
                await session.raw_request("workspace/executeCommand", command)
        assert b"Traceback" not in session.log
    assert counts(tmp_path).accepted == 0
