"""Servers for the tests, over stdio: the real one with a tiny model, and one whose engine the document commands."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from codecompose_ls.lsp.client.session import Session

FAKE = (sys.executable, "-m", "tests.lsp.fake_server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run on one loop, so that the tests of a file can share a server."""
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


#: Start a server with a commanded engine: `async with fake() as session`.
fake: Callable[..., Session] = partial(Session.start, command=FAKE)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def session(workspace: Path) -> AsyncIterator[Session]:
    """A server with a commanded engine, shared by the tests of a file."""
    async with fake(root=workspace) as session:
        yield session
