"""The team's database on a real PostgreSQL: nothing is lost or counted twice, whoever writes and whatever dies."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest

pytest.importorskip(
    "sqlalchemy", reason="pip install 'codecompose-ls[serve]': without it the team's database is not tested"
)

from sqlalchemy import Engine, create_engine, func, select, text

from codecompose_ls.errors import InputError
from codecompose_ls.rollout.record import Record
from codecompose_ls.service.team import database
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.service.team.closing import close_days
from codecompose_ls.service.team.database import events, person
from codecompose_ls.service.team.entries import KEEP_DAYS, enter, forget
from codecompose_ls.telemetry.events import Event
from codecompose_ls.telemetry.ledger import Bucket
from codecompose_ls.telemetry.metrics import metrics
from codecompose_ls.telemetry.rollup import users
from codecompose_ls.telemetry.wire import to_json
from tests.servers.postgres import MissingPostgres, postgres
from tests.sessions import NOON, local_sums, session
from tests.unit.service.team import PEOPLE, Service, token

TOKEN = "a-token-that-nobody-guesses"
ANN, BOB = "a" * 24, "b" * 24


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    try:
        with postgres() as url:
            yield url
    except MissingPostgres as error:
        pytest.fail(str(error)) if os.environ.get("CODECOMPOSE_REQUIRE_EDITORS") == "1" else pytest.skip(str(error))


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of the test's own."""
    name = f"test_{abs(hash(request.node.name))}"
    administrator = create_engine(server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    administrator.dispose()
    yield server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = database.connect(url)
    yield engine
    engine.dispose()


def stored(engine: Engine) -> int:
    with database.reading(engine) as connection:
        return connection.scalars(select(func.count()).select_from(events)).one()


def sums(engine: Engine) -> list[Bucket]:
    """The team's buckets, person by person."""
    return sorted(TeamSource(engine)(tell_positions=True), key=lambda bucket: (bucket.key.user, bucket.key))


def test_batches_doubled_and_reordered_come_to_what_one_file_would_say(engine: Engine) -> None:
    draw = random.Random(1)
    said = session(draw, suggestions=40)
    for _ in range(3):
        draw.shuffle(said)
        for start in range(0, len(said), 17):
            enter(engine, ANN, said[start : start + 17])
    assert stored(engine) == len(said)
    assert sums(engine) == local_sums(said, user=ANN)


def test_names_with_characters_that_postgresql_cannot_hold(engine: Engine) -> None:
    said = session(random.Random(2), suggestions=3, language="py\0thon\U0001f600")
    enter(engine, ANN, said)
    assert {bucket.key.language for bucket in TeamSource(engine)()} == {"py\ufffdthon\U0001f600"}


def test_one_persons_events_through_two_servers_at_once(url: str) -> None:
    """Two engines are two servers: each has connections of its own, and nothing but PostgreSQL between them."""
    engines = [database.connect(url), database.connect(url)]
    draw = random.Random(3)
    said = session(draw, suggestions=60)
    # Every batch goes to both, in different orders, and halves of one suggestion are in different batches.
    halves = [said[0::2], said[1::2]]
    batches = [half[start : start + 11] for half in halves for start in range(0, len(half), 11)]
    work = [(engine, batch) for engine in engines for batch in draw.sample(batches, len(batches))]
    with ThreadPoolExecutor(6) as pool:
        changes = list(pool.map(lambda job: enter(job[0], ANN, job[1]), work))
    assert sum(len(change.events) for change in changes) == stored(engines[0]) == len(said)
    assert sums(engines[1]) == local_sums(said, user=ANN)
    for engine in engines:
        engine.dispose()


def test_days_are_closed_while_events_of_them_come_in(url: str) -> None:
    engines, draw = [database.connect(url), database.connect(url)], random.Random(7)
    said = session(draw, suggestions=60)
    batches = [said[start : start + 9] for start in range(0, len(said), 9)]
    after = datetime.fromtimestamp(NOON, timezone.utc).date() + timedelta(days=9)
    with ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(enter, engines[number % 2], (ANN, BOB)[number % 2], some) for number, some in enumerate(batches)
        ]
        jobs += [pool.submit(close_days, engine, today=after) for engine in engines * 4]
        for job in jobs:
            job.result()
    for engine in engines:
        each, together = TeamSource(engine)(), TeamSource(engine, tell_people=False)()
        assert metrics(together) == metrics(each) and users(together, by="day") == users(each, by="day")
        close_days(engine, today=after)
        assert metrics(TeamSource(engine, tell_people=False)()) == metrics(each)
        engine.dispose()


def test_one_person_cannot_touch_anothers_figures(engine: Engine) -> None:
    said = session(random.Random(4), suggestions=10)
    for user in (ANN, BOB):
        enter(engine, user, said)  # the same ids: made up, or copied
    assert stored(engine) == 2 * len(said)
    assert sums(engine) == local_sums(said, user=ANN) + local_sums(said, user=BOB)


def test_servers_that_start_at_once_make_the_tables_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(database.connect, [url] * 4))
    assert len({database.user_of(engine, "ann") for engine in engines}) == 1
    for engine in engines:
        engine.dispose()


async def test_everything_else_of_the_service_works_on_it_too(url: str, tmp_path: Path) -> None:
    rollout = tmp_path / "rollout.toml"
    rollout.write_text(
        '[experiments.eager]\nsettings = { eagerness = "high" }\nwaves = [{ percent = 50 }]\n'
        "[experiments.eager.guard_rails]\nacceptance_rate = 0.02\n"
    )
    service = Service(tmp_path, url=url, rollout_file=rollout)
    for name in PEOPLE:
        await service.post(name, session(random.Random(name), suggestions=5))
    async with service.client("ann") as admin, service.client() as browser:
        assert (await admin.post("/v1/rollout/look")).status_code == 200
        today = Record(tmp_path / "record.jsonl").today.isoformat()
        assert (await admin.get("/v1/rollout")).text.endswith(f'status = "running"\nsince = {today}\n')
        said = {"id": "a" * 32, "rating": "up", "comment": "quick\0", "themes": ["speed"]}
        assert [(await admin.post("/v1/feedback", json=said)).json()["stored"] for _ in range(2)] == [1, 0]
        assert (await admin.post(f"/feedback/{'a' * 32}", data={"themes": "latency"})).status_code == 303
        assert "codecompose_people 0.0" in (await admin.get("/metrics")).text
        assert len((await admin.get("/people.csv?days=3650")).text.splitlines()) == 1 + len(PEOPLE)
        assert (await browser.post("/login", data={"token": token("ben")})).status_code == 303
        assert ">Suggestions" in (await browser.get("/dashboard?days=all")).text
        assert (await browser.post("/logout")).status_code == 303
        assert (await browser.get("/dashboard")).status_code == 303
    forget(service.engine, at=database.now() + (KEEP_DAYS + 1) * 86_400)
    assert stored(service.engine) == 0
    await service.team.close()


def test_a_database_that_is_not_there_is_one_clear_line(server: str) -> None:
    with pytest.raises(InputError, match=r'--database postgresql\+psycopg://.*database "nowhere" does not exist'):
        database.connect(server.replace("/postgres?", "/nowhere?"))


async def test_a_database_that_goes_away_and_comes_back(server: str, url: str, tmp_path: Path) -> None:
    service, said = Service(tmp_path, url=url), session(random.Random(8), suggestions=20)
    name = service.engine.url.database
    administrator = create_engine(server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")

    def allow(connections: str) -> None:
        with administrator.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}"))
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))

    await service.post("ben", said[:30])
    allow("false")
    async with service.client("ben") as ben, service.client("ann") as admin:
        body = {"events": [to_json(event) for event in said]}
        for answer in (await ben.post("/v1/events", json=body), await admin.get("/dashboard")):
            assert answer.status_code == 503
        assert "does not answer" in answer.text and "Traceback" not in answer.text
        allow("true")
        assert (await ben.post("/v1/events", json=body)).json()["known"] == 30
        assert (await admin.get("/dashboard")).status_code == 200
    assert sums(service.engine) == local_sums(said, user=service.team.user_of("ben"))
    await service.team.close()
    administrator.dispose()


class Process:
    """`codecompose-ls serve` as a process of its own, with the team's database and no model."""

    def __init__(self, url: str, folder: Path) -> None:
        tokens = folder / "tokens"
        tokens.write_text(f"{TOKEN} ann\n")
        command = [sys.executable, "-m", "codecompose_ls", "serve", "--port", "0", "--token-file", str(tokens)]
        self.process = subprocess.Popen([*command, "--database", url], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().rpartition(" on ")[2]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client = httpx.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False)

    def post(self, batch: list[Event]) -> dict[str, int]:
        response = self.client.post("/v1/events", content=json.dumps({"events": [to_json(event) for event in batch]}))
        assert response.status_code == 200, response.text
        answer: dict[str, int] = response.json()
        return answer

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.close()
        assert self.process.stdout is not None
        self.process.stdout.close()


def hangs_up(service: Process, batch: list[Event]) -> None:
    """Send a batch that gets no answer."""
    with pytest.raises(httpx.HTTPError):
        service.post(batch)


def test_a_server_that_is_killed_in_mid_batch_has_what_it_answered_for_and_a_resend_mends_the_rest(
    url: str, tmp_path: Path
) -> None:
    said = session(random.Random(5), suggestions=80)
    batches = [said[start : start + 25] for start in range(0, len(said), 25)]
    answered: list[list[Event]] = []
    engine = database.connect(url)
    service = Process(url, tmp_path)
    assert service.post(batches[0])["stored"] == len(batches[0])
    answered.append(batches[0])
    # Somebody holds ann's row: the next batch is in its transaction, waiting, when the server dies.
    user = database.user_of(engine, "ann")
    with engine.begin() as connection:
        connection.execute(select(person).where(person.c.id == user).with_for_update())
        sending = threading.Thread(target=hangs_up, args=(service, batches[1]))
        sending.start()
        with database.reading(engine) as other:
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while other.scalars(waiting).one() == 0:
                assert sending.is_alive()
        service.kill()
        sending.join()
    assert stored(engine) == sum(map(len, answered))
    # The client has no answer, and sends everything it is not sure of, and more, to a server that has come up since.
    service = Process(url, tmp_path)
    for batch in batches:
        service.post(batch)
    service.kill()
    assert stored(engine) == len(said)
    assert sums(engine) == local_sums(said, user=user)
    engine.dispose()
