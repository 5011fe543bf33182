"""Guard rails: when a wave stops by itself, and when the next one follows. Pure functions of what the arms came to.

A guard rail is broken once its metric is proven to be worse, unless the same data prove it worse by less than the
margin; it is passed once it cannot be worse by the margin any more. One broken rail halts; all have to be passed to go
on. So `Experiment.false_halts` is shared by the rails, and `missed_harms` holds for each, whatever the others do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

from codecompose_ls.rollout.comparison import Comparison, Effect, Users, compare, effect, half_width, imbalance
from codecompose_ls.rollout.experiments import Experiment, GuardRail, State, Status
from codecompose_ls.rollout.metrics import METRICS

#: Arms as unlike in size as this are not a matter of chance; whatever is measured on them means nothing.
IMBALANCE = 0.001


class Verdict(str, Enum):
    """What becomes of a wave."""

    HALT = "halt"
    HOLD = "hold"
    ADVANCE = "advance"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Finding:
    """A guard rail and what is known of it: in the metric's unit, the worsening lies between `least` and `most`.

    Each bound holds at every look, with its own error rate.
    """

    comparison: Comparison
    margin: float
    least: float
    most: float

    @property
    def is_passed(self) -> bool:
        return self.most < self.margin

    @property
    def is_broken(self) -> bool:
        return self.least > 0 and not self.is_passed

    def __str__(self) -> str:
        one = self.comparison
        return (
            f"{one.metric} {one.new:.4g} against {one.old:.4g}, worse by {self.least:.3g} to {self.most:.3g} "
            f"(margin {self.margin:g}, {one.new_users} and {one.old_users} users)"
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, why in one line, the state from now on, what was found, and how all metrics differ."""

    verdict: Verdict
    reason: str
    state: State
    findings: tuple[Finding, ...] = ()
    effects: tuple[Effect, ...] = ()


def review(experiment: Experiment, state: State, *, old: Users, new: Users, today: date) -> Decision:
    """Decide on a running wave from what the users of both arms have come to since they joined."""
    found = [finding for rail in experiment.guard_rails if (finding := find(experiment, rail, old=old, new=new))]
    decision = decide(experiment, state, found, old_users=len(old), new_users=len(new), today=today)
    return replace(decision, effects=_effects(experiment, old, new))


def find(experiment: Experiment, rail: GuardRail, *, old: Users, new: Users) -> Finding | None:
    """Return what is known of a guard rail; None while it has too few users."""
    metric = METRICS[rail.metric]
    comparison = compare(metric, old, new)
    if comparison is None or not _has_enough(experiment, comparison):
        return None
    worse = -comparison.difference if metric.more_is_better else comparison.difference
    error, alpha = comparison.standard_error, experiment.false_halts / len(experiment.guard_rails)
    return Finding(
        comparison=comparison,
        margin=rail.margin,
        least=worse - half_width(error, scale=rail.margin, alpha=alpha),
        most=worse + half_width(error, scale=rail.margin, alpha=experiment.missed_harms),
    )


def decide(
    experiment: Experiment, state: State, findings: Sequence[Finding], *, old_users: int, new_users: int, today: date
) -> Decision:
    """Decide from findings; guard rails without one have too few users. The numbers are of all users heard of."""
    found, wave = tuple(findings), experiment.waves[state.wave]
    if state.status is not Status.RUNNING:
        return Decision(Verdict.HOLD, f"it is {state.status.value}", state)
    broken = next((one for one in found if one.is_broken), None)
    if imbalance(old_users, new_users) < IMBALANCE:
        reason = f"the arms are unlike in size, {new_users} and {old_users} users: the change, or the count, loses some"
        return Decision(Verdict.HALT, reason, _now(state, today, Status.HALTED), found)
    if broken is not None:
        return Decision(Verdict.HALT, str(broken), _now(state, today, Status.HALTED), found)
    if waiting := _waiting(experiment, state, found, today):
        return Decision(Verdict.HOLD, waiting, state, found)
    why = "every guard rail is passed" if wave.proof else "no harm is proven"
    if state.wave + 1 < len(experiment.waves):
        return Decision(Verdict.ADVANCE, why, State(today, state.wave + 1), found)
    return Decision(Verdict.COMPLETE, why, _now(state, today, Status.COMPLETE), found)


def _effects(experiment: Experiment, old: Users, new: Users) -> tuple[Effect, ...]:
    margins = {rail.metric: rail.margin for rail in experiment.guard_rails}
    metrics = [METRICS[name] for name in experiment.metrics]
    effects = [effect(metric, old, new, scale=margins.get(metric.name, metric.scale)) for metric in metrics]
    return tuple(one for one in effects if one is not None and _has_enough(experiment, one.comparison))


def _has_enough(experiment: Experiment, comparison: Comparison) -> bool:
    """Whether an arm has so many users that intervals hold: of two, four in five are wrong at some look."""
    return min(comparison.old_users, comparison.new_users) >= experiment.least_users


def _waiting(experiment: Experiment, state: State, found: Sequence[Finding], today: date) -> str:
    """Say what a wave waits for, or nothing."""
    wave, days = experiment.waves[state.wave], (today - state.since).days
    seen = {one.comparison.metric for one in found}
    unseen = [rail.metric for rail in experiment.guard_rails if rail.metric not in seen]
    if unseen:
        return f"{unseen[0]}: {experiment.least_users} users are needed in each arm"
    undecided = next((one for one in found if not one.is_passed), None)
    if wave.proof and undecided is not None:
        return f"undecided: {undecided}"
    return f"day {days} of {wave.days}" if days < wave.days else ""


def _now(state: State, today: date, status: Status) -> State:
    return replace(state, since=today, status=status)
