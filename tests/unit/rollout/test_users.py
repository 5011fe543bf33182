"""From telemetry's buckets to the users of two arms."""

from collections import Counter

import pytest

from codecompose_ls.rollout.metrics import Sums
from codecompose_ls.rollout.users import sums, users_of, without_model
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.ledger import Bucket, Key, apply


def bucket(user: str, day: str, cohort: str = "", *, shown: int = 10, accepted: int = 2) -> Bucket:
    return Bucket(Key(day, user=user, cohort=cohort), Counter(shown=shown, accepted=accepted))


def test_users_are_in_the_arm_that_their_events_name_from_their_first_day_on() -> None:
    old, new = users_of(
        [
            bucket("ann", "2026-11-30", accepted=1),
            bucket("ann", "2026-12-01", "other/old shop/new", accepted=3),
            bucket("ann", "2026-12-02", "shop/new", accepted=4),
            bucket("bob", "2026-12-02", "shop/old", accepted=5),
            bucket("eve", "2026-12-02", "other/new", accepted=6),
        ],
        "shop",
    )
    assert new.column("accepted").tolist() == [7] and new.column("shown").tolist() == [20]
    assert new.column_before("accepted").tolist() == [1]
    assert old.column("accepted").tolist() == [5] and old.column_before("shown").tolist() == [0]


def test_what_was_before_ends_with_the_first_day_and_goes_four_weeks_back() -> None:
    days = ["2026-11-02", "2026-11-03", "2026-11-30", "2026-12-01", "2026-12-05"]
    _, new = users_of([*(bucket("ann", day) for day in days), bucket("ann", "2026-12-01", "shop/new")], "shop")
    assert new.column_before("shown").tolist() == [20]


def test_who_was_in_both_arms_or_is_nobody_is_left_out() -> None:
    old, new = users_of(
        [
            bucket("ann", "2026-12-01", "shop/new"),
            bucket("ann", "2026-12-02", "shop/old"),
            bucket("", "2026-12-01", "shop/old"),
        ],
        "shop",
    )
    assert len(old) == len(new) == 0


def test_who_never_had_the_model_is_counted_apart_and_compared_from_the_day_they_have_it() -> None:
    buckets = [
        bucket("ann", "2026-12-01", "shop/missing"),
        bucket("bob", "2026-12-01", "eager/new shop/missing"),
        bucket("bob", "2026-12-02", "eager/new shop/new", accepted=4),
        bucket("cho", "2026-12-02", "shop/old"),
        bucket("dee", "2026-12-02", "other/missing"),
        bucket("", "2026-12-02", "shop/missing"),
    ]
    old, new = users_of(buckets, "shop")
    assert without_model([bucket.key for bucket in buckets], "shop") == 1
    assert (len(old), len(new)) == (1, 1) and new.column("accepted").tolist() == [4]


def test_the_ledgers_counters_are_the_sums_that_arms_are_compared_by() -> None:
    events = [
        Event(Kind.GENERATED, suggestion="a", source="engine", latency_ms=100.0, id="1"),
        Event(Kind.SHOWN, suggestion="a", id="2"),
        Event(Kind.ACCEPTED, suggestion="a", characters=9, id="3"),
        Event(Kind.RETAINED, suggestion="a", characters=7, after_s=30, similarity=0.9, id="4"),
        Event(Kind.FAILED, id="5"),
        Event(Kind.CACHED, suggestion="b", source="cache", latency_ms=99_000.0, id="6"),
    ]
    (counters,) = apply(events, states={}).counters.values()
    found = sums(counters)
    assert found.latency_ms == pytest.approx(100 + 10_000, rel=0.04)
    assert found == Sums(3, 1, 2, found.latency_ms, 1, 1, 7)
