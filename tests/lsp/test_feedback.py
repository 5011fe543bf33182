"""Thumbs up or down: kept on this machine with what the server knows, sent to the user's team if they have one."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from codecompose_ls.cli import main
from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

HELLO = "#say hello)\nprint("


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, for the servers that a test starts and for the command line."""
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


async def say(session: Session, **told: Any) -> dict[str, Any]:
    params = {"command": "codecompose.feedback", "arguments": [told]}
    answer: dict[str, Any] = await session.raw_request("workspace/executeCommand", params)
    return answer


async def suggested(session: Session, workspace: Path, name: str = "told.py", language: str = "python") -> Any:
    uri = await session.open(workspace / name, HELLO, language)
    (item,) = await session.inline(uri, len(HELLO))
    return item


def exported(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["feedback", "export"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_thumb_is_kept_with_what_the_server_knows_and_nothing_of_the_code(
    workspace: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with fake(root=workspace, client="Neovim") as session:
        commands = session.initialize_result["capabilities"]["executeCommandProvider"]["commands"]
        assert "codecompose.feedback" in commands
        item = await suggested(session, workspace)
        id = item.command.arguments[0]
        by_item = {"command": {"title": "", "command": item.command.command, "arguments": [id]}, "insertText": "x"}
        answer = await say(session, rating="down", comment=" too\nlong ", item=by_item)
        assert answer == {
            "kept": True,
            "sent": False,
            "message": "Thank you. Kept on this machine: codecompose-ls feedback list",
        }
        await say(session, rating="up", item=id, uri=(workspace / "told.py").as_uri())
    first, second = exported(capsys)
    assert (first["rating"], first["comment"], second["rating"]) == ("down", "too\nlong", "up")
    for said in (first, second):
        assert {name: said[name] for name in ("about", "language", "editor")} == {
            "about": "suggestion",
            "language": "python",
            "editor": "neovim",
        }
        assert said["model"] and not {"uri", "item", "assistant"} & said.keys()
        assert not any(text in str(said) for text in ("told.py", str(workspace), "hello", "print", id))
    assert first["id"] != second["id"]


async def test_without_an_item_the_suggestion_shown_last_is_meant(
    workspace: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with fake(root=workspace) as session:
        for name, language in (("a.go", "go"), ("b.py", "python")):
            await session.accept(await suggested(session, workspace, name, language))
        uri = await session.open(workspace / "c.rs", "fn main", "rust")
        await say(session, rating="up")
        await say(session, rating="up", about="server", uri=uri)
        await say(session, rating="down", about="assistant", assistant="explain", uri=uri)
    assert [(said["about"], said["language"], said.get("assistant")) for said in exported(capsys)] == [
        ("suggestion", "python", None),
        ("server", "rust", None),
        ("assistant", "rust", "explain"),
    ]


async def test_the_list_is_for_a_person_the_latest_first(
    workspace: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["feedback", "list"]) == 0
    assert capsys.readouterr().out == "nothing has been said yet\n"
    async with fake(root=workspace) as session:
        await say(session, rating="up", comment="it reads\nmy mind")
        await say(session, rating="down", about="server")
    assert main(["feedback", "list"]) == 0
    down, up = capsys.readouterr().out.splitlines()
    assert down.split()[1:] == ["down", "server"] and up.endswith("up    suggestion  it reads my mind")
    assert main(["telemetry", "purge"]) == 0
    capsys.readouterr()
    assert exported(capsys) == []


async def test_with_telemetry_off_nothing_is_kept(workspace: Path, data: Path) -> None:
    async with fake(root=workspace, options={"telemetry": False}) as session:
        answer = await say(session, rating="up", comment="good")
    assert (answer["kept"], answer["sent"]) == (False, False) and "'telemetry' is off" in answer["message"]
    assert not (data / "telemetry.sqlite3").exists()


async def test_a_comment_that_is_a_book_is_not_cut_in_secret(workspace: Path, data: Path) -> None:
    async with fake(root=workspace) as session:
        answer = await say(session, rating="up", comment="x" * 4001)
        assert not answer["kept"] and "4000 characters" in answer["message"]
        assert (await say(session, rating="up", comment="\ud800\0" + "é" * 3999))["kept"]


@pytest.mark.parametrize(
    "told", [{}, {"rating": "great"}, {"rating": "up", "about": "life"}, {"rating": "up", "comment": 1}]
)
async def test_what_is_no_feedback_is_refused(session: Session, told: dict[str, Any]) -> None:
    with pytest.raises(JsonRpcException, match=r"argument|texts"):
        await say(session, **told)


class Team:
    """A real team service that can be reached only while it runs."""

    def __init__(self, folder: Path) -> None:
        from codecompose_ls.service.team import database

        self.engine = database.connect(f"sqlite:///{folder / 'team.sqlite3'}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._running = ExitStack()

    def start(self) -> None:
        from tests.unit.service.conftest import Script, serving

        self._running.enter_context(serving(Script("a"), database=self.engine, port=self._port))

    def stop(self) -> None:
        self._running.close()

    def rows(self) -> list[tuple[str, str, str]]:
        from sqlalchemy import select

        from codecompose_ls.service.team.database import feedback, reading

        with reading(self.engine) as connection:
            columns = (feedback.c.rating, feedback.c.comment, feedback.c.about)
            return [(row[0], row[1], row[2]) for row in connection.execute(select(*columns))]


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    pytest.importorskip("fastapi")
    pytest.importorskip("sqlalchemy")
    from tests.unit.service.conftest import TOKEN

    monkeypatch.setenv("CODECOMPOSE_API_KEY", TOKEN)
    team = Team(tmp_path)
    yield team
    team.stop()


async def test_a_team_that_is_there_has_it_at_once(workspace: Path, data: Path, team: Team) -> None:
    team.start()
    async with fake(root=workspace, options={"telemetryUrl": team.url}) as session:
        await suggested(session, workspace)
        # A busy machine may take longer than anyone waits for an answer.
        while not (answer := await say(session, rating="down", comment="slow", about="server"))["sent"]:
            assert answer["kept"]
    assert answer["message"].endswith("and sent to your team")
    assert set(team.rows()) == {("down", "slow", "server")}


async def test_a_team_that_is_away_gets_it_later_and_once(workspace: Path, data: Path, team: Team) -> None:
    async with fake(root=workspace, options={"telemetryUrl": team.url}) as session:
        answer = await say(session, rating="up", comment="offline")
    assert (answer["kept"], answer["sent"]) == (True, False) and "when its service answers" in answer["message"]
    team.start()
    send(data, team)
    send(data, team)
    assert team.rows() == [("up", "offline", "suggestion")]


async def test_what_was_said_to_nobody_is_never_sent(workspace: Path, data: Path, team: Team) -> None:
    async with fake(root=workspace) as session:
        await say(session, rating="up", comment="to myself")
    async with fake(root=workspace, options={"telemetryUrl": team.url}) as session:
        await say(session, rating="up", comment="not sent yet")
    # Whoever leaves a team takes along what it has not got.
    from codecompose_ls.telemetry.spool import unfollow

    unfollow(data / "telemetry.sqlite3")
    team.start()
    send(data, team)
    assert team.rows() == []


def send(data: Path, team: Team) -> None:
    """Do what the next server does in its thread."""
    import httpx

    from codecompose_ls.telemetry.spool import Service, Spool
    from tests.unit.service.conftest import HEADERS

    spool = Spool(data / "telemetry.sqlite3", Service(team.url, HEADERS), report=pytest.fail)
    with httpx.Client(trust_env=False) as client:
        spool.send(client)
