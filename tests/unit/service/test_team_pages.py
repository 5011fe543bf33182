"""The team's dashboard: behind a login, of groups alone but for admins, who alone see people."""

from __future__ import annotations

import csv
import random
import re
from datetime import date
from html import unescape
from io import StringIO
from pathlib import Path

import httpx
import pytest
from starlette.requests import HTTPConnection

from codecompose_ls.service.access import Tokens
from codecompose_ls.service.team import closing, database
from codecompose_ls.service.team.login import COOKIE, KEEP_S, DatabaseSessions
from tests.sessions import session
from tests.unit.service.team import PEOPLE, Service, token

EVER = "?days=all"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


async def fill(service: Service, *names: str, language: str = "python") -> None:
    for name in names:
        await service.post(name, session(random.Random(name + language), suggestions=3, language=language))


async def test_a_browser_is_sent_to_the_login_and_a_program_is_not(service: Service) -> None:
    async with service.client() as client:
        for path in ("/", "/dashboard", "/dashboard/csv/overview.csv", "/people.csv"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        for path in ("/v1/models", "/v1/rollout", "/metrics", "/dashboards"):
            assert (await client.get(path)).status_code == 401
        assert (await client.post("/logout")).status_code == 401
        page = await client.get("/login")
    assert (
        page.status_code == 200
        and 'type="password"' in page.text
        and "frame-ancestors 'none'" in page.headers["content-security-policy"]
    )


async def test_login_gives_a_cookie_that_opens_pages_and_nothing_else_until_logout(service: Service) -> None:
    async with service.client() as client:
        answer = await client.post("/login", data={"token": token("ben")})
        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and token("ben") not in cookie
        assert (await client.get("/dashboard")).status_code == 200
        assert (await client.get("/")).headers["location"] == "/dashboard"
        assert (await client.post("/v1/events", json={"events": []})).status_code == 401
        assert (await client.get("/v1/models")).status_code == 401
        kept = client.cookies[COOKIE]
        assert (await client.post("/logout")).headers["location"] == "/login"
        # The cookie itself is worth nothing any more, whoever has a copy of it.
        client.cookies.set(COOKIE, kept)
        assert (await client.get("/dashboard")).status_code == 303


async def test_the_dashboard_leads_to_what_its_reader_may_see(service: Service) -> None:
    for name, is_admin in (("ben", False), ("ann", True)):
        async with service.client() as client:
            await client.post("/login", data={"token": token(name)})
            page = (await client.get("/dashboard")).text
            assert ('href="/feedback"' in page, 'href="/people.csv"' in page) == (is_admin, is_admin)
            assert '<form method="post" action="/logout">' in page
            assert "<code>telemetry_url</code> names this service" in page


async def test_a_wrong_token_is_told_so(service: Service) -> None:
    async with service.client() as client:
        for given in ("", "<b>", token("nobody")):
            answer = await client.post("/login", data={"token": given})
            assert answer.status_code == 403 and "does not open the service" in answer.text
            assert "set-cookie" not in answer.headers and "<b>" not in answer.text


async def test_a_database_that_is_away_is_one_line_on_every_page(service: Service) -> None:
    with service.engine.begin() as connection:
        for table in ("total", "feedback", "session"):
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO gone_{table}")
    async with service.client("ann") as admin:
        for path in ("/dashboard", "/dashboard/csv/overview.csv", "/people.csv", "/feedback", "/feedback.csv"):
            answer = await admin.get(path)
            assert answer.status_code == 503 and "the team's database does not answer" in unescape(answer.text), path
        said = {"id": "a" * 32, "rating": "up"}
        assert (await admin.post("/v1/feedback", json=said)).status_code == 503
    async with service.client() as browser:
        answer = await browser.post("/login", data={"token": token("ben")})
        assert answer.status_code == 503 and "Nobody can log in now" in answer.text


async def test_over_tls_the_cookie_stays_there(service: Service) -> None:
    async with service.client() as client:
        answer = await client.post("https://service/login", data={"token": token("ben")})
    assert "Secure" in answer.headers["set-cookie"]


def test_whoever_loses_their_token_is_logged_out_and_so_is_everyone_after_a_month(service: Service) -> None:
    cookie = service.team.sessions.begin(token("ben"))
    assert cookie is not None

    def may_enter(sessions: DatabaseSessions) -> bool:
        scope = {"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]}
        return sessions.person(HTTPConnection(scope)) is not None

    later = database.now() + KEEP_S + 1
    assert may_enter(DatabaseSessions(service.engine, service.tokens))
    assert not may_enter(DatabaseSessions(service.engine, Tokens([f"{token('ann')} ann"])))
    assert not may_enter(DatabaseSessions(service.engine, service.tokens, clock=lambda: later))


async def test_figures_of_fewer_than_five_people_are_for_admins(service: Service) -> None:
    await fill(service, *PEOPLE[1:5])
    async with service.client("ben") as ben, service.client("ann") as ann:
        assert "Figures of fewer than 5 people are not shown" in (await ben.get(f"/dashboard{EVER}")).text
        overview = f"/dashboard/csv/overview.csv{EVER}"
        assert shown(await ben.get(overview)) == 0 < shown(await ann.get(overview))
        await fill(service, PEOPLE[5])
        await fill(service, "ben", language="go")
        assert shown(await ben.get(overview)) > 0
        languages = f"/dashboard/csv/languages.csv{EVER}"
        assert [row["language"] for row in rows(await ben.get(languages))] == ["python"]
        assert {row["language"] for row in rows(await ann.get(languages))} == {"python", "go"}


async def test_only_admins_see_people(service: Service) -> None:
    await fill(service, "ben", "cho")
    path = "/people.csv?days=3650"
    async with service.client("ben") as ben, service.client("ann") as ann:
        refusal = await ben.get(path)
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (403, "not_admin")
        assert {row["person"] for row in rows(await ann.get(path))} == {"ben", "cho"}
        everything = (await ben.get(f"/dashboard{EVER}")).text + (await ben.get("/metrics")).text
    for name in ("ben", "cho"):
        assert not re.search(rf"\b{name}\b", everything) and service.team.user_of(name) not in everything


async def test_a_person_is_erased_by_themselves_or_an_admin(service: Service) -> None:
    await fill(service, "ben", "cho", "dee")
    async with service.client("ben") as ben, service.client("ann") as ann:
        await ben.post("/v1/feedback", json={"id": "b" * 32, "rating": "up", "comment": "mine"})
        closing.close_days(service.engine, today=date(2100, 1, 1))
        before = shown(await ann.get(f"/dashboard/csv/overview.csv{EVER}"))
        assert (await ben.delete("/v1/people/cho")).status_code == 403
        assert (await ben.delete("/v1/people/ben")).json()["deleted"] > 1
        # Whoever has no token any more goes by the id in the table of people.
        assert (await ann.delete(f"/v1/people/{service.team.user_of('dee')}")).json()["deleted"] > 0
        assert (await ann.delete("/v1/people/nobody")).json() == {"deleted": 0}
        assert 0 < shown(await ann.get(f"/dashboard/csv/overview.csv{EVER}")) < before
        assert {row["person"] for row in rows(await ann.get("/people.csv?days=3650"))} == {"cho"}
        assert "mine" not in (await ann.get("/feedback")).text
    # The sums of closed days that they were in are made anew with the next ones.
    closing.close_days(service.engine, today=date(2100, 1, 1))
    with service.engine.connect() as connection:
        text = str([connection.execute(table.select()).all() for table in database.metadata.tables.values()])
    assert service.team.user_of("ben") not in text and service.team.user_of("cho") in text


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(answer.text)))


def shown(answer: httpx.Response) -> int:
    return int(rows(answer)[0]["shown"])
