"""Coding style: cosines worked by hand."""

import math

import pytest

from codecompose_ls.evaluation.study.style import cosines


def test_the_same_identifiers_are_alike_and_others_are_not() -> None:
    assert cosines([["a", "b"], ["c"]], [["b", "a"], ["d"]]) == pytest.approx([1.0, 0.0])


def test_rare_names_count_for_more_worked_by_hand() -> None:
    # Two lists: `self` is in both (idf 1), `rare` in one (idf 1 + ln(3 / 2)).
    idf = 1 + math.log(3 / 2)
    length = math.hypot(1, idf)
    shared_rare, shared_common = cosines([["self", "rare"], ["self"]], [["rare"], ["self", "rare"]])
    assert shared_rare == pytest.approx(idf / length)
    assert shared_common == pytest.approx(1 / length)


def test_a_name_the_developer_never_uses_makes_a_style_another() -> None:
    # One list of one name, idf 1 + ln(2 / 2) = 1; one that is in none has 1 + ln(2 / 1).
    (alike,) = cosines([["name"]], [["name", "other"]])
    assert alike == pytest.approx(1 / math.hypot(1, 1 + math.log(2)))


def test_case_counts_and_a_developer_without_names_is_left_out() -> None:
    assert cosines([["Name"], []], [["name"], ["x"]]) == [0.0]
    assert cosines([[]], [["x"]]) == []
