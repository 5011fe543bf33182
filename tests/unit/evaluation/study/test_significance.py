"""Kruskal-Wallis: worked by hand, equal to scipy, and what the seed's own data give."""

import pytest
from scipy.stats import chi2, kruskal

from codecompose_ls.evaluation.study.significance import kruskal_wallis


def test_three_against_three_without_overlap_worked_by_hand() -> None:
    (test,) = kruskal_wallis({"base": [1.0, 2.0, 3.0], "custom": [4.0, 5.0, 6.0]})
    # Rank sums 6 and 15: H = 12 / (6 * 7) * (36 / 3 + 225 / 3) - 3 * 7 = 27 / 7.
    assert test.h == pytest.approx(27 / 7)
    assert test.p_value == pytest.approx(chi2.sf(27 / 7, 1))
    assert test.n == 6
    assert test.epsilon_squared == pytest.approx(27 / 7 / 5)


def test_twenty_against_twenty_without_overlap_give_what_scipy_prints_not_half_of_it() -> None:
    (test,) = kruskal_wallis({"base": list(range(20)), "custom": list(range(20, 40))})
    assert test.h == pytest.approx(29.27, abs=0.005)
    assert test.p_value == pytest.approx(6.3e-8, rel=0.01)


def test_all_pairs_with_ties_equal_scipy_and_are_corrected_for_their_number() -> None:
    groups = {"a": [1.0, 2.0, 2.0, 5.0], "b": [2.0, 3.0, 5.0, 6.0], "c": [7.0, 8.0, 8.0, 9.0]}
    tests = kruskal_wallis(groups)
    assert [(test.first, test.second) for test in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    for test in tests:
        expected = kruskal(groups[test.first], groups[test.second])
        assert (test.h, test.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    smallest = min(tests, key=lambda test: test.p_value)
    assert smallest.p_holm == pytest.approx(3 * smallest.p_value)


def test_values_that_are_all_alike_differ_in_nothing() -> None:
    (test,) = kruskal_wallis({"a": [1.0, 1.0], "b": [1.0]})
    assert (test.h, test.p_value, test.epsilon_squared) == (0.0, 1.0, 0.0)
