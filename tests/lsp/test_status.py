"""didChangeStatus: what the status line says, sent only when it changes; without a model the server lives."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

HELLO = "#say hello)\nprint("


def statuses(session: Session) -> list[Any]:
    return [params for method, params in session.notifications if method == "didChangeStatus"]


async def test_loading_is_busy_and_a_request_waits_for_the_model(workspace: Path) -> None:
    async with fake(root=workspace, options={"model": "late"}) as session:
        uri = await session.open(workspace / "late.py", HELLO, "python")
        request = session.inline(uri, len(HELLO))
        loading = await session.wait_for("didChangeStatus")
        assert loading == {"kind": "Normal", "message": "loading model 'late'", "busy": True}
        await session.raw_request("test/mayLoad")
        assert [item.insert_text for item in await request] == ["hello)"]
        assert await session.ready() == {"kind": "Normal", "message": "model 'late'", "busy": False}
        assert await session.fault() is None
        assert len(statuses(session)) == 2


async def test_a_request_that_waits_for_the_model_can_be_cancelled(workspace: Path) -> None:
    async with fake(root=workspace, options={"model": "late"}) as session:
        uri = await session.open(workspace / "impatient.py", HELLO, "python")
        request = session.inline(uri, len(HELLO), id="impatient")
        session.cancel("impatient")
        (error,) = await asyncio.gather(request, return_exceptions=True)
        assert getattr(error, "code", None) == -32800
        await session.raw_request("test/mayLoad")
        assert len(await session.inline(uri, len(HELLO))) == 1


async def test_a_corrupt_model_is_an_error_in_the_status_and_answers_are_empty(workspace: Path) -> None:
    async with fake(root=workspace, options={"model": "corrupt"}) as session:
        uri = await session.open(workspace / "corrupt.py", HELLO, "python")
        assert await session.inline(uri, len(HELLO)) == []
        assert await session.fault() == "the model 'corrupt' is damaged; use another one"
        session.notify("workspace/didChangeConfiguration", {"settings": {"model": "whole"}})
        assert len(await session.inline(uri, len(HELLO))) == 1
        assert statuses(session)[-1]["kind"] == "Normal"


async def test_any_other_failure_to_load_is_said_in_one_line(workspace: Path) -> None:
    async with fake(root=workspace, options={"model": "broken"}) as session:
        fault = await session.fault()
        assert fault == "the model 'broken' cannot be loaded (RuntimeError: no memory)"
        assert b"Traceback" not in session.log


async def test_a_model_that_does_not_exist_is_an_error_that_says_where_it_was_looked_for(tmp_path: Path) -> None:
    async with Session.start(root=tmp_path, options={"model": str(tmp_path / "absent")}) as session:
        uri = await session.open(tmp_path / "absent.py", HELLO, "python")
        assert await session.inline(uri, len(HELLO)) == []
        assert "absent" in (await session.fault() or "")


async def test_a_damaged_model_folder_is_an_error(tmp_path: Path, tiny: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in tiny.iterdir():
        content = file.read_bytes()
        (damaged / file.name).write_bytes(content[: len(content) // 2])
    async with Session.start(root=tmp_path, options={"model": str(damaged)}) as session:
        uri = await session.open(tmp_path / "damaged.py", HELLO, "python")
        assert await session.inline(uri, len(HELLO)) == []
        assert str(damaged) in (await session.fault() or "")


async def test_an_engine_that_fails_is_an_error_until_it_answers_again(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "failing.py", "#fail out of memory\nprint(", "python")
    assert await session.inline(uri, len(session.text(uri))) == []
    failed = await session.wait_for("didChangeStatus", lambda status: status["kind"] == "Error")
    assert "out of memory" in failed["message"]
    session.change(uri, 0, len(session.text(uri)), HELLO)
    assert len(await session.inline(uri, len(HELLO))) == 1
    assert statuses(session)[-1]["kind"] == "Normal"


async def test_a_crash_in_the_engine_is_survived(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "crashing.py", "#crash\nprint(", "python")
    assert await session.inline(uri, len(session.text(uri))) == []
    assert statuses(session)[-1]["kind"] == "Error"


async def test_switched_off_is_said_and_no_model_is_loaded_for_it(workspace: Path) -> None:
    async with fake(root=workspace, options={"enabled": False, "model": "corrupt"}) as session:
        assert await session.ready() == {
            "kind": "Inactive",
            "message": "switched off by the setting 'enabled'",
            "busy": False,
        }
        uri = await session.open(workspace / "off.py", HELLO, "python")
        assert await session.inline(uri, len(HELLO)) == []
        session.notify("workspace/didChangeConfiguration", {"settings": {"enabled": True}})
        await session.wait_for("didChangeStatus", lambda status: status["kind"] == "Error")


async def test_it_tells_of_the_document_touched_before_when_the_last_one_is_closed(
    session: Session, workspace: Path
) -> None:
    await session.open(workspace / "mine.py", HELLO, "python")
    settings = await session.open(workspace / "settings.json", "{}", "json")
    session.close(settings)
    session.notify("workspace/didChangeConfiguration", {"settings": {"disabledLanguages": ["python"]}})
    status = await session.wait_for("didChangeStatus", lambda status: status["kind"] == "Inactive")
    assert status["message"] == "switched off for python by the setting 'disabled_languages'"


async def test_the_same_status_is_never_sent_twice_in_a_row(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "steady.py", HELLO, "python")
    for _ in range(5):
        await session.inline(uri, len(HELLO))
    sent = statuses(session)
    assert all(one != other for one, other in pairwise(sent))


async def test_the_real_engine_answers(tmp_path: Path, tiny: Path) -> None:
    async with Session.start(root=tmp_path, options={"model": str(tiny)}) as session:
        uri = await session.open(tmp_path / "real.py", "def greet(name):\n    return ", "python")
        assert await session.fault() is None
        answers = [await session.inline(uri, len(session.text(uri)), trigger="invoked") for _ in range(2)]
        assert answers[0] == answers[1]
        assert session.rss_bytes() > 10_000_000
