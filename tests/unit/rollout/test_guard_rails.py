"""When a wave stops, waits and goes on; every case is decided by what the findings say."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from codecompose_ls.rollout.comparison import Comparison, Users
from codecompose_ls.rollout.experiments import Change, Experiment, GuardRail, State, Status, Wave
from codecompose_ls.rollout.guard_rails import Decision, Finding, Verdict, decide, find, review
from codecompose_ls.rollout.metrics import Sums, User

SHOP = Experiment(
    "shop",
    Change("shop-custom"),
    (Wave(10, days=2, proof=False), Wave(25, days=3), Wave(50, days=5)),
    (GuardRail("acceptance_rate", 0.02), GuardRail("latency_ms", 20)),
)
START = date(2026, 12, 1)


def finding(least: float, most: float, *, metric: str = "acceptance_rate", margin: float = 0.02) -> Finding:
    return Finding(Comparison(metric, 50, 50, 0.2, 0.2, 0.0, 0.01), margin, least, most)


FINE, FAST = finding(-0.01, 0.01), finding(-5, 10, metric="latency_ms", margin=20)
OPEN = finding(-0.01, 0.03)


def decided(*found: Finding, day: int = 9, state: State | None = None, users: tuple[int, int] = (50, 50)) -> Decision:
    today = START + timedelta(days=day)
    return decide(SHOP, state or State(START, 1), found, old_users=users[0], new_users=users[1], today=today)


def test_a_wave_goes_on_once_every_guard_rail_is_passed() -> None:
    found = decided(FINE, FAST)
    assert (found.verdict, found.state) == (Verdict.ADVANCE, State(START + timedelta(days=9), 2))


def test_after_the_last_wave_it_is_complete() -> None:
    found = decided(FINE, FAST, state=State(START, 2))
    assert found.verdict is Verdict.COMPLETE
    assert found.state == State(START + timedelta(days=9), 2, Status.COMPLETE)


def test_one_broken_guard_rail_halts_whatever_the_others_say_and_on_the_first_day() -> None:
    slow = finding(1, 40, metric="latency_ms", margin=20)
    found = decided(FINE, slow, day=0)
    assert found.verdict is Verdict.HALT and found.state.status is Status.HALTED
    assert found.reason == "latency_ms 0.2 against 0.2, worse by 1 to 40 (margin 20, 50 and 50 users)"


def test_what_is_proven_worse_but_by_less_than_the_margin_is_let_pass() -> None:
    assert decided(finding(0.001, 0.015), FAST).verdict is Verdict.ADVANCE


def test_what_may_still_be_worse_by_the_margin_is_waited_for() -> None:
    found = decided(OPEN, FAST)
    assert found.verdict is Verdict.HOLD and found.state == State(START, 1)
    assert found.reason.startswith("undecided: acceptance_rate 0.2 against 0.2, worse by -0.01 to 0.03")


def test_a_wave_that_needs_no_proof_goes_on_unless_harm_is_proven() -> None:
    assert decided(OPEN, FAST, state=State(START, 0)).verdict is Verdict.ADVANCE
    assert decided(finding(0.001, 0.05), FAST, state=State(START, 0)).verdict is Verdict.HALT


def test_a_wave_stays_for_its_days() -> None:
    found = decided(FINE, FAST, day=2)
    assert (found.verdict, found.reason) == (Verdict.HOLD, "day 2 of 3")
    assert decided(FINE, FAST, day=3).verdict is Verdict.ADVANCE


def test_with_too_few_users_nothing_is_said_of_a_guard_rail() -> None:
    found = decided(FINE, state=State(START, 0))
    assert (found.verdict, found.reason) == (Verdict.HOLD, "latency_ms: 30 users are needed in each arm")


def test_arms_that_are_unlike_in_size_halt() -> None:
    found = decided(FINE, FAST, users=(500, 350))
    assert found.verdict is Verdict.HALT and "unlike in size, 350 and 500 users" in found.reason


@pytest.mark.parametrize("status", [Status.HALTED, Status.COMPLETE])
def test_what_has_ended_stays_as_it_is(status: Status) -> None:
    state = State(START, 1, status)
    assert decided(finding(0.01, 0.2), state=state) == Decision(Verdict.HOLD, f"it is {status.value}", state)


def arm(rates: list[float], *, latency_ms: float = 80.0) -> Users:
    return Users.of(
        [
            User(Sums(shown=1000, accepted=1000 * rate, answered=1000, latency_ms=latency_ms * 1000 * (1 + rate / 9)))
            for rate in rates
        ]
    )


def test_the_worsening_has_the_metrics_own_direction() -> None:
    rates = [0.1 + place / 200 for place in range(40)]
    old, new = arm(rates), arm([rate - 0.05 for rate in rates], latency_ms=60)
    accepted, latency = (find(SHOP, rail, old=old, new=new) for rail in SHOP.guard_rails)
    assert accepted is not None and latency is not None
    assert (accepted.least + accepted.most) / 2 == pytest.approx(0.05, abs=0.01)
    assert (latency.least + latency.most) / 2 == pytest.approx(-20, abs=1)


def test_the_rate_of_false_halts_is_shared_by_the_guard_rails() -> None:
    rates = [0.1 + place / 200 for place in range(40)]
    alone = replace(SHOP, guard_rails=SHOP.guard_rails[:1])
    many, one = (find(each, SHOP.guard_rails[0], old=arm(rates), new=arm(rates)) for each in (SHOP, alone))
    assert many is not None and one is not None
    assert many.least < one.least and many.most == one.most


def test_a_review_looks_at_the_users_of_both_arms() -> None:
    rates = [0.2 + place / 2000 for place in range(40)]
    fine = review(SHOP, State(START, 1), old=arm(rates), new=arm(rates), today=START + timedelta(days=4))
    bad = review(
        SHOP, State(START, 1), old=arm(rates), new=arm([r - 0.1 for r in rates]), today=START + timedelta(days=4)
    )
    few = review(SHOP, State(START, 1), old=arm(rates[:29]), new=arm(rates), today=START + timedelta(days=4))
    assert (fine.verdict, bad.verdict, few.verdict) == (Verdict.ADVANCE, Verdict.HALT, Verdict.HOLD)
    assert bad.reason.startswith("acceptance_rate 0.1098 against 0.2097, worse by ")
    assert few.reason == "acceptance_rate: 30 users are needed in each arm"
    # Nor is anything shown of them: intervals of a few users do not hold.
    assert fine.effects and few.effects == ()
