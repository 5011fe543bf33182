"""What the engine is not sure of: kept back while one types, given when asked for, and the setting that moves this."""

from __future__ import annotations

from pathlib import Path

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

GUESS = "#guess hello)\nprint("


async def test_a_guess_is_for_who_asks_and_stays_once_it_is_given(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "guess.py", GUESS, "python")
    assert await session.inline(uri, len(GUESS)) == []
    (item,) = await session.inline(uri, len(GUESS), trigger="invoked")
    assert item.insert_text == "hello)"
    session.change(uri, len(GUESS), len(GUESS), "he")
    (rest,) = await session.inline(uri, len(GUESS) + 2)
    assert rest.insert_text == "llo)"


async def test_the_setting_moves_it_while_the_server_runs(workspace: Path) -> None:
    async with fake(root=workspace, options={"eagerness": "high"}) as session:
        uri = await session.open(workspace / "eager.py", GUESS, "python")
        assert len(await session.inline(uri, len(GUESS))) == 1
        session.notify("workspace/didChangeConfiguration", {"settings": {"eagerness": "low"}})
        assert await session.inline(uri, len(GUESS)) == []
