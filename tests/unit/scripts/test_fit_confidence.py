"""Fitting the confidence: the regression finds what the data were made by, and the threshold what pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.projects import Project
from scripts.fit_confidence import LOOK, area, block_of, fit, probabilities, threshold


def test_the_regression_finds_the_weights_that_the_data_were_made_by() -> None:
    random = np.random.default_rng(0)
    made_by = np.array([-0.5, 1.5, -0.75, 0.0])
    rows = np.column_stack([np.ones(4000), random.normal(0, [1.0, 2.0, 0.1], (4000, 3))])
    right = (random.random(4000) < probabilities(rows, made_by)).astype(float)
    found = fit(rows, right)
    assert found[:3] == pytest.approx(made_by[:3], abs=0.15)
    # In all, as many are expected to be right as are.
    assert probabilities(rows, found).sum() == pytest.approx(right.sum())


def test_a_feature_that_never_varies_gets_no_weight() -> None:
    rows = np.column_stack([np.ones(4), [0.0, 1.0, 0.0, 1.0], np.zeros(4)])
    assert fit(rows, np.array([0.0, 1.0, 1.0, 1.0]))[2] == 0


def test_the_threshold_is_where_a_look_still_pays() -> None:
    told, characters = np.array([0.9, 0.1, 0.5, 0.3]), np.full(4, 4 * LOOK)
    # Expected are 3.6, 2, 1.2 and 0.4 looks' worth of characters.
    assert threshold(told, characters) == 0.3
    assert threshold(told, characters / 8) == 1.0


def test_area_by_hand() -> None:
    # Of the four pairs of a right one and a wrong one, two are in order and one is a tie.
    assert area(np.array([0.9, 0.4, 0.5, 0.4]), np.array([1.0, 1.0, 0.0, 0.0])) == 0.625


def case(before: str, hidden: str, after: str, *, kind: Kind = Kind.LINE_START) -> Case:
    return Case(Project("p", Path("p"), ()), "a.py", "python", kind, before + after, len(before), hidden)


def test_a_line_that_begins_a_block_is_asked_for_with_its_block() -> None:
    block = block_of(case("def f(x):\n    ", "y = x", "\n\n    return y\n\n\ndef g():\n    pass\n"))
    assert block is not None
    assert block.text[: block.offset] == "def f(x):"
    assert block.text[block.offset :] == "\ndef g():\n    pass\n"
    assert block.hidden == "\n    y = x"


def test_other_lines_are_not() -> None:
    assert block_of(case("def f(x):\n    y = x\n    ", "return y", "\n")) is None
    assert block_of(case("def f(x):\n    y = ", "x", "\n", kind=Kind.MID_LINE)) is None
