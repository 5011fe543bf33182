"""The roll-out at the service: looked at daily and on demand, handed out to everyone, and on the dashboard."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from codecompose_ls.rollout import client as rollout_client
from codecompose_ls.rollout.experiments import Status, parse
from codecompose_ls.rollout.record import Record
from codecompose_ls.service.team import team
from codecompose_ls.service.team.entries import enter
from tests.sessions import session
from tests.unit.service.team import Service, running

FILE = """
[experiments.eager]
settings = { eagerness = "high" }
waves = [{ percent = 50, days = 1 }]
[experiments.eager.guard_rails]
acceptance_rate = 0.02
"""
PATH = "/v1/rollout"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rollout.toml"
    path.write_text(FILE)
    return path


async def test_nothing_is_handed_out_where_nothing_is_rolled_out(tmp_path: Path) -> None:
    async with running(Service(tmp_path)) as service, service.client("ben") as client:
        answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_rollout")


async def test_what_is_handed_out_is_what_the_client_lives_by(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(tmp_path, rollout_file=file)
    service.team.rollout.look()
    async with service.client("ben") as client:
        answer = await client.get(PATH)
        tag = answer.headers["etag"]
        assert (await client.get(PATH, headers={"If-None-Match": f'"other", {tag}'})).status_code == 304
        assert (await client.get(PATH, headers={"If-None-Match": '"other"'})).status_code == 200
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "user"))
    rollout_client.receive(answer.text)
    assert rollout_client.current().cohort in ("eager/new", "eager/old")


async def test_a_harmful_change_is_halted_at_the_next_look_and_the_dashboard_says_why(
    tmp_path: Path, file: Path
) -> None:
    service = Service(tmp_path, rollout_file=file)
    service.team.rollout.look()
    draw = random.Random(1)
    for number in range(80):
        arm = "new" if number % 2 else "old"
        said = session(draw, suggestions=30)
        if arm == "new":
            said = [event for event in said if event.kind.value != "accepted"]
        enter(service.engine, f"user{number}", [replace(event, cohort=f"eager/{arm}") for event in said])
    async with service.client("ann") as admin, service.client("ben") as ben:
        assert (await ben.post(f"{PATH}/look")).status_code == 403
        assert (await admin.post(f"{PATH}/look")).status_code == 200
        assert parse((await ben.get(PATH)).text).states["eager"].status is Status.HALTED
        assert "acceptance_rate" in (await ben.get("/dashboard/csv/rollout.csv")).text
        assert "halt" in (await ben.get("/dashboard")).text
    assert [entry.what for entry in Record(tmp_path / "record.jsonl").entries()] == ["started", "hold", "halt"]


async def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path, file: Path) -> None:
    service = Service(tmp_path, rollout_file=file)
    before = service.team.rollout.look()
    file.write_text("experiments = 3\n")
    service.team.rollout.look_if_there_is_one()
    async with service.client("ann") as admin:
        answer = await admin.post(f"{PATH}/look")
        assert answer.status_code == 400 and "rollout.toml" in answer.json()["error"]["message"]
        assert (await admin.get(PATH)).text == before


async def test_a_database_that_was_away_at_the_daily_look_is_looked_at_again_soon(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(team, "AGAIN_S", 0.05)
    service = Service(tmp_path, rollout_file=file)
    with service.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE setting RENAME TO gone")
    async with running(service), service.client("ben") as ben:
        while "the roll-out stays as it is" not in caplog.text:
            await asyncio.sleep(0.01)
        answer = await ben.get(PATH)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        with service.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO setting")
        while (await ben.get(PATH)).status_code != 200:
            await asyncio.sleep(0.01)


async def test_a_server_without_the_file_hands_out_what_the_other_decided(tmp_path: Path, file: Path) -> None:
    looking, other = Service(tmp_path, rollout_file=file), Service(tmp_path)
    decided = looking.team.rollout.look()
    async with other.client("ann") as admin:
        assert (await admin.get(PATH)).text == decided
        assert (await admin.post(f"{PATH}/look")).status_code == 400
