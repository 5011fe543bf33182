"""Weights that are promoted reach a running server, by workspace, without a restart and without a request lost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from codecompose_ls.backends.local import OUTDATED, LocalBackend
from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.lsp.client.session import Session
from codecompose_ls.models import registry
from codecompose_ls.settings import Settings
from codecompose_ls.types import CompletionRequest, Document, Trigger
from tests.adapters import describe, lora, prefix
from tests.lsp.conftest import fake
from tests.models import silent_model, tiny_model

HELLO = "#say hello)\nprint("
CODE = "def total(items):\n    return "
#: What the commanded server loads (or not) by these names, and one more.
NAMES = ("tuned", "late", "corrupt", "other")


@pytest.fixture(scope="module", autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A registry of this file's own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("CODECOMPOSE_DATA", str(tmp_path_factory.mktemp("data")))
    source = tiny_model(tmp_path_factory.mktemp("source") / "tiny")
    for name in NAMES:
        registry.add(source, name)
    yield
    patch.undo()


async def says(session: Session, message: str, *, kind: str = "Normal", after: int = 0) -> Any:
    """Wait for a status, and return it."""
    return await session.wait_for(
        "didChangeStatus",
        lambda status: message in status["message"] and status["kind"] == kind and not status["busy"],
        after=after,
    )


async def closed(session: Session) -> list[str]:
    state = await session.raw_request("test/state")
    return list(state["closed"])


async def test_it_answers_without_a_restart(tmp_path: Path) -> None:
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "shop.py", HELLO, "python")
        await session.ready()
        assert len(await session.inline(uri, len(HELLO))) == 1
        registry.promote("tuned", tmp_path)
        await says(session, "model 'tuned'")
        assert await closed(session) == ["base"]
        # The same cursor again: nothing that the weights before have said is given any more.
        assert len(await session.inline(uri, len(HELLO))) == 1
        assert len((await session.raw_request("test/state"))["asked"]) == 1
        heard = len(session.notifications)
        assert registry.roll_back(tmp_path) == "base"
        await says(session, "model 'base'", after=heard)
        assert await closed(session) == ["base", "tuned"]


async def test_it_is_noticed_by_the_next_request(tmp_path: Path) -> None:
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "shop.py", HELLO, "python")
        await session.ready()
        registry.promote("tuned", tmp_path)
        await session.inline(uri, len(HELLO))
        # Nothing was said by hand and no time has passed, but the loading has begun.
        await session.wait_for("didChangeStatus", lambda status: status["message"] == "loading model 'tuned'")
        await says(session, "model 'tuned'")


async def test_what_is_in_force_answers_from_the_start(tmp_path: Path) -> None:
    registry.promote("tuned", tmp_path)
    async with fake(root=tmp_path) as session:
        assert (await session.ready())["message"].startswith("model 'tuned'")
        assert await closed(session) == []


async def test_what_answered_answers_until_the_new_weights_are_ready(tmp_path: Path) -> None:
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "shop.py", HELLO, "python")
        await session.ready()
        registry.promote("late", tmp_path)
        await session.wait_for("didChangeStatus", lambda status: status["message"] == "loading model 'late'")
        assert len(await session.inline(uri, len(HELLO))) == 1
        assert await closed(session) == []
        await session.raw_request("test/mayLoad")
        await says(session, "model 'late'")


async def test_a_request_under_way_is_asked_again_and_not_lost(tmp_path: Path) -> None:
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "shop.py", "#hang\nprint(", "python")
        await session.ready()
        request = session.inline(uri, 12, id="patient")
        await session.raw_request("test/begun", "shop.py")
        registry.promote("tuned", tmp_path)
        await says(session, "model 'tuned'")
        assert await session.raw_request("test/begun", "shop.py")
        assert (await session.raw_request("test/state"))["asked"][0]["prefix"] == "#hang\nprint("
        assert not request.done()
        session.cancel("patient")
        with suppress(Exception):
            await request


async def test_each_folder_has_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("shop", "site", "plain")]
    for folder, name in zip(folders, ("tuned", "other", ""), strict=True):
        folder.mkdir()
        if name:
            registry.promote(name, folder)
    async with fake(root=folders[0]) as session:
        change = {"event": {"added": [{"uri": one.as_uri(), "name": one.name} for one in folders], "removed": []}}
        session.notify("workspace/didChangeWorkspaceFolders", change)
        for folder, name in zip(folders, ("tuned", "other", "base"), strict=True):
            uri = await session.open(folder / "module.py", HELLO, "python")
            assert len(await session.inline(uri, len(HELLO))) == 1
            await says(session, f"model '{name}'")
        assert await closed(session) == []
        removed = {"event": {"added": [], "removed": [{"uri": folders[1].as_uri(), "name": "site"}]}}
        session.notify("workspace/didChangeWorkspaceFolders", removed)
        while await closed(session) != ["other"]:
            await asyncio.sleep(0.01)


async def test_a_model_that_the_user_has_named_wins(tmp_path: Path) -> None:
    registry.promote("tuned", tmp_path)
    async with fake(root=tmp_path, options={"model": "other"}) as session:
        assert (await session.ready())["message"].startswith("model 'other'")
        session.notify("workspace/didChangeConfiguration", {"settings": {"model": "base"}})
        await says(session, "model 'tuned'")


async def test_promoted_weights_that_cannot_be_used_leave_it_to_the_base(tmp_path: Path) -> None:
    registry.promote("corrupt", tmp_path)
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "shop.py", HELLO, "python")
        assert len(await session.inline(uri, len(HELLO))) == 1
        await says(session, "model 'base': the model 'corrupt' is damaged; use another one", kind="Warning")
        registry.promote("tuned", tmp_path)
        await says(session, "model 'tuned'")


async def test_a_damaged_list_of_promotions_leaves_it_to_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "promotions.json").write_text("{")
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "shop.py", HELLO, "python")
        assert len(await session.inline(uri, len(HELLO))) == 1
        await says(session, "promotions.json cannot be read", kind="Warning")
        (tmp_path / "data" / "promotions.json").unlink()
        await says(session, "model 'base'")


# The real server, with the shipped model as the base.

Expected = Callable[[str], Awaitable[str]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tuned(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Expected]:
    """Models of every kind in the registry; says what each suggests, asked without a server."""
    folder, base = tmp_path_factory.mktemp("tuned"), registry.BASE
    registry.add(lora(folder / "lora", base, scale=0.2), "shop-lora")
    registry.add(prefix(folder / "prefix", base, scale=8), "shop-prefix")
    own: dict[str, Any] = {"tokenizer_hash": None, "context": 256}
    registry.add(describe(silent_model(folder / "full", wishes=("print",)), base, "custom", own), "shop-full")
    own |= {"base": {"name": "base", "content_hash": "0" * 64}}
    registry.add(describe(tiny_model(folder / "older", seed=6), base, "custom", own), "shop-older")

    async def suggested(name: str) -> str:
        backend = LocalBackend(registry.resolve(name))
        try:
            document = Document("file:///shop.py", "shop.py", "python", CODE)
            answer = await Pipeline(backend, Settings()).complete(
                CompletionRequest(document, len(CODE), Trigger.INVOKED)
            )
        finally:
            backend.close()
        return answer.suggestion.text if answer.suggestion else ""

    yield suggested


async def command(*arguments: str) -> None:
    """Run the command line in a process of its own."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "codecompose_ls", "models", *arguments)
    assert await process.wait() == 0


async def test_every_kind_of_tuned_weights_over_stdio(tmp_path: Path, tuned: Expected) -> None:
    texts = {name: await tuned(name) for name in ("base", "shop-full", "shop-lora", "shop-prefix")}
    assert len(set(texts.values())) == 4, "each says something else, or this test shows nothing"
    options = {"index": False, "telemetry": False}
    async with Session.start(root=tmp_path, options=options) as session:
        uri = await session.open(tmp_path / "shop.py", CODE, "python")
        await session.ready()

        async def suggested() -> str:
            items = await session.inline(uri, len(CODE), trigger="invoked")
            return str(items[0].insert_text) if items else ""

        assert await suggested() == texts["base"]
        for name in ("shop-full", "shop-lora", "shop-prefix"):
            await command("promote", name, "--workspace", str(tmp_path))
            await suggested()  # the next key: nobody has to wait for the server to look by itself
            await says(session, f"model '{name}'")
            assert await suggested() == texts[name]
        for name in ("shop-lora", "shop-full", "base"):
            heard = len(session.notifications)
            await command("rollback", "--workspace", str(tmp_path))
            await suggested()
            await says(session, f"model '{name}'", after=heard)
            assert await suggested() == texts[name]


async def test_weights_on_an_older_base_answer_and_say_so(tmp_path: Path, tuned: Expected) -> None:
    registry.promote("shop-older", tmp_path)
    async with Session.start(root=tmp_path, options={"index": False, "telemetry": False}) as session:
        status = await session.ready()
        assert status == {"kind": "Warning", "message": f"model 'shop-older': {OUTDATED}", "busy": False}
