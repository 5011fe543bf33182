"""Feedback: stored once, read and tagged by admins, exported; hostile comments stay text."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import text

from codecompose_ls.service.team import database
from tests.unit.service.team import Service

HOSTILE = '=HYPERLINK("x")<script>alert(1)</script>\0\''


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


async def say(service: Service, name: str = "ben", **said: Any) -> int:
    async with service.client(name) as client:
        answer = await client.post("/v1/feedback", json={"id": uuid4().hex, "rating": "up", **said})
    return answer.json()["stored"] if answer.status_code == 200 else answer.status_code


async def export(service: Service) -> list[dict[str, str]]:
    async with service.client("ann") as admin:
        return list(csv.DictReader(StringIO((await admin.get("/feedback.csv")).text)))


async def test_what_is_said_is_stored_once(service: Service) -> None:
    id = uuid4().hex
    assert await say(service, id=id, comment="quick", themes=["Latency", " latency "], language="go") == 1
    assert await say(service, id=id, comment="something else") == 0
    (row,) = await export(service)
    assert (row["rating"], row["comment"], row["language"]) == ("up", "quick", "go")
    assert "ben" not in row.values() and service.team.user_of("ben") not in row.values()


@pytest.mark.parametrize(
    "wrong", [{"id": "1"}, {"rating": "great"}, {"comment": "x" * 4001}, {"themes": ["x"] * 9}, {"language": "x" * 121}]
)
async def test_what_nobody_can_mean_is_refused(service: Service, wrong: dict[str, Any]) -> None:
    assert await say(service, **wrong) == 400


async def test_only_admins_read_it(service: Service) -> None:
    async with service.client("ben") as ben:
        for path in ("/feedback", "/feedback.csv"):
            assert (await ben.get(path)).status_code == 403
        assert (await ben.post("/feedback/x", data={"themes": "a"})).status_code == 403
    async with service.client() as nobody:
        assert (await nobody.get("/feedback")).headers["location"] == "/login"


async def test_comments_are_tagged_and_counted_by_theme(service: Service) -> None:
    first, second = uuid4().hex, uuid4().hex
    await say(service, id=first, comment="it reads my mind")
    await say(service, id=second, comment="too slow", rating="down")
    async with service.client("ann") as admin:
        answer = await admin.post(
            f"/feedback/{first}", data={"themes": "Accuracy,  accuracy , Joy of use", "theme": ""}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/feedback")
        answer = await admin.post(f"/feedback/{second}", data={"themes": "latency", "theme": "untagged"})
        assert answer.headers["location"] == "/feedback?theme=untagged"
        page = (await admin.get("/feedback?theme=latency")).text
    assert "too slow" in page and "reads my mind" not in page
    assert ">joy of use</a></th><td>1</td><td>0</td>" in page and ">latency</a></th><td>0</td><td>1</td>" in page
    assert {row["comment"]: row["themes"] for row in await export(service)} == {
        "it reads my mind": "accuracy, joy of use",
        "too slow": "latency",
    }


async def test_a_hostile_comment_is_text_on_the_page_and_in_a_spreadsheet(service: Service) -> None:
    assert await say(service, comment=HOSTILE, themes=["<b>"]) == 1
    async with service.client("ann") as admin:
        page = await admin.get("/feedback")
    assert "<script>" not in page.text and "<b>" not in page.text
    assert "script-src 'self';" in page.headers["content-security-policy"]
    (row,) = await export(service)
    assert row["comment"].startswith("'=HYPERLINK")


async def test_a_database_of_before_learns_what_feedback_is_about(service: Service) -> None:
    assert await say(service, comment="old") == 1
    with service.engine.begin() as connection:
        for name in ("about", "assistant"):
            connection.execute(text(f"ALTER TABLE feedback DROP COLUMN {name}"))
        connection.execute(text("DELETE FROM migration WHERE name = 'm003_subject'"))
    database.migrate(service.engine)
    assert await say(service, comment="new", about="assistant", assistant="explain") == 1
    assert {row["comment"]: (row["about"], row["assistant"]) for row in await export(service)} == {
        "old": ("", ""),
        "new": ("assistant", "explain"),
    }
