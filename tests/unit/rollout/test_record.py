"""The record: every decision and change of who gets what, in order, through crashes; states are what it says last."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.rollout.comparison import Comparison, Users
from codecompose_ls.rollout.experiments import Change, Experiment, GuardRail, Plan, State, Status, Wave
from codecompose_ls.rollout.guard_rails import Finding, decide, review
from codecompose_ls.rollout.metrics import Sums, User
from codecompose_ls.rollout.record import Record

SHOP = Experiment("shop", Change("shop-custom"), (Wave(10), Wave(50)), (GuardRail("acceptance_rate", 0.02),))
EAGER = replace(SHOP, name="eager", change=Change(settings={"eagerness": "high"}))


def today_utc() -> State:
    return State(datetime.now(timezone.utc).date())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollout" / "record.jsonl"


def pass_wave(record: Record, experiment: Experiment, state: State) -> State:
    fine = Finding(Comparison("acceptance_rate", 50, 50, 0.2, 0.2, 0.0, 0.01), 0.02, -0.01, 0.01)
    later = state.since + timedelta(days=9)
    decision = decide(experiment, state, [fine], old_users=50, new_users=50, today=later)
    entry = record.enter(experiment, state, decision)
    assert entry.state == decision.state
    return decision.state


def told(record: Record) -> list[tuple[str, str, float, float]]:
    return [(one.experiment, one.what, one.percent_before, one.percent) for one in record.entries()]


def test_a_roll_out_is_told_from_its_start_to_everyone(path: Path) -> None:
    record = Record(path)
    plan = record.begin(Plan((SHOP,)))
    assert plan.states == {"shop": today_utc()}
    second = pass_wave(record, SHOP, plan.states["shop"])
    last = pass_wave(record, SHOP, second)
    assert told(record) == [("shop", "started", 0, 10), ("shop", "advance", 10, 50), ("shop", "complete", 50, 100)]
    assert Record(path).begin(Plan((SHOP,))).states == {"shop": last}
    entry = record.entries()[-1]
    assert entry.reason == "every guard rail is passed"
    assert entry.findings[0]["comparison"]["metric"] == "acceptance_rate" and entry.findings[0]["most"] == 0.01


def test_a_review_is_kept_with_its_figures(path: Path) -> None:
    record = Record(path)
    state = record.begin(Plan((SHOP,))).states["shop"]
    people = Users.of([User(Sums(shown=1000, accepted=200 + place)) for place in range(40)])
    decision = review(SHOP, state, old=people, new=people, today=state.since + timedelta(days=4))
    record.enter(SHOP, state, decision)
    (kept,) = record.entries()[-1].effects
    assert kept["comparison"]["metric"] == "acceptance_rate" and kept["comparison"]["old"] == pytest.approx(0.2195)
    assert kept["low"] == pytest.approx(-kept["high"]) and 0.001 < kept["high"] < 0.02
    assert record.entries()[-1].findings == tuple(asdict(one) for one in decision.findings)


def test_beginning_again_writes_nothing_new(path: Path) -> None:
    record = Record(path)
    plan = Plan((SHOP,), holdout_percent=5)
    begun = record.begin(plan)
    assert record.begin(plan) == begun
    assert told(record) == [("shop", "started", 0, 10), ("", "holdout", 0, 5)]


def test_what_a_person_stops_stays_stopped(path: Path) -> None:
    record = Record(path)
    state = record.begin(Plan((SHOP,))).states["shop"]
    entry = record.halt(SHOP, state, "a customer complained")
    assert (entry.what, entry.reason) == ("halt", "by hand: a customer complained")
    assert told(record)[-1] == ("shop", "halt", 10, 0)
    assert record.begin(Plan((SHOP,))).states["shop"].status is Status.HALTED


def test_what_is_gone_from_the_file_is_stopped_once_and_does_not_come_back_by_itself(path: Path) -> None:
    record = Record(path)
    record.begin(Plan((SHOP,)))
    for _ in range(2):
        assert record.begin(Plan()).states == {}
    assert told(record) == [("shop", "started", 0, 10), ("shop", "removed", 10, 0)]
    assert record.begin(Plan((SHOP,))).states["shop"].status is Status.HALTED


@pytest.mark.parametrize("halted", [False, True])
def test_the_rules_of_an_experiment_stand_from_its_start(path: Path, halted: bool) -> None:
    record = Record(path)
    state = record.begin(Plan((SHOP,))).states["shop"]
    if halted:
        record.halt(SHOP, state, "enough")
    looser = replace(SHOP, guard_rails=(GuardRail("acceptance_rate", 0.1),))
    with pytest.raises(InputError, match="experiment shop was changed after its start: give it another name"):
        record.begin(Plan((looser,)))
    assert len(told(record)) == 1 + halted


def test_an_experiment_that_changes_what_another_one_is_trying_does_not_start(path: Path) -> None:
    record = Record(path)
    state = record.begin(Plan((SHOP, EAGER))).states["shop"]
    second = replace(SHOP, name="second", change=Change("better"))
    with pytest.raises(InputError, match="both change model"):
        record.begin(Plan((SHOP, EAGER, second)))
    record.halt(SHOP, state, "for the second one")
    assert set(record.begin(Plan((SHOP, EAGER, second))).states) == {"shop", "eager", "second"}


def test_a_line_that_a_crash_cut_short_never_was(path: Path) -> None:
    record = Record(path)
    state = record.begin(Plan((SHOP,))).states["shop"]
    whole = path.read_bytes()
    pass_wave(record, SHOP, state)
    for length in (1, 40, len(path.read_bytes()) - len(whole) - 1):
        path.write_bytes(path.read_bytes()[: len(whole) + length])
        assert record.begin(Plan((SHOP,))).states == {"shop": state}
        pass_wave(record, SHOP, state)
        assert [what for _, what, _, _ in told(record)] == ["started", "advance"]


def test_a_damaged_record_is_one_line_and_decides_nothing(path: Path) -> None:
    record = Record(path)
    record.begin(Plan((SHOP,)))
    path.write_bytes(path.read_bytes() + b'{"at": 3}\n')
    with pytest.raises(InputError, match=r"record\.jsonl:2 is not a line of a roll-out's record"):
        record.begin(Plan((SHOP,)))
