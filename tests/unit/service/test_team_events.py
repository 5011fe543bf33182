"""A team's events: whose they are the token says, they count once however often they come, and bad ones stop none."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from codecompose_ls.errors import InputError
from codecompose_ls.service.access import Person, Tokens, read_tokens
from codecompose_ls.service.team import database
from codecompose_ls.service.team.allowance import Allowance
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.service.team.entries import KEEP_DAYS, enter, forget
from codecompose_ls.service.team.events import MOST_EVENTS
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.ledger import Bucket, Counters, Key, without_position
from codecompose_ls.telemetry.metrics import metrics
from tests.sessions import local_sums, session
from tests.unit.service.team import PEOPLE, Service, token


def sums(service: Service) -> list[Bucket]:
    return sorted(TeamSource(service.engine)(tell_positions=True), key=lambda bucket: (bucket.key.user, bucket.key))


def stored(service: Service) -> int:
    with database.reading(service.engine) as connection:
        return connection.scalars(select(func.count()).select_from(database.events)).one()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


async def test_a_batch_is_stored_once_and_belongs_to_whose_token_it_is(service: Service) -> None:
    said = session(random.Random(1), suggestions=5)
    first = await service.post("ben", said)
    again = await service.post("ben", [said[0], *said])
    assert (first["stored"], first["known"]) == (len(said), 0)
    assert (again["stored"], again["known"]) == (0, len(said) + 1)
    ben = service.team.user_of("ben")
    assert sums(service) == local_sums(said, user=ben)
    assert "ben" not in ben and ben != service.team.user_of("ann")


async def test_the_sums_that_pages_read_are_those_of_all_positions_of_old_databases_too(service: Service) -> None:
    for name in ("ben", "cho"):
        await service.post(name, session(random.Random(name), suggestions=20))

    def coarse() -> dict[Key, Counters]:
        return {bucket.key: bucket.counters for bucket in TeamSource(service.engine)()}

    told_apart = {bucket.key: bucket.counters for bucket in sums(service)}
    assert coarse() == without_position(told_apart) and len(coarse()) < len(told_apart)
    with service.engine.begin() as connection:
        database.total.drop(connection)
        connection.execute(delete(database.migration).where(database.migration.c.name == "m004_total"))
    database.migrate(service.engine)
    assert coarse() == without_position(told_apart)


async def test_nobody_can_say_that_events_are_anothers(service: Service) -> None:
    said = Event(Kind.TYPED, "python", id=uuid4().hex, characters=5, user=service.team.user_of("ann"))
    await service.post("ben", [said])
    assert {bucket.key.user for bucket in sums(service)} == {service.team.user_of("ben")}


async def test_what_is_no_event_is_refused_by_itself(service: Service) -> None:
    good = {"id": uuid4().hex, "kind": "typed", "characters": 5, "from the future": [1]}
    async with service.client("ben") as client:
        batch = {"events": [3, {**good, "id": "1"}, good, {**good, "kind": "sold"}, {**good, "at": float(2**70)}]}
        answer = await client.post("/v1/events", json=batch)
    assert answer.json() == {"stored": 1, "known": 0, "refused": 4, "problem": "event: it must be an object"}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"events": 3}', b"{}", b'{"events": [NaN', b"[" * 100_000, b"\xff"])
async def test_a_body_that_is_no_batch(service: Service, body: bytes) -> None:
    async with service.client("ben") as client:
        answer = await client.post("/v1/events", content=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "events")


async def test_limits(service: Service) -> None:
    async with service.client("ben") as client:
        answer = await client.post("/v1/events", json={"events": [{}] * (MOST_EVENTS + 1)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
        assert (await client.post("/v1/events", json={"events": []}, headers={"Authorization": ""})).status_code == 401


def test_an_allowance_fills_again() -> None:
    now = 0.0
    allowance = Allowance(rate=10, burst=100, clock=lambda: now)
    assert allowance.take("ben", 100) == 0
    assert allowance.take("ben", 50) == 5
    assert allowance.take("ann", 50) == 0
    now = 4.0
    assert allowance.take("ben", 50) == 1
    now = 5.0
    assert allowance.take("ben", 50) == 0


async def test_whoever_sends_too_much_is_told_when_to_come_back(tmp_path: Path) -> None:
    service = Service(tmp_path, allowance=Allowance(rate=10, burst=30, clock=lambda: 0.0))
    async with service.client("ben") as client:
        assert (await client.post("/v1/events", json={"events": [{}] * 30})).status_code == 200
        answer = await client.post("/v1/events", json={"events": [{}] * 25})
        assert answer.status_code == 429 and answer.headers["retry-after"] == "3"
        async with service.client("cho") as other:
            assert (await other.post("/v1/events", json={"events": [{}] * 25})).status_code == 200


async def test_a_database_in_trouble_is_a_503_and_nothing_of_the_batch_is_there(service: Service) -> None:
    with service.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE bucket RENAME TO gone")
    async with service.client("ben") as client:
        answer = await client.post(
            "/v1/events", json={"events": [{"id": uuid4().hex, "kind": "typed", "characters": 1}]}
        )
    assert answer.status_code == 503 and "retry-after" in answer.headers
    assert stored(service) == 0


def test_whoever_reads_waits_for_no_writer(service: Service) -> None:
    enter(service.engine, "ben", session(random.Random(1), suggestions=2))
    before = sums(service)
    with service.engine.begin() as connection:
        database.lock(connection, "cho")
        assert sums(service) == before


def test_old_events_are_forgotten_and_their_figures_stay(service: Service) -> None:
    said = session(random.Random(2), suggestions=5)
    enter(service.engine, "ben", said)
    before = sums(service)
    forget(service.engine, at=database.now() + (KEEP_DAYS - 1) * 86_400)
    assert stored(service) == len(said)
    forget(service.engine, at=database.now() + (KEEP_DAYS + 1) * 86_400)
    assert stored(service) == 0 and sums(service) == before


def test_the_figures_of_everyone_are_those_of_each(service: Service) -> None:
    said = {name: session(random.Random(name), suggestions=8) for name in PEOPLE}
    for name, events in said.items():
        enter(service.engine, name, events)
    assert metrics(sums(service)) == metrics(bucket for name in PEOPLE for bucket in local_sums(said[name], user=name))


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 4), st.integers(1, 12))
def test_batches_doubled_and_reordered_come_to_what_the_local_file_says(
    seed: int, size: int, times: int, suggestions: int
) -> None:
    draw = random.Random(seed)
    said = session(draw, suggestions=suggestions)
    with TemporaryDirectory() as folder:
        engine = database.connect(f"sqlite:///{folder}/team.sqlite3")
        everything = draw.sample(said * times, times * len(said))
        for start in range(0, len(everything), size):
            enter(engine, "ben", everything[start : start + size])
        found = sorted(TeamSource(engine)(tell_positions=True), key=lambda bucket: bucket.key)
        engine.dispose()
    assert found == local_sums(said, user="ben")


# Whose token it is.


def test_a_line_names_a_person(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{token('ann')} ann admin\n{token('ben')}   ben\n{token('ben')}2 ben\n{token('nobody')}\n")
    tokens = read_tokens(file)
    assert tokens is not None
    assert tokens.person(f"Bearer {token('ann')}") == Person("ann", is_admin=True)
    assert tokens.person(f"Bearer {token('ben')}2") == Person("ben")
    unnamed = tokens.person(f"Bearer {token('nobody')}")
    assert unnamed is not None and unnamed.name.startswith("token-") and token("nobody") not in unnamed.name
    assert len(tokens.people) == 3


@pytest.mark.parametrize("rest", ["admin", "ann boss", "ann admin more", "an/n", "ann,admin"])
def test_a_line_that_names_nobody_is_refused_without_its_token(rest: str) -> None:
    with pytest.raises(InputError, match="token 2: write TOKEN") as refused:
        Tokens([f"{token('ann')} ann", f"{token('ben')} {rest}"])
    assert token("ben") not in str(refused.value)


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite+other:///x", ""])
def test_a_database_that_is_none_we_know(url: str) -> None:
    with pytest.raises(InputError, match="--database: give sqlite:///FILE or postgresql://"):
        database.connect(url)


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        database.connect(f"postgresql://ann:secret@/nowhere?host={tmp_path}")
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)
