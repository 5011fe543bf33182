"""Events on their way to the team: every new one at least once, whatever becomes of the service, and no old one."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("sqlalchemy")

from sqlalchemy import Engine, select

from codecompose_ls.service.team import database
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.database import connect, purge
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.metrics import metrics
from codecompose_ls.telemetry.spool import MOST_EVENTS, Refusal, Service, Spool, follow, unfollow
from codecompose_ls.telemetry.store import Store
from tests.unit.service.conftest import HEADERS, Script, serving

Answer = Callable[[httpx.Request], httpx.Response]
URL = "http://team"


def record(path: Path, *characters: int) -> None:
    store = Store(path, report=pytest.fail)
    for count in characters:
        store.record(Event(Kind.TYPED, "python", characters=count))
    store.close(timeout_s=60)


def following(path: Path, url: str = URL) -> Path:
    with closing(connect(path)) as connection:
        follow(path, connection, url)
    return path


class Scripted:
    """A service that answers as the test says; `got` are the characters of the events that it took."""

    def __init__(self, *answers: int, refuse: Callable[[list[int]], int] = lambda _: 200) -> None:
        self.answers, self.refuse = list(answers), refuse
        self.got: list[int] = []
        self.sizes: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url == f"{URL}/v1/events"
        batch = [event["characters"] for event in json.loads(request.content)["events"]]
        self.sizes.append(len(batch))
        status = self.answers.pop(0) if self.answers else self.refuse(batch)
        if status == 200:
            self.got += batch
        return httpx.Response(status, headers={"Retry-After": "7"} if status == 429 else {})

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.sqlite3"


@pytest.fixture
def spool(path: Path) -> Spool:
    return Spool(path, Service(URL, {"Authorization": "Bearer key"}), report=pytest.fail)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[tuple[str, Engine]]:
    """The address of a real service, and its database."""
    engine = database.connect(f"sqlite:///{tmp_path / 'team.sqlite3'}")
    with serving(Script("a"), database=engine) as address:
        yield address, engine


def test_the_team_counts_what_the_user_counts(team: tuple[str, Engine], path: Path) -> None:
    address, engine = team
    following(path, address)
    record(path, *range(1, 2 * MOST_EVENTS))
    spool = Spool(path, Service(address, HEADERS), report=pytest.fail)
    with httpx.Client(trust_env=False) as client:
        assert spool.send(client) == 2 * MOST_EVENTS - 1
        assert spool.send(client) == 0
        # An answer that never came: the mark is where it was, and everything goes once more.
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE sent SET number = 0")
        assert spool.send(client) == 2 * MOST_EVENTS - 1
    assert metrics(TeamSource(engine)()) == metrics(buckets(path))
    with database.reading(engine) as team_database:
        users = set(team_database.scalars(select(database.events.c.user)))
    assert len(users) == 1 and not {"", "token"} & users


def test_what_was_counted_before_a_service_was_named_never_goes_there(path: Path, spool: Spool) -> None:
    record(path, 1, 2)
    service = Scripted()
    with service.client() as client:
        assert spool.send(client) == 0
        record(path, 3)
        assert spool.send(client) == 1
        unfollow(path)
        record(path, 4)
        assert spool.send(client) == 0
        record(path, 5)
        assert spool.send(client) == 1
    assert service.got == [3, 5]


def test_a_database_that_follows_nobody_is_not_opened_to_leave_anybody(path: Path, spool: Spool) -> None:
    unfollow(path)
    assert not path.exists()
    record(path, 1)
    unfollow(path)
    held = path.rename(path.with_suffix(".held"))
    path.write_bytes(b"whoever opens this fails")
    unfollow(path)
    held.rename(path)
    service = Scripted()
    with service.client() as client:
        spool.send(client)
        record(path, 2)
        # Left by a server that knows nothing of the one that sends, which goes on with what comes from then on.
        unfollow(path)
        spool.send(client)
        record(path, 3)
        spool.send(client)
    unfollow(path)
    with closing(connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sent").fetchone() == (0,)
    assert service.got == [3]


def test_a_clock_that_jumps_costs_the_team_nothing(path: Path, spool: Spool) -> None:
    following(path)
    record(path, 1, 2)
    later = time.time() + 400 * 86_400
    store = Store(path, report=pytest.fail, now=lambda: later)
    store.record(Event(Kind.TYPED, "python", characters=3))
    store.close(timeout_s=60)
    service = Scripted()
    with service.client() as client:
        assert spool.send(client) == 3
    assert service.got == [1, 2, 3]
    # What has been sent goes when it is old.
    record(path, 4)
    store = Store(path, report=pytest.fail, now=lambda: later)
    store.record(Event(Kind.TYPED, "python", characters=5))
    store.close(timeout_s=60)
    with closing(sqlite3.connect(path)) as connection:
        assert [characters for (characters,) in connection.execute("SELECT characters FROM event")] == [3, 4, 5]


def test_after_a_purge_new_events_are_sent_again(path: Path, spool: Spool) -> None:
    following(path)
    record(path, 1, 2, 3)
    service = Scripted()
    with service.client() as client:
        assert spool.send(client) == 3
        purge(path)
        assert spool.send(client) == 0
        record(path, 4)
        assert spool.send(client) == 1
    assert service.got == [1, 2, 3, 4]


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503, 302])
def test_a_service_that_does_not_take_them_gets_them_later(path: Path, spool: Spool, status: int) -> None:
    following(path)
    record(path, 1, 2)
    service = Scripted(status)
    with service.client() as client:
        with pytest.raises(Refusal) as refused:
            spool.send(client)
        assert refused.value.wait_s == (7 if status == 429 else 0)
        record(path, 3)
        assert spool.send(client) == 3
    assert service.got == [1, 2, 3]


def test_one_event_that_is_refused_holds_up_no_other(path: Path, spool: Spool) -> None:
    following(path)
    record(path, *range(1, 101))
    service = Scripted(refuse=lambda batch: 400 if 50 in batch else 200)
    with service.client() as client:
        spool.send(client)
    assert service.got == [count for count in range(1, 101) if count != 50]


def test_what_a_service_of_another_version_leaves_out_is_in_the_log(
    team: tuple[str, Engine], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, engine = team
    following(path, url)
    record(path, 1, 2)
    with closing(connect(path)) as connection:
        connection.execute("UPDATE event SET language = ? WHERE characters = 1", ("x" * 200,))
    with httpx.Client(trust_env=False) as client:
        assert Spool(path, Service(url, HEADERS)).send(client) == 2
    assert metrics(TeamSource(engine)()).typed_characters == 2
    assert "left out 1 events: event: 'language' must be a text of at most 120 characters" in caplog.text


def test_a_service_that_takes_fewer_at_once(path: Path, spool: Spool) -> None:
    following(path)
    record(path, *range(1, 101))
    service = Scripted(refuse=lambda batch: 413 if len(batch) > 20 else 200)
    with service.client() as client:
        spool.send(client)
    assert service.got == list(range(1, 101))


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ALL_PROXY", "nonsense://host", "the proxy in the environment cannot be used"),
        ("HTTPS_PROXY", "http://user:secret@[::1", "the proxy in the environment cannot be used"),
        ("SSL_CERT_FILE", "/missing", "SSL_CERT_FILE or SSL_CERT_DIR names no certificates"),
    ],
)
def test_an_environment_that_no_client_can_use_costs_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    following(path)
    record(path, 1)
    monkeypatch.setenv(name, value)
    lines: list[str] = []
    reported = threading.Event()

    def report(line: str) -> None:
        lines.append(line)
        reported.set()

    spool = Spool(path, Service("https://team.example", {}), report=report)
    spool.start()
    assert reported.wait(10)
    spool.send_feedback_now()
    assert len(lines) == 1 and line in lines[0] and "secret" not in lines[0]


def test_a_service_that_is_not_there_is_reported_once_and_nobody_waits(path: Path) -> None:
    following(path)
    record(path, 1)
    lines: list[str] = []
    reported, tried_again = threading.Event(), threading.Event()

    def nobody(request: httpx.Request) -> httpx.Response:
        if reported.is_set():
            tried_again.set()
        raise httpx.ConnectError("refused")

    def report(line: str) -> None:
        lines.append(line)
        reported.set()

    service = Service(URL, {"Authorization": "Bearer secret"})
    spool = Spool(path, service, report=report, transport=httpx.MockTransport(nobody), back_off_s=0.01)
    spool.start()
    assert tried_again.wait(60)
    spool.close()
    (line,) = lines
    assert line == f"events do not reach the team service at {URL} (ConnectError); they are kept and sent later"
