"""Asked for by hand there is always an answer; by itself the server may stay silent. With a real, tiny model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from codecompose_ls.lsp.client.session import Session
from tests.models import silent_model

CALL = "def greet(name):\n    return "


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def silent(workspace: Path) -> AsyncIterator[Session]:
    """A server whose model would end every answer at once."""
    options = {"model": str(silent_model(workspace / "silent")), "index": False}
    async with Session.start(root=workspace, options=options) as session:
        assert await session.fault() is None
        yield session


async def texts(session: Session, uri: str, offset: int, *, trigger: str = "automatic") -> list[str]:
    return [str(item.insert_text) for item in await session.inline(uri, offset, trigger=trigger)]


async def test_silence_is_for_automatic_requests_alone(silent: Session, workspace: Path) -> None:
    uri = await silent.open(workspace / "greet.py", CALL, "python")
    assert await texts(silent, uri, len(CALL)) == []
    assert await texts(silent, uri, len(CALL), trigger="invoked") == ["print"]


async def test_what_was_given_by_hand_stays_until_it_is_dismissed(silent: Session, workspace: Path) -> None:
    uri = await silent.open(workspace / "kept.py", CALL, "python")
    (item,) = await silent.inline(uri, len(CALL), trigger="invoked")
    silent.change(uri, len(CALL), len(CALL), "pr")
    (rest,) = await silent.inline(uri, len(CALL) + 2)
    assert rest.insert_text == "int"
    assert rest.command is not None and item.command is not None
    assert rest.command.arguments == item.command.arguments
    await silent.dismiss(rest, "rejected")
    assert await texts(silent, uri, len(CALL) + 2) == []


async def test_before_closing_marks_there_is_an_answer_and_before_code_there_need_be_none(
    silent: Session, workspace: Path
) -> None:
    text = "total = round(price())\n"
    uri = await silent.open(workspace / "closing.py", text, "python")
    assert await texts(silent, uri, text.index("))"), trigger="invoked") == ["print"]
    assert await texts(silent, uri, text.index("price"), trigger="invoked") == []


async def test_a_scope_is_opened_by_a_new_line_and_a_blank_line_is_indented(silent: Session, workspace: Path) -> None:
    text = "def greet(name):"
    uri = await silent.open(workspace / "scope.py", text, "python")
    assert await texts(silent, uri, len(text), trigger="invoked") == ["\n    print"]
    silent.change(uri, len(text), len(text), "\n")
    assert await texts(silent, uri, len(text) + 1, trigger="invoked") == ["    print"]
