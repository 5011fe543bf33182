"""Simulated roll-outs: users who differ, whose suggestions resemble each other, looked at every day.

Truth is known here, so the error rates that `guard_rails` promises can be counted, and those of the usual test beside
them: a z-test for one look, taken every day, by user or by suggestion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np

from codecompose_ls.rollout.comparison import Numbers, Users, compare, effect
from codecompose_ls.rollout.experiments import Change, Experiment, GuardRail, State, Status, Wave
from codecompose_ls.rollout.guard_rails import Finding, decide, find
from codecompose_ls.rollout.metrics import METRICS, Metric

WAVES = (Wave(10, days=2, proof=False), Wave(25, days=3), Wave(50, days=5))

_START = date(2026, 1, 1)
#: Days of which a user's past is known.
_BEFORE = 14

Find = Callable[[Experiment, GuardRail, Users, Users], "Finding | None"]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a change does: `acceptance` and `errors` are added to a user's rates, latency is multiplied.

    `lost` is the share of users with whom it does not start.
    """

    acceptance: float = 0.0
    latency: float = 1.0
    errors: float = 0.0
    lost: float = 0.0


@dataclass(frozen=True, slots=True)
class Population:
    """A team. Its users accept 22 % on average, by a beta distribution; how much they write is lognormal.

    `alike`: correlation of a user's suggestions on one day, beyond what their rate explains.
    """

    users: int = 2000
    acceptance: float = 0.22
    spread: float = 0.10
    shown_a_day: float = 15.0
    activity: float = 0.8
    present: float = 0.7
    alike: float = 0.05
    latency_ms: float = 90.0


@dataclass(frozen=True, slots=True)
class Run:
    """How one roll-out went: the status it ended with, in which wave, after how many days."""

    status: Status
    wave: int
    days: int


def experiment(*, margin: float = 0.02, waves: tuple[Wave, ...] = WAVES) -> Experiment:
    """Return the experiment that is simulated: three guard rails, that of acceptance with this margin."""
    return Experiment(
        name="simulated",
        change=Change(model="simulated"),
        waves=waves,
        guard_rails=(
            GuardRail("acceptance_rate", margin),
            GuardRail("latency_ms", 15.0),
            GuardRail("error_rate", 0.005),
        ),
    )


def by_user_at_every_look(experiment: Experiment, rail: GuardRail, old: Users, new: Users) -> Finding | None:
    """What the guard rails do."""
    return find(experiment, rail, old=old, new=new)


def by_user_at_one_look(experiment: Experiment, rail: GuardRail, old: Users, new: Users) -> Finding | None:
    """A z-test by user, of the same estimate: right for a single look at a time fixed beforehand."""
    return _tested(experiment, rail, old, new, by_suggestion=False)


def by_suggestion_at_one_look(experiment: Experiment, rail: GuardRail, old: Users, new: Users) -> Finding | None:
    """A z-test of shares that takes every suggestion for an independent witness; by user where it is no share."""
    return _tested(experiment, rail, old, new, by_suggestion=METRICS[rail.metric].is_share)


def simulate(
    experiment: Experiment, truth: Truth, find: Sequence[Find], *, population: Population, days: int, seed: int
) -> list[Run]:
    """Run one roll-out on the same users for every way to find, until it ends or the days are over."""
    team = _Team(population, truth, seed=seed)
    return [_run(experiment, one, team, days) for one in find]


def ever_wrong(experiment: Experiment, *, population: Population, days: int, seed: int) -> set[str]:
    """Return the metrics of which an interval was wrong at any look: of a change without effect, on half of a team."""
    team, scales = _Team(population, Truth(), seed=seed), {rail.metric: rail.margin for rail in experiment.guard_rails}
    totals, wrong = [np.zeros_like(arm.before) for arm in team.arms], set[str]()
    for day in range(days):
        arms = []
        for number, arm in enumerate(team.arms):
            totals[number] += arm.day(day)
            present = totals[number][:, 0] > 0
            arms.append(Users(totals[number][present], arm.before[present]))
        for name in METRICS.keys() - wrong:
            found = effect(METRICS[name], *arms, scale=scales.get(name, METRICS[name].scale))
            if found is not None and not found.low <= 0 <= found.high:
                wrong.add(name)
    return wrong


def _run(experiment: Experiment, find: Find, team: _Team, days: int) -> Run:
    state, totals = State(_START), [np.zeros_like(arm.before) for arm in team.arms]
    for day in range(days):
        today = _START + timedelta(days=day + 1)
        arms = []
        for number, arm in enumerate(team.arms):
            joined = round(team.size * experiment.waves[state.wave].percent / 100)
            totals[number][:joined] += arm.day(day)[:joined]
            present = totals[number][:joined, 0] > 0
            arms.append(Users(totals[number][:joined][present], arm.before[:joined][present]))
        old, new = arms
        found = [finding for rail in experiment.guard_rails if (finding := find(experiment, rail, old, new))]
        decision = decide(experiment, state, found, old_users=len(old), new_users=len(new), today=today)
        state = decision.state
        if state.status is not Status.RUNNING:
            return Run(state.status, state.wave, day + 1)
    return Run(state.status, state.wave, days)


def _tested(experiment: Experiment, rail: GuardRail, old: Users, new: Users, *, by_suggestion: bool) -> Finding | None:
    metric = METRICS[rail.metric]
    comparison = compare(metric, old, new)
    if comparison is None or min(comparison.old_users, comparison.new_users) < experiment.least_users:
        return None
    if by_suggestion:
        error = math.sqrt(sum(_share_variance(metric, arm) for arm in (old, new)))
        comparison = replace(comparison, difference=comparison.new - comparison.old, standard_error=error)
    worse = -comparison.difference if metric.more_is_better else comparison.difference
    halting = NormalDist().inv_cdf(1 - experiment.false_halts / len(experiment.guard_rails))
    passing = NormalDist().inv_cdf(1 - experiment.missed_harms)
    error = comparison.standard_error
    return Finding(comparison, rail.margin, worse - halting * error, worse + passing * error)


def _share_variance(metric: Metric, users: Users) -> float:
    total = float(users.column(metric.denominator).sum())
    share = float(users.column(metric.numerator).sum()) / total
    return share * (1 - share) / total


class _Team:
    """Users in the order of their places, an arm from each end; days are drawn when somebody first looks at them."""

    def __init__(self, population: Population, truth: Truth, *, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.size = population.users
        self.arms = [_Arm(population, one, random) for one in (Truth(), truth)]


class _Arm:
    """Half a team, all of whom would have the change or all not."""

    def __init__(self, population: Population, truth: Truth, random: np.random.Generator) -> None:
        size = population.users // 2
        self._population, self._truth, self._random = population, truth, random
        mean = population.acceptance
        concentration = mean * (1 - mean) / population.spread**2 - 1
        self._rates = random.beta(mean * concentration, (1 - mean) * concentration, size)
        self._shown = population.shown_a_day * _lognormal(random, population.activity, size)
        self._length = 18 * _lognormal(random, 0.3, size)
        self._latency = population.latency_ms * _lognormal(random, 0.3, size)
        self._starts = random.random(size) >= truth.lost
        self._days: list[Numbers] = []
        self.before = self._drawn(Truth(), season=1.0, days=_BEFORE)

    def day(self, number: int) -> Numbers:
        """Return the sums of that day, (users, fields of `Sums`)."""
        while len(self._days) <= number:
            season = 1 + 0.1 * math.sin(len(self._days) / 3)
            self._days.append(self._drawn(self._truth, season=season) * self._starts[:, None])
        return self._days[number]

    def _drawn(self, truth: Truth, *, season: float, days: int = 1) -> Numbers:
        random, population, size = self._random, self._population, len(self._rates)
        shown = random.poisson(self._shown * season * random.binomial(days, population.present, size))
        rates = np.clip(self._rates * season + truth.acceptance, 0.005, 0.95)
        within = days / population.alike - 1
        accepted = random.binomial(shown, random.beta(rates * within, (1 - rates) * within))
        retained = accepted * self._length * random.uniform(0.5, 0.9, size)
        answered = shown + random.poisson(shown * 0.3)
        latency = self._latency * truth.latency * answered + random.normal(0, 60, size) * np.sqrt(answered)
        requested = answered + random.poisson(shown * 1.0)
        outage = 0.2 * random.binomial(days, 0.01, size) / days
        failed = random.binomial(requested, 0.002 + truth.errors + outage)
        columns = (requested, failed, answered, np.maximum(latency, 0), shown, accepted, retained)
        return np.column_stack(columns).astype(np.float64)


def _lognormal(random: np.random.Generator, sigma: float, size: int) -> Numbers:
    """Draw with a mean of 1."""
    return np.asarray(random.lognormal(-sigma * sigma / 2, sigma, size))
