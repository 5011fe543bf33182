"""Days that are closed: the dashboard reads the sums of everyone together, and says what it would say of each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest

pytest.importorskip("sqlalchemy")

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from codecompose_ls.service.dashboard.filters import Filters
from codecompose_ls.service.dashboard.page import render
from codecompose_ls.service.dashboard.view import View
from codecompose_ls.service.team import database
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.service.team.closing import OPEN_DAYS, close_days
from codecompose_ls.service.team.entries import enter
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.ledger import Bucket, Counters, Key
from codecompose_ls.telemetry.rollup import rolled_up, users, week
from tests.sessions import NOON, session

TODAY = datetime.fromtimestamp(NOON, timezone.utc).date() + timedelta(days=30)
TELLS = tuple(name for name in Key._fields if name != "user")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.connect(f"sqlite:///{tmp_path / 'team.sqlite3'}")
    yield engine
    engine.dispose()


def says_the_same(engine: Engine) -> None:
    """See that the sums of everyone together are those of each, and that nobody is lost among them."""
    for tell_positions in (True, False):
        each = TeamSource(engine)(tell_positions=tell_positions)
        together = TeamSource(engine, tell_people=False)(tell_positions=tell_positions)
        assert rolled(together) == rolled(each)
        for dimension in TELLS:
            assert users(together, by=dimension) == users(each, by=dimension)


def rolled(buckets: list[Bucket]) -> dict[Key, Counters]:
    return {bucket.key: +bucket.counters for bucket in rolled_up(buckets, keep=TELLS)}


def rows(engine: Engine, day: date) -> int:
    with engine.connect() as connection:
        return len(
            connection.execute(select(database.closed_total).where(database.closed_total.c.day == str(day))).all()
        )


def test_the_page_of_closed_days_is_that_of_open_ones(engine: Engine) -> None:
    for name in ("ann", "ben", "cho"):
        for language in ("python", "go") if name == "ann" else ("python",):
            enter(engine, name, session(random.Random(name), suggestions=10, language=language))

    def page() -> str:
        filters = Filters(date(2026, 10, 1), date(2026, 11, 30))
        found = TeamSource(engine, tell_people=False)(since=filters.first, until=filters.until)
        return render(View(found, filters, (), 2), today=TODAY)

    before = page()
    close_days(engine, today=TODAY)
    assert page() == before and "python" in before and ">go<" not in before
    says_the_same(engine)
    # Three rows a person of open days have become one of all of them.
    assert all(bucket.people == {"ann", "ben", "cho"} for bucket in TeamSource(engine, tell_people=False)()[:1])


def test_the_last_days_stay_open(engine: Engine) -> None:
    enter(engine, "ann", session(random.Random(1), suggestions=5))
    day = datetime.fromtimestamp(NOON, timezone.utc).date()
    close_days(engine, today=day + timedelta(days=OPEN_DAYS))
    assert rows(engine, day) == 0
    close_days(engine, today=day + timedelta(days=OPEN_DAYS + 1))
    assert rows(engine, day) > 0
    says_the_same(engine)


def test_what_comes_late_reopens_its_day_until_it_is_closed_again(engine: Engine) -> None:
    said = session(random.Random(2), suggestions=20)
    enter(engine, "ann", said[:40])
    close_days(engine, today=TODAY)
    enter(engine, "ben", said[40:])
    # A day that had nothing when it was closed.
    enter(engine, "cho", session(random.Random(3), suggestions=3, at=NOON - 9 * 86_400))
    says_the_same(engine)
    with engine.connect() as connection:
        assert len(connection.scalars(select(database.reopened.c.day)).all()) >= 2
    close_days(engine, today=TODAY)
    says_the_same(engine)
    with engine.connect() as connection:
        assert connection.scalars(select(database.reopened.c.day)).all() == []


def test_a_database_of_before_is_closed_at_the_next_start(engine: Engine) -> None:
    enter(engine, "ann", session(random.Random(4), suggestions=5))
    with engine.begin() as connection:
        for table in database.metadata.tables.values():
            if table.name.startswith(("closed_", "reopened")):
                table.drop(connection)
        connection.execute(delete(database.migration).where(database.migration.c.name == "m005_closed"))
    database.migrate(engine)
    says_the_same(engine)
    close_days(engine, today=TODAY)
    says_the_same(engine)


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 250), min_size=1, max_size=12),
    st.lists(st.integers(0, 250), max_size=2),
    st.none() | st.integers(-5, 260),
    st.none() | st.integers(-5, 260),
    st.integers(-5, 260),
)
def test_many_days_are_read_by_the_week_and_come_to_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    days: list[int],
    late: list[int],
    since: int | None,
    until: int | None,
    closed_on: int,
) -> None:
    start = date(2026, 1, 1)

    def day(number: int | None) -> date | None:
        return None if number is None else start + timedelta(days=number)

    engine = database.connect(f"sqlite:///{tmp_path_factory.mktemp('team') / 'team.sqlite3'}")

    def typed(user: str, number: int) -> None:
        at = datetime(2026, 1, 1, 12, tzinfo=timezone.utc).timestamp() + number * 86_400
        event = Event(Kind.TYPED, "python", id=uuid4().hex, at=at, characters=2**number % 1009)
        enter(engine, user, [event])

    for place, number in enumerate([0, *days, 250]):
        typed(f"user{place % 3}", number)
    close_days(engine, today=start + timedelta(days=closed_on))
    for number in late:
        typed("late", number)
    each = TeamSource(engine)(since=day(since), until=day(until))
    together = TeamSource(engine, tell_people=False)(since=day(since), until=day(until))
    assert View(together, Filters()).is_weekly == View(each, Filters()).is_weekly
    group = week if View(together, Filters()).is_weekly else str

    def by_time(buckets: list[Bucket]) -> dict[Key, Counters]:
        return {bucket.key: bucket.counters for bucket in rolled_up(buckets, keep=("day",), day=group)}

    assert by_time(together) == by_time(each)
    assert users(together, by="day", group=group) == users(each, by="day", group=group)
    engine.dispose()


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_whenever_days_are_closed_the_figures_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, days: list[int]
) -> None:
    draw, folder = random.Random(seed), tmp_path_factory.mktemp("team")
    engine = database.connect(f"sqlite:///{folder / 'team.sqlite3'}")
    said = draw.sample(everything := session(draw, suggestions=6), len(everything))
    for number, day in enumerate(days):
        some = said[number :: len(days)]
        enter(engine, f"user{number % 3}", [replace(event, at=event.at + day * 86_400) for event in some])
        close_days(engine, today=datetime.fromtimestamp(NOON, timezone.utc).date() + timedelta(days=draw.randint(0, 9)))
        says_the_same(engine)
    engine.dispose()
