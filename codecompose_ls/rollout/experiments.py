"""Experiments: what a team's roll-out file says, and the only place that reads it.

    holdout_percent = 5                       # users who get nothing of all this

    [experiments.shop-custom]
    model = "shop-custom"                     # or: settings = { eagerness = "high" }
    waves = [
        { percent = 5, days = 2, proof = false },   # goes on unless harm is proven
        { percent = 20, days = 5 },                 # goes on once no guard rail can have been broken
        { percent = 50, days = 7 },                 # as many get it as are compared with them; then everyone
    ]
    [experiments.shop-custom.guard_rails]
    acceptance_rate = 0.02                    # may be lower by less than this
    latency_ms = 20                           # may be higher by less than this

A service hands the file out with its own tables `[state.NAME]` at the end. A mistake is an `InputError` of one line
that names the place.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path

from codecompose_ls.errors import InputError
from codecompose_ls.rollout.metrics import METRICS
from codecompose_ls.rollout.table import Table, shown

Value = bool | int | str

#: The settings that a team may change for its users, and the values that each takes; the rest is the user's own.
FEATURES: Mapping[str, tuple[bool, ...] | tuple[str, ...] | range] = {
    "eagerness": ("low", "balanced", "high"),
    "multi_line": ("scope", "never"),
    "max_tokens": range(1, 513),
    "debounce": ("adaptive", "fixed"),
    "debounce_ms": range(0, 5001),
    "index": (False, True),
    "speculate": (False, True),
    "popup": (False, True),
}
#: As many users are compared with those who have the change, so it is half of them at most.
MOST_PERCENT = 50
#: Fewer users an arm, and the normal approximation behind the intervals does not hold.
LEAST_USERS = 20
#: An error rate that deserves the name.
MOST_ERRORS = 0.2

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Status(str, Enum):
    """How far an experiment is."""

    RUNNING = "running"
    HALTED = "halted"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class State:
    """The wave that is out, counted from 0, and since when."""

    since: date
    wave: int = 0
    status: Status = Status.RUNNING


@dataclass(frozen=True, slots=True)
class Change:
    """What an experiment changes: the model's name, or settings."""

    model: str | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)

    @property
    def parts(self) -> frozenset[str]:
        """The names of what is changed."""
        return frozenset(self.settings) | ({"model"} if self.model is not None else set())


@dataclass(frozen=True, slots=True)
class Wave:
    """So many percent of the users get the change, and as many are compared with them, for so many days at least.

    Without `proof` the next wave follows unless harm has been proven.
    """

    percent: float
    days: int = 3
    proof: bool = True


@dataclass(frozen=True, slots=True)
class GuardRail:
    """A metric may be worse by less than the margin, which is in the metric's own unit."""

    metric: str
    margin: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """One change on its way to everyone.

    `false_halts` bounds the probability that a change without any effect is ever halted, over all guard rails and days;
    `missed_harms` the probability that one which breaks a guard rail ever passes it.
    """

    name: str
    change: Change
    waves: tuple[Wave, ...]
    guard_rails: tuple[GuardRail, ...]
    metrics: tuple[str, ...] = tuple(METRICS)
    least_users: int = 30
    false_halts: float = 0.05
    missed_harms: float = 0.05

    def fingerprint(self) -> str:
        """Return a hash of everything said about it: the error rates hold for rules that stay as they are."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole roll-out file, and how far its experiments are; one without a state has not been started."""

    experiments: tuple[Experiment, ...] = ()
    holdout_percent: float = 0.0
    states: Mapping[str, State] = field(default_factory=dict)


def read(path: Path) -> Plan:
    """Read a roll-out file. Raises `InputError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error})") from error
    return parse(text, source=path.name)


def parse(text: str, *, source: str = "rollout.toml") -> Plan:
    """Read a roll-out file's text, `source` being its name in messages. Raises `InputError`."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        said = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: not valid TOML: {error}") from error
    return _plan(Table(said, f"{source}:"))


def handed_out(text: str, states: Mapping[str, State]) -> str:
    """Return the file as a service hands it out: the lead's text, then a table for every experiment's state."""
    tables = [
        f'[state.{name}]\nwave = {state.wave}\nstatus = "{state.status.value}"\nsince = {state.since.isoformat()}\n'
        for name, state in sorted(states.items())
    ]
    return "\n".join([text.rstrip("\n") + "\n", *tables])


def check_overlap(plan: Plan) -> None:
    """See that no two running experiments change one thing: they could not be told apart. Raises `InputError`."""
    changed: dict[str, str] = {}
    for one in plan.experiments:
        if one.name in plan.states and plan.states[one.name].status is Status.RUNNING:
            for part in sorted(one.change.parts):
                if part in changed:
                    both = f"experiments.{changed[part]} and experiments.{one.name}"
                    raise InputError(f"{both} both change {part}: run one after the other")
                changed[part] = one.name


def _plan(table: Table) -> Plan:
    holdout = table.number("holdout_percent", 0.0, low=0, high=MOST_PERCENT)
    experiments = tuple(_experiment(name, part) for name, part in table.tables("experiments"))
    counts = {experiment.name: len(experiment.waves) for experiment in experiments}
    states = {name: _state(part, counts.get(name, 0)) for name, part in table.tables("state")}
    table.finish()
    return Plan(experiments, holdout, states)


def _experiment(name: str, table: Table) -> Experiment:
    if not _NAME.fullmatch(name):
        raise InputError(f"{table.place} is no name for an experiment: small letters, digits and hyphens are, up to 64")
    guard_rails = table.table("guard_rails")
    experiment = Experiment(
        name=name,
        change=_change(table),
        waves=_waves(table),
        guard_rails=tuple(
            GuardRail(metric, guard_rails.number(metric, None, low=0, high=math.inf, above=True))
            for metric in METRICS
            if metric in guard_rails.said
        ),
        metrics=table.names("metrics", tuple(METRICS)),
        least_users=table.whole("least_users", 30, low=LEAST_USERS, high=10**6),
        false_halts=table.number("false_halts", 0.05, low=0, high=MOST_ERRORS, above=True),
        missed_harms=table.number("missed_harms", 0.05, low=0, high=MOST_ERRORS, above=True),
    )
    guard_rails.finish(METRICS)
    table.finish()
    if not experiment.guard_rails:
        raise InputError(f"{guard_rails.place} is empty: name a metric ({', '.join(METRICS)}) and its margin")
    return experiment


def _change(table: Table) -> Change:
    model, settings = table.take("model", None), table.table("settings", {})
    if model is not None and not (isinstance(model, str) and _MODEL.fullmatch(model)):
        raise InputError(f"{table.place}.model must be the name of a model in the registry, not {shown(model)}")
    for name, value in settings.said.items():
        if name not in FEATURES:
            raise InputError(f"{settings.place}.{name} cannot be rolled out; these can: {', '.join(FEATURES)}")
        allowed = FEATURES[name]
        if type(value) is not type(allowed[0]) or value not in allowed:
            wanted = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else f"one of {_listed(allowed)}"
            raise InputError(f"{settings.place}.{name} must be {wanted}, not {shown(value)}")
    if (model is None) == (not settings.said):
        raise InputError(f"{table.place} must change one thing: either model or settings")
    return Change(model, dict(settings.said))


def _waves(table: Table) -> tuple[Wave, ...]:
    waves: list[Wave] = []
    for part in table.list_of_tables("waves"):
        wave = Wave(
            percent=part.number("percent", None, low=0, high=MOST_PERCENT, above=True),
            days=part.whole("days", 3, low=1, high=365),
            proof=part.flag("proof", True),
        )
        part.finish()
        if waves and wave.percent <= waves[-1].percent:
            before = waves[-1].percent
            raise InputError(f"{part.place}.percent must be above {before:g}, the wave before, not {wave.percent:g}")
        waves.append(wave)
    if not waves[-1].proof:
        last = f"{table.place}.waves[{len(waves) - 1}]"
        raise InputError(f"{last}.proof must be true: after the last wave everyone gets the change")
    return tuple(waves)


def _state(table: Table, waves: int) -> State:
    wave = table.whole("wave", None, low=0, high=max(0, waves - 1))
    status, since = table.take("status", Status.RUNNING.value), table.take("since")
    table.finish()
    statuses = [one.value for one in Status]
    if status not in statuses:
        raise InputError(f"{table.place}.status must be one of {', '.join(statuses)}, not {shown(status)}")
    if type(since) is not date:
        raise InputError(f"{table.place}.since must be a date like 2026-12-01, not {shown(since)}")
    return State(since, wave, Status(status))


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
