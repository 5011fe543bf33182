"""Are the strategies different? Kruskal-Wallis on every pair, as the seed does, with what it leaves out beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from codecompose_ls.evaluation.metrics import holm


@dataclass(frozen=True, slots=True)
class PairTest:
    """One pair: `n` values in both together, scipy's H and p, epsilon squared, and p corrected for all pairs (Holm).

    Epsilon squared is H / (n - 1), the share of the variance in ranks that the pair explains, 0 to 1 (Tomczak 2014).
    """

    first: str
    second: str
    n: int
    h: float
    p_value: float
    epsilon_squared: float
    p_holm: float


def kruskal_wallis(groups: Mapping[str, Sequence[float]]) -> list[PairTest]:
    """Compare every two groups by ranks (Kruskal & Wallis 1952, ties corrected); a group needs one value at least."""
    pairs = list(combinations(groups, 2))
    found = [_kruskal(groups[first], groups[second]) for first, second in pairs]
    corrected = holm([p_value for _, p_value in found])
    tests = []
    for (first, second), (h, p_value), p_holm in zip(pairs, found, corrected, strict=True):
        n = len(groups[first]) + len(groups[second])
        tests.append(PairTest(first, second, n, h, p_value, h / (n - 1), p_holm))
    return tests


def least_p(n: int) -> float:
    """Return p where `n` values in two groups of the same size do not overlap at all: it cannot be less."""
    half = n // 2
    return _kruskal(range(half), range(half, n))[1]


def _kruskal(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return H and p as scipy has them; without any difference at all, where ranks say nothing, 0 and 1."""
    from scipy.stats import kruskal

    if len({*first, *second}) == 1:
        return 0.0, 1.0
    result = kruskal(list(first), list(second))
    return float(result.statistic), float(result.pvalue)
