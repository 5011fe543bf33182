"""The feedback of a user's own database beside their dashboard: the team's page, without a team."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi")

from codecompose_ls.service.dashboard import local
from codecompose_ls.telemetry.feedback import Feedback, keep, kept

HOSTILE = "=1+1<script>alert(1)</script>"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.sqlite3"


def asking(path: Path, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(local.create_app(path))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


async def test_the_dashboard_leads_to_what_was_said(path: Path) -> None:
    keep(path, Feedback("down", HOSTILE, "assistant", "explain", language="go", at=0.0))
    keep(path, Feedback("up", "fast", at=86_400.0))
    async with asking(path) as client:
        assert 'href="/feedback"' in (await client.get("/dashboard")).text
        page = await client.get("/feedback")
        rows = list(csv.DictReader(StringIO((await client.get("/feedback.csv")).text)))
    assert HOSTILE not in page.text and page.text.index("fast") < page.text.index("alert")
    assert (
        "assistant, explain, go" in page.text
        and "script-src 'self'; style-src 'self'" in page.headers["content-security-policy"]
    )
    assert [(row["day"], row["rating"], row["comment"]) for row in rows] == [
        ("1970-01-02", "up", "fast"),
        ("1970-01-01", "down", f"'{HOSTILE}"),
    ]


async def test_its_comments_are_tagged_by_theme(path: Path) -> None:
    said = Feedback("up", "fast")
    keep(path, said)
    async with asking(path) as client:
        answer = await client.post(f"/feedback/{said.id}", data={"themes": "Latency, ,latency,  Joy  of use"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/feedback")
        assert "fast" in (await client.get("/feedback?theme=latency")).text
        assert "fast" not in (await client.get("/feedback?theme=untagged")).text
    assert [one.themes for one in kept(path)] == [("latency", "joy of use")]


async def test_no_other_site_tags_them(path: Path) -> None:
    said = Feedback("up", "fast")
    keep(path, said)
    async with asking(path, **{"Sec-Fetch-Site": "cross-site"}) as client:
        assert (await client.post(f"/feedback/{said.id}", data={"themes": "bad"})).status_code == 403
        assert (await client.get("/feedback")).status_code == 200
    assert kept(path) == [said]


async def test_an_empty_and_a_damaged_database(path: Path) -> None:
    async with asking(path) as client:
        assert "Nobody has said anything yet." in (await client.get("/feedback")).text
        path.write_bytes(b"no database" * 1000)
        answer = await client.get("/feedback")
    assert answer.status_code == 400 and "cannot be read" in answer.text
