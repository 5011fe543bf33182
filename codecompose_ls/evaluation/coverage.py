"""When to stay silent: how often what is shown is right, against how much is shown as less confidence is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from codecompose_ls.evaluation.metrics import Interval, wilson
from codecompose_ls.evaluation.results import Outcome


@dataclass(frozen=True, slots=True)
class Point:
    """What comes of showing suggestions with at least `threshold` of confidence, and no others.

    `coverage` is the share of all cases with a suggestion shown, `precision` the share of those shown that are right.
    """

    threshold: float
    shown: int
    coverage: float
    precision: Interval


def precision_coverage(outcomes: Sequence[Outcome]) -> list[Point]:
    """Return a point for every confidence met in one predictor's outcomes, the highest first.

    Empty where an answer lacks a confidence: there is no such curve then.
    """
    answered = [(outcome.confidence, outcome.hit) for outcome in outcomes if outcome.answered]
    scored = sorted(((-confidence, hit) for confidence, hit in answered if confidence is not None))
    if len(scored) < len(answered):
        return []
    points, shown, hits = [], 0, 0
    for negated, equals in groupby(scored, key=lambda pair: pair[0]):
        found = [hit for _, hit in equals]
        shown, hits = shown + len(found), hits + sum(found)
        points.append(Point(-negated, shown, shown / len(outcomes), wilson(hits, shown)))
    return points


def at_threshold(points: Sequence[Point], threshold: float) -> Point | None:
    """Return what is shown at a threshold; None when nothing is that sure."""
    return next((point for point in reversed(points) if point.threshold >= threshold), None)


def at_coverage(points: Sequence[Point], coverage: float) -> Point | None:
    """Return the fewest that can be shown to cover at least this share; None when there are not so many."""
    return next((point for point in points if point.coverage >= coverage), None)


def brier(outcomes: Sequence[Outcome]) -> float | None:
    """Return the mean of (confidence - right)^2 over the answers (Brier 1950); None where one lacks a confidence."""
    answered = [(outcome.confidence, outcome.hit) for outcome in outcomes if outcome.answered]
    errors = [(confidence - hit) ** 2 for confidence, hit in answered if confidence is not None]
    return sum(errors) / len(errors) if errors and len(errors) == len(answered) else None
