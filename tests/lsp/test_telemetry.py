"""What the server counts, told to a client that asks for it; and which editor it is counted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.lsp.client.session import Session
from codecompose_ls.telemetry.summary import export
from codecompose_ls.telemetry.wire import from_json, to_json
from tests.lsp.conftest import fake

ASKS = {"experimental": {"codecompose": {"telemetry": True}}}
HELLO = "#say hello)\nprint("


async def use(session: Session, workspace: Path) -> None:
    """Have a suggestion and accept it."""
    uri = await session.open(workspace / "told.py", HELLO, "python")
    (item,) = await session.inline(uri, len(HELLO))
    await session.show(item)
    session.change(uri, len(HELLO), len(HELLO), item.insert_text)
    await session.accept(item)


def told(session: Session) -> list[dict[str, Any]]:
    return [params for method, params in session.notifications if method == "telemetry/event"]


async def test_a_client_that_asks_for_events_gets_those_that_are_stored(workspace: Path, tmp_path: Path) -> None:
    env = {"CODECOMPOSE_DATA": str(tmp_path)}
    async with fake(root=workspace, env=env, capabilities=ASKS, client="Neovim") as session:
        await use(session, workspace)
        # The answer to the accept command comes behind them.
        events = told(session)
    assert [event["kind"] for event in events] == ["generated", "shown", "accepted"]
    stored = {event["id"]: event for event in export(tmp_path / "telemetry.sqlite3")}
    assert all(stored[event["id"]] == event == to_json(from_json(event)) for event in events)
    assert {event["editor"] for event in events} == {"neovim"}
    assert {event["position"] for event in events} == {"line end"}


@pytest.mark.parametrize(
    ("capabilities", "options"),
    [
        ({}, {}),
        ({"experimental": {"codecompose": {"telemetry": False}}}, {}),
        ({"experimental": "?"}, {}),
        (ASKS, {"telemetry": False}),
    ],
)
async def test_nobody_else_is_told(capabilities: Any, options: Any, workspace: Path, tmp_path: Path) -> None:
    env = {"CODECOMPOSE_DATA": str(tmp_path)}
    async with fake(root=workspace, env=env, capabilities=capabilities, options=options) as session:
        await use(session, workspace)
    assert told(session) == []
