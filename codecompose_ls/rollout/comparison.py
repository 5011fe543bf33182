"""Two arms compared by user, with intervals that hold at every look. Pure functions.

The unit is the user, since users are what was drawn: their suggestions resemble each other, and counted one by one
they would prove anything. A metric is a ratio of two sums over users (accepted / shown); its variance is the
jackknife's over users: the delta method (Deng, Knoblich and Lu 2018) with each user's leverage taken out (Efron and
Stein 1981). What a user did before joining foretells much of what they do after; that part is subtracted (CUPED, Deng,
Xu, Kohavi and Walker 2013).

Intervals are one-sided asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, arXiv
2103.06476; the normal mixture of Robbins 1970 and Howard et al. 2021): the probability that a bound is wrong at any
look whatever is at most alpha. Where they speak of n observations we take the information, 1 / variance of the
estimate: users who are already there and go on writing add to it as new ones do, and the estimate times its information
then has the increments of a Brownian motion (Scharfstein, Tsiatis and Robins 1997). What that takes:

- users are independent of each other, and were drawn by hash;
- there are enough of them for the normal approximation (`LEAST_USERS`), and none has nearly all of the suggestions;
- a user's share of all suggestions stays about what it was, so that old data are not outweighed later;
- the difference stays what it is. If it wanders, the intervals are of its average so far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache

import numpy as np
import numpy.typing as npt

from codecompose_ls.rollout.metrics import Metric, Sums, User

Numbers = npt.NDArray[np.float64]

#: The past of a user counts as if this many more had gone as they do on average: few say little.
_PRIOR = 30.0
#: Arms that are unlike in size are expected to be so by some five points.
_NEAR_EVEN = 50.0
_COLUMNS = {item.name: number for number, item in enumerate(fields(Sums))}


@dataclass(frozen=True, slots=True)
class Users:
    """The users of an arm, (users, fields of `Sums`): since they joined, and before."""

    since: Numbers
    before: Numbers

    @classmethod
    def of(cls, users: Sequence[User]) -> Users:
        """Put users into rows."""
        return cls(
            *(
                np.array([astuple(one) for one in sums], dtype=np.float64).reshape(-1, len(_COLUMNS))
                for sums in ([user.since for user in users], [user.before for user in users])
            )
        )

    def __len__(self) -> int:
        return len(self.since)

    def column(self, name: str) -> Numbers:
        return np.asarray(self.since[:, _COLUMNS[name]])

    def column_before(self, name: str) -> Numbers:
        return np.asarray(self.before[:, _COLUMNS[name]])


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric in two arms: of how many users (those with anything to divide by), and what it is in each.

    `difference` is new less old after what was to be expected of these users has been subtracted, and so not exactly
    `new` - `old`; its standard error is of today, not of every look.
    """

    metric: str
    old_users: int
    new_users: int
    old: float
    new: float
    difference: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference and its 95 % interval, which holds at every look."""

    comparison: Comparison
    low: float
    high: float


def compare(metric: Metric, old: Users, new: Users) -> Comparison | None:
    """Compare two arms by one metric; None where an arm has fewer than two users to speak of, or nothing varies yet."""
    arms = [_Ratio.of(metric, users) for users in (old, new)]
    if any(arm.users < 2 for arm in arms):
        return None
    expected = _expected(metric, old, new)
    weight = _weight(arms, expected)
    adjusted = [
        _Ratio(arm.numerators - weight * more, arm.denominators) for arm, more in zip(arms, expected, strict=True)
    ]
    variances = [
        max(after.variance, arm.least_variance if metric.is_share else 0.0)
        for arm, after in zip(arms, adjusted, strict=True)
    ]
    variance = sum(variances)
    if variance == 0 or math.isinf(variance):
        return None
    return Comparison(
        metric=metric.name,
        old_users=arms[0].users,
        new_users=arms[1].users,
        old=arms[0].value,
        new=arms[1].value,
        difference=adjusted[1].value - adjusted[0].value,
        standard_error=math.sqrt(variance),
    )


def effect(metric: Metric, old: Users, new: Users, *, scale: float) -> Effect | None:
    """Compare two arms by one metric, for whoever looks on."""
    comparison = compare(metric, old, new)
    if comparison is None:
        return None
    half = half_width(comparison.standard_error, scale=scale, alpha=0.025)
    return Effect(comparison, comparison.difference - half, comparison.difference + half)


def half_width(standard_error: float, *, scale: float, alpha: float) -> float:
    """Return how far a one-sided bound lies from the estimate, so that it is ever wrong with probability alpha at most.

    It is tightest where it has come down to `scale`, which must not be chosen by the data: there it is 2.8 standard
    errors for alpha = 0.05, where one look at a time fixed beforehand takes 1.6.
    """
    best, widest = _tightest(alpha)
    information = standard_error**-2
    return math.sqrt(_squared(best * information * (scale / widest) ** 2, alpha)) * standard_error


def imbalance(old: int, new: int) -> float:
    """Return how likely arms drawn with even odds are ever to become so unlike in size, at most; valid at every look.

    The Bayes factor of odds near even (a beta distribution of `_NEAR_EVEN` both ways) against even ones, inverted
    (Lindon and Malek 2022). A version that does not start sends no error: its users are missing.
    """
    both, prior = old + new, _NEAR_EVEN
    factor = _log_beta(prior + old, prior + new) - _log_beta(prior, prior) + both * math.log(2)
    return min(1.0, math.exp(-factor))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A ratio of sums over users, by user."""

    numerators: Numbers
    denominators: Numbers

    @classmethod
    def of(cls, metric: Metric, users: Users) -> _Ratio:
        return cls(users.column(metric.numerator), users.column(metric.denominator))

    @property
    def users(self) -> int:
        return int(np.count_nonzero(self.denominators))

    @property
    def total(self) -> float:
        return float(self.denominators.sum())

    @property
    def value(self) -> float:
        return float(self.numerators.sum()) / self.total

    @property
    def residuals(self) -> Numbers:
        return np.asarray(self.numerators - self.value * self.denominators)

    @property
    def variance(self) -> float:
        """The jackknife's: what the ratio becomes without each of the users. Infinite where one is all there is."""
        rest = self.total - self.denominators
        if rest.min() <= 0:
            return math.inf
        return float(np.square(self.residuals / rest).sum()) * (self.users - 1) / self.users

    @property
    def least_variance(self) -> float:
        """That of a share if its parts were independent (Agresti and Coull 1998): no errors yet are not none ever."""
        total = self.total + 4
        share = (float(self.numerators.sum()) + 2) / total
        return share * (1 - share) / total


def _expected(metric: Metric, old: Users, new: Users) -> list[Numbers]:
    """Return how far above or below the average each numerator was to be expected, from before the user joined."""
    before = [(users.column_before(metric.numerator), users.column_before(metric.denominator)) for users in (old, new)]
    total = sum(float(denominators.sum()) for _, denominators in before)
    average = sum(float(numerators.sum()) for numerators, _ in before) / total if total else 0.0
    return [
        users.column(metric.denominator) * (numerators - average * denominators) / (denominators + _PRIOR)
        for users, (numerators, denominators) in zip((old, new), before, strict=True)
    ]


def _weight(arms: Sequence[_Ratio], expected: Sequence[Numbers]) -> float:
    """Return how much of what was expected to subtract: least squares over both arms together."""
    residuals = np.concatenate([arm.residuals for arm in arms])
    centred = np.concatenate(
        [_Ratio(more, arm.denominators).residuals for arm, more in zip(arms, expected, strict=True)]
    )
    square = float(np.square(centred).sum())
    return float(residuals @ centred) / square if square else 0.0


def _squared(progress: float, alpha: float) -> float:
    """Return the squared half width in standard errors; `progress` is the information times rho squared."""
    return 2 * (progress + 1) / progress * math.log(1 + math.sqrt(progress + 1) / (2 * alpha))


@cache
def _tightest(alpha: float) -> tuple[float, float]:
    """Return the progress at which the bound is tightest against one that knew the time, and its half width there."""
    twice = -2 * math.log(2 * alpha)
    best = twice + math.log(twice + 1)
    return best, math.sqrt(_squared(best, alpha))
