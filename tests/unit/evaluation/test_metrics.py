"""Each figure against a case worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.evaluation.metrics import (
    bootstrap,
    edit_similarity,
    first_line,
    holm,
    is_exact_match,
    mcnemar,
    percentile,
    wilson,
)


@pytest.mark.parametrize(
    ("suggested", "hidden", "expected"),
    [
        ("return x", "return x", True),
        ("return x  \n    y = 1", "return x", True),
        ("return x\r\ny", "return x ", True),
        (" return x", "return x", False),
        ("return X", "return x", False),
        ("\nreturn x", "return x", False),
        ("", "return x", False),
        (None, "return x", False),
    ],
)
def test_exact_match_is_of_the_first_line_trailing_space_aside(
    suggested: str | None, hidden: str, expected: bool
) -> None:
    assert is_exact_match(suggested, hidden) is expected


def test_edit_similarity_is_the_indel_ratio() -> None:
    # Of 2 x 20 characters 8 have to go: "foo" and "bar" change places, one of them by deletion and insertion.
    assert edit_similarity("return self.foo(bar)", "return self.bar(foo)") == pytest.approx(0.8)
    # "abcd" and "abed" share "abd": 2 * 3 / 8.
    assert edit_similarity("abcd\nmore", "abed  ") == pytest.approx(0.75)
    assert edit_similarity(None, "x") == 0
    assert edit_similarity("x", "x") == 1


def test_the_wilson_interval_of_a_textbook_case() -> None:
    # 20 of 100: (0.2 + z2/200 -+ z sqrt(0.2 0.8 / 100 + z2/40000)) / (1 + z2/100), z2 = 3.8415.
    interval = wilson(20, 100)
    assert interval.value == 0.2
    assert (interval.low, interval.high) == (pytest.approx(0.1334, abs=1e-4), pytest.approx(0.2888, abs=1e-4))
    assert wilson(0, 10).low == 0 and wilson(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    assert wilson(0, 0).high == 1


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    hits, n = counts
    interval, mirror = wilson(hits, n), wilson(n - hits, n)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low == pytest.approx(1 - mirror.high, abs=1e-9)


def test_mcnemar_by_hand() -> None:
    # Alone right 1 against 5: 2 * (C(6,0) + C(6,1)) / 2**6 = 14 / 64.
    first = [True] + [False] * 5 + [True] * 3 + [False]
    second = [False] + [True] * 5 + [True] * 3 + [False]
    paired = mcnemar(first, second)
    assert (paired.n, paired.only_first, paired.only_second) == (10, 1, 5)
    assert paired.p_value == pytest.approx(14 / 64)
    assert mcnemar([True], [True]).p_value == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_mcnemar_does_not_care_who_comes_first(pairs: list[tuple[bool, bool]]) -> None:
    forward = mcnemar([a for a, _ in pairs], [b for _, b in pairs])
    backward = mcnemar([b for _, b in pairs], [a for a, _ in pairs])
    assert forward.p_value == backward.p_value <= 1
    assert forward.only_first == backward.only_second


def test_holm_by_hand() -> None:
    # In order 0.01, 0.03, 0.04: 3 * 0.01, then 2 * 0.03, then 1 * 0.04, which may not fall below the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02] and holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_makes_none_smaller_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, corrected, strict=True))
    pairs = sorted(zip(p_values, corrected, strict=True))
    assert [after for _, after in pairs] == sorted(corrected)


def test_the_bootstrap_resamples_clusters() -> None:
    # 40 files of ten cases each: all of a file's cases are hits or none, so there are 40 draws, not 400.
    sums = np.array([[10.0 * (number < 20), 10.0] for number in range(40)])
    (share,) = bootstrap(sums, lambda sums: sums[..., 0] / sums[..., 1])
    assert share.value == 0.5
    # Normal approximation: 1.96 * sqrt(0.25 / 40) = 0.155.
    assert share.high - share.low == pytest.approx(2 * 0.155, abs=0.04)
    assert bootstrap(sums, lambda sums: sums[..., 0] / sums[..., 1]) == [share]


def test_one_cluster_alone_gives_no_interval() -> None:
    (mean,) = bootstrap(np.array([[3.0, 4.0]]), lambda sums: sums[..., 0] / sums[..., 1])
    assert (mean.value, mean.low, mean.high) == (0.75, 0.75, 0.75)


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([4, 1, 2, 3], 0.5) == 2.5
    assert percentile([10, 20], 0.95) == pytest.approx(19.5)
    assert percentile([7], 0.95) == 7
    assert percentile([], 0.5) == 0


def test_the_first_line_ends_at_any_line_break() -> None:
    assert first_line("a \rb") == "a" and first_line("\n") == ""
