"""An able editor and a chat model in a server of the test's own, and what the tests of assistants ask and read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pygls.exceptions import JsonRpcException

from tests.http_server import HttpServer, talk
from tests.lsp.editor import ABLE, Editor, editor

SOURCE = """import sys


def double(number: int) -> int:
    return number + number  # TODO: multiply


print(double(int(sys.argv[1])))
"""
INSIDE = SOURCE.index("return")
BETTER = "def double(number: int) -> int:\n    return 2 * number  # TODO: multiply\n"
TOKEN = "ghp_" + "a1B2" * 9
#: An assistant that is none of ours.
OWN = '+++\ntitle = "Say it in Latin"\nkind = "show"\n+++\nExplain in Latin:\n\n{{code}}\n'
EDITS = "refactor.rewrite.codecompose"


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(workspace: Path) -> AsyncIterator[tuple[Editor, HttpServer]]:
    """An able editor with a chat model, for the tests that need nothing else."""
    subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    async with HttpServer() as chat, editor(workspace, chat) as session:
        yield session, chat


@pytest.fixture
def session(shared: tuple[Editor, HttpServer]) -> Editor:
    session, _ = shared
    session.replies["workspace/applyEdit"] = {"applied": True}
    session.asked.clear()
    session.notifications.clear()
    return session


@pytest.fixture
def chat(shared: tuple[Editor, HttpServer]) -> HttpServer:
    _, chat = shared
    chat.answers.clear()
    chat.asked.clear()
    chat.left.clear()
    return chat


@pytest_asyncio.fixture(loop_scope="session")
async def uri(session: Editor, workspace: Path, request: pytest.FixtureRequest) -> str:
    """A document of its own for each test."""
    return await session.open(workspace / f"{re.sub(r'[^a-z]+', '_', request.node.name)}.py", SOURCE, "python")


def able(**changes: Any) -> dict[str, Any]:
    """An able editor's capabilities with some replaced; None takes one away."""
    return {name: value for name, value in {**ABLE, **changes}.items() if value is not None}


def code(text: str) -> str:
    return f"Here you are:\n\n```python\n{text}```\n"


async def listing(session: Editor, uri: str) -> Any:
    params = {"command": "codecompose.assistants", "arguments": [{"uri": uri}]}
    return await session.raw_request("workspace/executeCommand", params)


async def failure(session: Editor, uri: str, name: str = "review") -> str:
    """Return the line that the user reads in place of an answer."""
    with pytest.raises(JsonRpcException) as raised:
        await session.assist(name, uri, INSIDE, partialResultToken="here")
    assert raised.value.code == -32803
    assert "\n" not in raised.value.message
    return str(raised.value.message)


async def answered(session: Editor, chat: HttpServer, uri: str) -> None:
    """See that the same server is asked again, and so is not held for one that is down."""
    chat.answers.append(talk("It doubles."))
    assert (await session.assist("review", uri, INSIDE))["markdown"] == "It doubles."
