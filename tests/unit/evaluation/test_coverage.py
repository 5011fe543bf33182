"""Precision against coverage: the less confidence is asked for, the more is shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.evaluation.coverage import at_coverage, at_threshold, brier, precision_coverage
from codecompose_ls.evaluation.results import Outcome


def outcome(confidence: float | None, *, hit: bool = False, answered: bool = True) -> Outcome:
    return Outcome(
        predictor="base",
        case="c",
        project="p",
        path_hash="f",
        language="python",
        kind="mid_line",
        hit=hit,
        edit_similarity=1.0 if hit else 0.0,
        hidden_chars=5,
        answered=answered,
        reason="" if answered else "empty",
        latency_ms=1.0,
        confidence=confidence,
    )


def test_a_curve_by_hand() -> None:
    outcomes = [
        outcome(0.5, hit=False),
        outcome(0.9, hit=True),
        outcome(None, answered=False),
        outcome(0.5, hit=True),
        outcome(0.2, hit=False),
    ]
    points = precision_coverage(outcomes)
    assert [(point.threshold, point.shown, point.coverage) for point in points] == [
        (0.9, 1, 0.2),
        (0.5, 3, 0.6),
        (0.2, 4, 0.8),
    ]
    assert [point.precision.value for point in points] == [1.0, pytest.approx(2 / 3), 0.5]


def test_a_threshold_between_two_points_shows_what_is_above_it() -> None:
    points = precision_coverage([outcome(0.9, hit=True), outcome(0.5), outcome(0.2)])
    shown = [at_threshold(points, threshold) for threshold in (0.0, 0.2, 0.3, 0.9, 0.95)]
    assert [point.shown if point else 0 for point in shown] == [3, 3, 2, 1, 0]


def test_as_few_as_cover_a_share() -> None:
    points = precision_coverage([outcome(0.9, hit=True), outcome(0.5), outcome(0.2), outcome(None, answered=False)])
    shown = [at_coverage(points, coverage) for coverage in (0.1, 0.25, 0.3, 0.75, 0.8)]
    assert [point.shown if point else 0 for point in shown] == [1, 1, 2, 3, 0]


def test_the_brier_score_by_hand() -> None:
    outcomes = [outcome(0.9, hit=True), outcome(0.5), outcome(None, answered=False)]
    assert brier(outcomes) == pytest.approx((0.1**2 + 0.5**2) / 2)
    assert brier([*outcomes, outcome(None, hit=True)]) is None
    assert brier([outcome(None, answered=False)]) is None


def test_without_confidences_there_is_no_curve() -> None:
    assert precision_coverage([outcome(None), outcome(0.5)]) == []
    assert precision_coverage([outcome(None, answered=False)]) == []
    assert precision_coverage([]) == []


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1, max_size=40))
def test_the_last_point_shows_everything(asked: list[tuple[float, bool]]) -> None:
    points = precision_coverage([outcome(confidence, hit=hit) for confidence, hit in asked])
    assert points[-1].coverage == 1 and points[-1].precision.value == sum(hit for _, hit in asked) / len(asked)
    assert [point.threshold for point in points] == sorted({confidence for confidence, _ in asked}, reverse=True)
    assert all(a.coverage < b.coverage for a, b in pairwise(points))
