"""Assignment: which arm of which experiment a user is in, from nothing but their id; and what they get.

A user has a place in [0, 1) in every experiment, by hash, independent of their place in any other. The change goes to
those below the wave's share, and those who are that near to 1 are compared with them. Both enter with the same wave, so
that what changes from week to week changes for both alike. A later wave adds users at both inner edges, moves nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from codecompose_ls.rollout.experiments import Change, Experiment, Plan, State, Status, Value

#: The cohort of those who get nothing of any experiment.
HOLDOUT = "holdout"
#: In place of an arm, for users of either one who do not have the model that is tried: they are not compared at all.
MISSING = "missing"


class Arm(str, Enum):
    """With the change, or compared with those who have it."""

    NEW = "new"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Allotment:
    """What is different for one user, and the cohort that their events carry.

    A cohort is "holdout", or an `EXPERIMENT/ARM` (or `EXPERIMENT/missing`) for each running experiment that they are
    drawn for, sorted, with spaces between; "" for none.
    """

    model: str | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)
    cohort: str = ""

    def changed(self, change: Change) -> Allotment:
        """Return it with a change laid over it."""
        model = self.model if change.model is None else change.model
        return Allotment(model, {**self.settings, **change.settings}, self.cohort)


def position(user: str, experiment: str) -> float:
    """Return a user's place in an experiment, in [0, 1): 53 bits of SHA-256, the same on every machine for ever."""
    digest = hashlib.sha256(f"{experiment}\0{user}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def is_held_out(user: str, percent: float) -> bool:
    """Tell whether a user is among the percent that get nothing: a place of its own, of an experiment without name."""
    return position(user, "") < percent / 100


def arm_of(user: str, experiment: Experiment, state: State) -> Arm | None:
    """Return a user's arm while an experiment runs; None for who is not in it yet. Knows of no holdout."""
    if state.status is not Status.RUNNING:
        return None
    share, place = experiment.waves[state.wave].percent / 100, position(user, experiment.name)
    if place < share:
        return Arm.NEW
    return Arm.OLD if place >= 1 - share else None


def allot(
    plan: Plan, user: str, *, running: bool = True, lacks: Callable[[str], bool] = lambda model: False
) -> Allotment:
    """Return what a user gets: what is complete, and, with `running`, what they are to try.

    A model that the user `lacks` changes nothing for them; as that is asked in both arms, those left stay alike.
    """
    if is_held_out(user, plan.holdout_percent):
        return Allotment(cohort=HOLDOUT)
    started = [(one, plan.states[one.name]) for one in plan.experiments if one.name in plan.states]
    found, cohorts = Allotment(), []
    for experiment, state in started:
        if state.status is Status.COMPLETE and not _lacks(experiment, lacks):
            found = found.changed(experiment.change)
    for experiment, state in started if running else ():
        arm = arm_of(user, experiment, state)
        if arm is None:
            continue
        is_missing = _lacks(experiment, lacks)
        cohorts.append(f"{experiment.name}/{MISSING if is_missing else arm.value}")
        if arm is Arm.NEW and not is_missing:
            found = found.changed(experiment.change)
    return Allotment(found.model, found.settings, " ".join(sorted(cohorts)))


def is_missing(cohort: str, experiment: str) -> bool:
    """Tell whether a cohort is that of users who do not have the model of an experiment."""
    return f"{experiment}/{MISSING}" in cohort.split()


def arms(cohort: str) -> dict[str, Arm]:
    """Return the arm by experiment that an event's cohort names; what is no such name is left out."""
    parts = [part.split("/") for part in cohort.split() if part.count("/") == 1]
    values = {arm.value: arm for arm in Arm}
    return {experiment: values[arm] for experiment, arm in parts if arm in values}


def _lacks(experiment: Experiment, lacks: Callable[[str], bool]) -> bool:
    return experiment.change.model is not None and lacks(experiment.change.model)
