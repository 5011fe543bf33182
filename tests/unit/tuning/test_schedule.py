"""The learning rate warms up, stays, and cools down over the last fifth of the run."""

from __future__ import annotations

import pytest

from codecompose_ls.tuning.schedule import FINAL, Budget, is_cooling, rate


def test_progress_is_that_of_the_bound_reached_first() -> None:
    budget = Budget(minutes=10, tokens=1000)
    assert budget.progress(seconds=300, tokens=100) == 0.5
    assert budget.progress(seconds=60, tokens=900) == 0.9
    assert Budget(tokens=1000).progress(seconds=1e9, tokens=250) == 0.25


def test_the_rate_over_a_run() -> None:
    assert rate(0.0, 0, warm_up=10) == pytest.approx(0.1)
    assert rate(0.0, 9, warm_up=10) == pytest.approx(1.0)
    assert rate(0.5, 500, warm_up=10) == pytest.approx(1.0)
    assert rate(0.9, 900, warm_up=10) == pytest.approx(FINAL + (1 - FINAL) / 2)
    assert rate(1.0, 1000, warm_up=10) == pytest.approx(FINAL)


def test_the_cool_down_is_the_last_fifth() -> None:
    assert not is_cooling(0.79)
    assert is_cooling(0.81)


def test_time_that_is_kept_back_ends_a_run_earlier() -> None:
    assert Budget(minutes=2, tokens=7).less(30) == Budget(minutes=1.5, tokens=7)
    assert Budget(tokens=7).less(30) == Budget(tokens=7)
    # Never nothing: without minutes there would be no bound.
    assert Budget(minutes=1).less(90).progress(seconds=0.1, tokens=0) > 1
