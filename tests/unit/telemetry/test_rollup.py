"""Buckets added up: nothing is lost or made up on the way, and a histogram says how latencies are spread."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.telemetry import histogram
from codecompose_ls.telemetry.ledger import Bucket, Key
from codecompose_ls.telemetry.metrics import DIMENSIONS, breakdown, metrics
from codecompose_ls.telemetry.rollup import LIMITS_MS, answered_within, rolled_up, users, week

names = st.sampled_from(["shown", "generated", "typed_characters", "latency.engine.107", "latency.cache.20"])
days = st.dates(date(2026, 1, 1), date(2026, 3, 1)).map(date.isoformat)
keys = st.builds(Key, days, *(st.sampled_from(["", "one", "two"]),) * (len(DIMENSIONS) - 1))
many = st.lists(st.builds(Bucket, keys, st.dictionaries(names, st.integers(1, 50)).map(Counter)), max_size=12)


@given(many, st.sets(st.sampled_from(DIMENSIONS)))
def test_the_figures_stay_the_same(buckets: list[Bucket], keep: set[str]) -> None:
    rolled = rolled_up(buckets, keep=keep)
    assert metrics(rolled) == metrics(buckets)
    assert len({bucket.key for bucket in rolled}) == len(rolled)
    for dimension in keep:
        assert breakdown(rolled, by=dimension) == breakdown(buckets, by=dimension)


def test_what_is_not_kept_has_no_name_and_buckets_stay_as_they_were() -> None:
    given = [
        Bucket(Key("2026-10-28", "python", "base", user="ann"), Counter(shown=2)),
        Bucket(Key("2026-10-29", "python", "tuned", user="ben"), Counter(shown=3, accepted=1)),
        Bucket(Key("2026-10-29", "go", "tuned", user="ben"), Counter(shown=4)),
    ]
    assert rolled_up(given, keep=("language",)) == [
        Bucket(Key("", "python"), Counter(shown=5, accepted=1)),
        Bucket(Key("", "go"), Counter(shown=4)),
    ]
    assert given[0].counters == Counter(shown=2)


@given(st.dates())
def test_a_week_begins_on_monday(day: date) -> None:
    monday = date.fromisoformat(week(day.isoformat()))
    assert monday.weekday() == 0
    assert timedelta(0) <= day - monday < timedelta(days=7)


def test_weeks_put_days_together() -> None:
    given = [Bucket(Key(f"2026-11-0{day}", "go"), Counter(shown=1)) for day in (1, 2, 8, 9)]
    assert {bucket.key.day: bucket.counters["shown"] for bucket in rolled_up(given, keep=("day",), day=week)} == {
        "2026-10-26": 1,
        "2026-11-02": 2,
        "2026-11-09": 1,
    }


def test_users_are_counted_once_for_each_value() -> None:
    given = [
        Bucket(Key(f"2026-11-0{day}", language, user=user), Counter(shown=1))
        for day, language, user in ((2, "go", "ann"), (3, "go", "ann"), (3, "go", "ben"), (3, "rust", "ben"))
    ]
    assert users(given, by="language") == {"go": 2, "rust": 1}
    assert users(given, by="day", group=week) == {"2026-11-02": 2}


def test_latencies_are_told_as_shares_within_a_limit() -> None:
    bins = {f"latency.engine.{histogram.bin_of(ms)}": count for ms, count in ((15.0, 1), (150.0, 3))}
    found = answered_within([Bucket(Key("2026-11-02"), Counter(bins)), Bucket(Key("2026-11-03"), Counter(bins))])
    assert dict(zip(LIMITS_MS, found["engine"], strict=True)) == {
        **dict.fromkeys((1, 2, 5, 10), 0.0),
        **dict.fromkeys((20, 50, 100), 0.25),
        **dict.fromkeys((200, 500, 1000, 2000, 5000), 1.0),
    }
    assert answered_within([]) == {}
