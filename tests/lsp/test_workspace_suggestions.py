"""What other files of the workspace say is suggested: with a real, tiny model that knows nothing itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from codecompose_ls.lsp.client.session import Session
from tests.models import tiny_model

KNOWN = "import logging\n\nlogger = logging.getLogger(__name__)\n"
ASKED = "import logging\n\nlogger = logging."
#: Requests until what has just happened to a file is known to the index, at most.
TRIES = 400


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def project(workspace: Path) -> Path:
    root = workspace / "project"
    root.mkdir()
    (root / "known.py").write_text(KNOWN, encoding="utf-8")
    return root


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def indexing(project: Path, workspace: Path) -> AsyncIterator[Session]:
    env = {"CODECOMPOSE_CACHE": str(workspace / "cache")}
    model = tiny_model(workspace / "tiny")
    async with Session.start(root=project, options={"model": str(model)}, env=env) as session:
        assert await session.fault() is None
        yield session


async def suggested(session: Session, uri: str, *, until: str) -> str:
    """Ask by hand until the answer is as expected, or long enough; return the last one."""
    text = ""
    for _ in range(TRIES):
        items = await session.inline(uri, len(session.text(uri)), trigger="invoked")
        text = str(items[0].insert_text) if items else ""
        if text == until:
            break
        if items:
            await session.dismiss(items[0], "rejected")
    return text


async def test_a_line_of_another_file_is_suggested(indexing: Session, project: Path) -> None:
    uri = await indexing.open(project / "asked.py", ASKED, "python")
    assert await suggested(indexing, uri, until="getLogger(__name__)") == "getLogger(__name__)"


async def test_a_file_that_was_saved_counts_as_it_is_now(indexing: Session, project: Path) -> None:
    path = project / "other.py"
    path.write_text("answer = compute_all(42)\n", encoding="utf-8")
    changed = {"changes": [{"uri": path.as_uri(), "type": 1}]}
    indexing.notify("workspace/didChangeWatchedFiles", changed)
    uri = await indexing.open(project / "asking.py", "answer = compute_", "python")
    assert await suggested(indexing, uri, until="all(42)") == "all(42)"


async def test_what_was_just_typed_in_another_file_is_suggested(indexing: Session, project: Path) -> None:
    old, new = "total = price.sum_of(items)\n", "total = price.weighted_by(discounts)\n"
    for name in ("one", "two", "three"):
        (project / f"{name}.py").write_text(old, encoding="utf-8")
    changes = [{"uri": (project / f"{name}.py").as_uri(), "type": 1} for name in ("one", "two", "three")]
    indexing.notify("workspace/didChangeWatchedFiles", {"changes": changes})
    uri = await indexing.open(project / "later.py", "total = price.", "python")
    assert await suggested(indexing, uri, until="sum_of(items)") == "sum_of(items)"
    typed = await indexing.open(project / "typed.py", "", "python")
    for character in new:
        end = len(indexing.text(typed))
        indexing.change(typed, end, end, character)
    assert await suggested(indexing, uri, until="weighted_by(discounts)") == "weighted_by(discounts)"


async def test_without_the_index_nothing_is_known(project: Path, workspace: Path) -> None:
    options = {"model": str(workspace / "tiny"), "index": False}
    async with Session.start(root=project, options=options) as session:
        assert await session.fault() is None
        uri = await session.open(project / "asked.py", ASKED, "python")
        items = await session.inline(uri, len(ASKED), trigger="invoked")
        assert [item.insert_text for item in items] != ["getLogger(__name__)"]
