"""Who is in which arm: the same for ever, evenly, and nobody moves when a wave is added."""

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.rollout.assignment import Allotment, Arm, allot, arm_of, arms, is_held_out, is_missing, position
from codecompose_ls.rollout.experiments import Change, Experiment, GuardRail, Plan, State, Status, Wave

SHOP = Experiment("shop", Change("shop-custom"), (Wave(5), Wave(20), Wave(50)), (GuardRail("error_rate", 0.01),))
EAGER = replace(SHOP, name="eager", change=Change(settings={"eagerness": "high"}))
TODAY = date(2026, 12, 1)
IDS = st.text(alphabet="0123456789abcdef", min_size=32, max_size=32)
USERS = [f"{number:032x}" for number in range(20_000)]


def test_a_place_is_the_same_on_every_machine() -> None:
    # By sha256sum, "shop", a zero byte and 32 digits 0 begin with these 64 bits; the first 53 of them count.
    assert position("0" * 32, "shop") == (0x67523C5408274808 >> 11) / 2**53


@given(user=IDS, experiment=st.sampled_from(["", "shop", "eager"]))
def test_a_place_is_in_the_unit_interval_and_does_not_change(user: str, experiment: str) -> None:
    assert 0 <= position(user, experiment) < 1
    assert position(user, experiment) == position(user, experiment)


@given(user=IDS, first=st.floats(0.1, 50), second=st.floats(0.1, 50))
def test_a_later_wave_adds_users_and_moves_none(user: str, first: float, second: float) -> None:
    low, high = sorted((first, second))
    before = arm_of(user, replace(SHOP, waves=(Wave(low),)), State(TODAY))
    after = arm_of(user, replace(SHOP, waves=(Wave(high),)), State(TODAY))
    assert before in (None, after)


def test_places_are_even() -> None:
    counts, _ = np.histogram([position(user, "shop") for user in USERS], bins=100, range=(0, 1))
    # Chi-squared of 99 degrees of freedom: above 149 once in a thousand.
    assert ((counts - 200) ** 2 / 200).sum() < 149


def test_arms_are_as_large_as_the_wave_says_and_alike() -> None:
    for wave, percent in enumerate((5, 20, 50)):
        counts = Counter(arm_of(user, SHOP, State(TODAY, wave)) for user in USERS)
        for arm in Arm:
            assert abs(counts[arm] / len(USERS) - percent / 100) < 0.015
    assert set(counts) == set(Arm)


def test_places_in_two_experiments_and_in_the_holdout_have_nothing_to_do_with_each_other() -> None:
    places = np.array([[position(user, name) for name in ("", "shop", "eager")] for user in USERS])
    correlations = np.corrcoef(places.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(len(USERS))
    cells, _ = np.histogramdd(places[:, 1:], bins=10, range=[(0, 1), (0, 1)])
    assert ((cells - 200) ** 2 / 200).sum() < 149


def test_who_is_held_out_gets_nothing_and_stays_held_out() -> None:
    states = {"shop": State(TODAY, 2, Status.COMPLETE), "eager": State(TODAY, 2)}
    held_out = [user for user in USERS[:2000] if is_held_out(user, 5)]
    assert 60 < len(held_out) < 140
    for user in held_out:
        assert is_held_out(user, 10)
        assert allot(Plan((SHOP, EAGER), 5, states), user) == Allotment(cohort="holdout")


def test_a_user_gets_what_is_complete_and_what_they_try() -> None:
    states = {"shop": State(TODAY, 2, Status.COMPLETE), "eager": State(TODAY, 0)}
    plan = Plan((SHOP, EAGER), states=states)
    found = {arm_of(user, EAGER, states["eager"]): allot(plan, user) for user in USERS[:500]}
    assert found == {
        None: Allotment("shop-custom"),
        Arm.OLD: Allotment("shop-custom", cohort="eager/old"),
        Arm.NEW: Allotment("shop-custom", {"eagerness": "high"}, "eager/new"),
    }


def test_without_word_from_the_service_nothing_is_tried() -> None:
    states = {"shop": State(TODAY, 2, Status.COMPLETE), "eager": State(TODAY, 2)}
    plan = Plan((SHOP, EAGER), states=states)
    assert {allot(plan, user, running=False).cohort for user in USERS[:100]} == {""}
    assert {allot(plan, user, running=False).model for user in USERS[:100]} == {"shop-custom"}


def test_what_is_tried_goes_before_what_is_complete() -> None:
    second = replace(SHOP, name="second", change=Change("better"))
    plan = Plan((second, SHOP), states={"shop": State(TODAY, 2, Status.COMPLETE), "second": State(TODAY, 2)})
    assert {(one.model, one.cohort) for one in (allot(plan, user) for user in USERS[:100])} == {
        ("better", "second/new"),
        ("shop-custom", "second/old"),
    }


def test_what_was_halted_or_has_not_begun_is_for_nobody() -> None:
    plan = Plan((SHOP, EAGER), states={"shop": State(TODAY, 2, Status.HALTED)})
    assert {(one.model, one.cohort) for one in (allot(plan, user) for user in USERS[:100])} == {(None, "")}


def test_who_lacks_the_model_keeps_what_they_have_and_is_in_no_arm_whichever_they_were_drawn_for() -> None:
    second = replace(SHOP, name="second", change=Change("better"))
    plan = Plan(
        (SHOP, EAGER, second),
        states={"shop": State(TODAY, 2, Status.COMPLETE), "eager": State(TODAY, 2), "second": State(TODAY, 2)},
    )
    for user in USERS[:100]:
        found = allot(plan, user, lacks=lambda model: model == "better")
        everything = allot(plan, user)
        assert found.model == "shop-custom" and found.settings == everything.settings
        assert is_missing(found.cohort, "second") and not is_missing(found.cohort, "eager")
        assert arms(found.cohort) == {"eager": arms(everything.cohort)["eager"]}
    assert {allot(plan, user, lacks=lambda model: True).model for user in USERS[:100]} == {None}


def test_a_cohort_names_the_arm_in_each_experiment() -> None:
    plan = Plan((SHOP, EAGER), states={"shop": State(TODAY, 2), "eager": State(TODAY, 2)})
    for user in USERS[:50]:
        cohort = allot(plan, user).cohort
        expected = {one.name: arm_of(user, one, State(TODAY, 2)) for one in (SHOP, EAGER)}
        assert arms(cohort) == expected
    assert arms("holdout") == arms("") == arms("a/b/c x/y") == {}
