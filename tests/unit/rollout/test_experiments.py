"""The roll-out file: what it says, and one clear line for every mistake in it."""

from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.errors import InputError
from codecompose_ls.models.names import is_name
from codecompose_ls.rollout import experiments
from codecompose_ls.rollout.experiments import (
    FEATURES,
    Change,
    Experiment,
    GuardRail,
    Plan,
    State,
    Status,
    Wave,
    check_overlap,
    handed_out,
    parse,
    read,
)
from codecompose_ls.rollout.table import Table
from codecompose_ls.settings import Settings, merge

FILE = """
holdout_percent = 5

[experiments.shop-custom]
model = "shop-custom"
waves = [{ percent = 5, days = 2, proof = false }, { percent = 50 }]
least_users = 40
[experiments.shop-custom.guard_rails]
latency_ms = 20
acceptance_rate = 0.02
"""
SHOP = Experiment(
    "shop-custom",
    Change("shop-custom"),
    (Wave(5, 2, False), Wave(50, 3, True)),
    (GuardRail("acceptance_rate", 0.02), GuardRail("latency_ms", 20)),
    least_users=40,
)


def test_a_file_says_what_changes_for_whom_and_what_must_not_get_worse() -> None:
    assert parse(FILE) == Plan((SHOP,), holdout_percent=5)


def test_an_empty_file_changes_nothing() -> None:
    assert parse("") == Plan()


def test_what_is_handed_out_reads_back_with_its_states() -> None:
    states = {"shop-custom": State(date(2026, 12, 1), 1, Status.HALTED)}
    assert parse(handed_out(FILE, states)) == Plan((SHOP,), 5, states)


def test_settings_that_can_be_rolled_out_are_settings_and_take_the_same_values() -> None:
    known = {item.name: item for item in fields(Settings)}
    for name, values in FEATURES.items():
        for value in (values[0], values[-1]):
            settings, problems = merge(Settings(), {name: value}, source="test")
            assert not problems and getattr(settings, name) == value
        rules = known[name].metadata
        if isinstance(values, range):
            assert (values[0], values[-1]) == (rules["low"], rules["high"])
        elif isinstance(values[0], str):
            assert values == rules["choices"]


@given(st.text(max_size=80))
def test_a_models_name_is_one_for_the_registry(name: str) -> None:
    assert bool(experiments._MODEL.fullmatch(name)) == is_name(name)


def table(**changes: str | None) -> str:
    """An experiment's table with some of its lines changed, or (None) left out."""
    lines = {"model": '"m"', "waves": "[{ percent = 5 }, { percent = 50 }]", "guard_rails": "{ error_rate = 0.01 }"}
    said = {key: value for key, value in {**lines, **changes}.items() if value is not None}
    return "[experiments.e]\n" + "".join(f"{key} = {value}\n" for key, value in said.items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("holdout_percent = 60", "rollout.toml: holdout_percent must be a number from 0 up to 50, not 60"),
        ("holdout = 5", "rollout.toml: holdout is unknown; the nearest are holdout_percent,"),
        ("experiments = 3", "rollout.toml: experiments must be a table, not 3"),
        ("a = ", "rollout.toml: not valid TOML:"),
        ("[experiments.Shop]", "rollout.toml: experiments.Shop is no name for an experiment"),
        (table(model=None), "rollout.toml: experiments.e must change one thing: either model or settings"),
        (table(settings="{ index = true }"), "must change one thing"),
        (table(model='"/etc/model"'), "experiments.e.model must be the name of a model in the registry"),
        (table(model=None, settings="{ backend = 'x' }"), "experiments.e.settings.backend cannot be rolled out"),
        (table(model=None, settings="{ index = 1 }"), "settings.index must be one of false, true, not 1"),
        (table(model=None, settings="{ debounce_ms = 9999 }"), "settings.debounce_ms must be 0 to 5000, not 9999"),
        (table(model=None, settings="{ eagerness = 'x' }"), "eagerness must be one of low, balanced, high, not 'x'"),
        (table(waves=None), "experiments.e.waves is missing"),
        (table(waves="[]"), "experiments.e.waves must be a list of tables"),
        (table(waves="[3]"), "experiments.e.waves[0] must be a table, not 3"),
        (table(waves="[{ percent = 100 }]"), "waves[0].percent must be a number above 0 up to 50, not 100"),
        (table(waves="[{ percent = nan }]"), "waves[0].percent must be a number above 0 up to 50, not nan"),
        (table(waves="[{ percent = 9 }, { percent = 9 }]"), "waves[1].percent must be above 9, the wave before, not 9"),
        (table(waves="[{ percent = 9, days = 0 }]"), "waves[0].days must be a whole number from 1 to 365, not 0"),
        (table(waves="[{ percent = 9, day = 1 }]"), "waves[0].day is unknown; the nearest are days"),
        (table(waves="[{ percent = 9, proof = 1 }]"), "waves[0].proof must be true or false, not 1"),
        (table(waves="[{ percent = 9, proof = false }]"), "waves[0].proof must be true: after the last wave everyone"),
        (table(guard_rails=None), "experiments.e.guard_rails is missing"),
        (table(guard_rails="{}"), "experiments.e.guard_rails is empty: name a metric (acceptance_rate,"),
        (table(guard_rails="{ acceptance = 0.1 }"), "guard_rails.acceptance is unknown; the nearest are acceptance_"),
        (table(guard_rails="{ error_rate = 0 }"), "guard_rails.error_rate must be a number above 0, not 0"),
        (
            table(guard_rails="{ error_rate = 1" + "0" * 400 + " }"),
            "guard_rails.error_rate must be a number above 0, not",
        ),
        (table(metrics="['x']"), "experiments.e.metrics must be a list of acceptance_rate,"),
        (table(least_users="3"), "experiments.e.least_users must be a whole number from 20 to 1000000, not 3"),
        (table(false_halts="0.9"), "experiments.e.false_halts must be a number above 0 up to 0.2, not 0.9"),
        ("[state.e]\nwave = 0\nsince = 3", "state.e.since must be a date like 2026-12-01, not 3"),
        ("[state.e]\nwave = 1\nsince = 2026-12-01", "state.e.wave must be a whole number from 0 to 0, not 1"),
        ("[state.e]\nwave = 0\nsince = 2026-12-01\nstatus = 'x'", "state.e.status must be one of running, halted,"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rollout\.toml cannot be read"):
        read(tmp_path / "rollout.toml")


_VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.none() | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["model", "waves", "percent", "state", "e", "a\nb"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(said=st.dictionaries(st.sampled_from(["experiments", "state", "holdout_percent", "x\ny"]), _VALUES))
def test_whatever_a_file_says_it_is_read_or_refused(said: dict[str, object]) -> None:
    try:
        experiments._plan(Table(said, "rollout.toml:"))
    except InputError as error:
        assert "\n" not in str(error)


def test_two_running_experiments_do_not_change_the_same_thing() -> None:
    other = Experiment("other", Change("m"), SHOP.waves, SHOP.guard_rails)
    running, complete = State(date(2026, 12, 1)), State(date(2026, 12, 1), 1, Status.COMPLETE)
    check_overlap(Plan((SHOP, other), states={"shop-custom": complete, "other": running}))
    with pytest.raises(InputError, match=r"experiments\.shop-custom and experiments\.other both change model"):
        check_overlap(Plan((SHOP, other), states={"shop-custom": running, "other": running}))
