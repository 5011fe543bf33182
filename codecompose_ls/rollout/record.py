"""The record of a roll-out: every decision and every change of who gets what, a line of JSON each, only ever added to.

It is also where the experiments' states are kept: what was written last holds. One process writes; any may read. A line
that a crash has cut short was never acted on, and the next one takes its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.rollout.experiments import Experiment, Plan, State, Status, check_overlap
from codecompose_ls.rollout.guard_rails import Decision, Verdict

STARTED, REMOVED, HOLDOUT = "started", "removed", "holdout"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was done: a verdict, "started" or "removed"; or "holdout", which is of no experiment. When (UTC), and why.

    Where `percent_before` differs from `percent`, of users who get the change, who gets what has changed. `state` is
    the one from then on; `findings` are those of the guard rails, `effects` those of all metrics, as in a decision.
    `without_model` counts users who were drawn, but do not have the model, and so are in neither arm.
    """

    at: str
    experiment: str
    what: str
    reason: str
    percent_before: float
    percent: float
    state: State | None = None
    fingerprint: str = ""
    findings: tuple[Mapping[str, Any], ...] = ()
    effects: tuple[Mapping[str, Any], ...] = ()
    without_model: int = 0


class Record:
    """The record in a file. Raises `OSError` where that cannot be read or written, `InputError` where it is damaged."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._path = path
        self._clock = clock

    @property
    def today(self) -> date:
        """The day in UTC."""
        return self._clock().date()

    def entries(self) -> list[Entry]:
        """Return everything, the oldest first."""
        try:
            lines = self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [self._entry(line, number) for number, line in enumerate(lines, start=1)]

    def begin(self, plan: Plan) -> Plan:
        """Return the plan with its states, having started what is new in it and stopped what is gone from it.

        Raises `InputError` for an experiment that is not what it was at its start: its error rates would be void.
        """
        last = {entry.experiment: entry for entry in self.entries()}
        names = [one.name for one in plan.experiments]
        states = {entry.experiment: entry.state for entry in last.values() if entry.state and entry.experiment in names}
        fresh = {name: State(self.today) for name in names if name not in states}
        for one in plan.experiments:
            if one.name in last and last[one.name].fingerprint != one.fingerprint():
                raise InputError(f"experiment {one.name} was changed after its start: give it another name")
        begun = replace(plan, states=states | fresh)
        check_overlap(begun)
        for one in plan.experiments:
            if one.name in fresh:
                self._start(one, fresh[one.name])
        for entry in last.values():
            if entry.state is not None and entry.experiment not in names and entry.percent:
                self._remove(entry, entry.state)
        held_out = last[""].percent if "" in last else 0.0
        if held_out != plan.holdout_percent:
            self._append(Entry(self._stamp(), "", HOLDOUT, "the roll-out file says so", held_out, plan.holdout_percent))
        return begun

    def enter(self, experiment: Experiment, before: State, decision: Decision, *, without_model: int = 0) -> Entry:
        """Write a decision down; only then may it be acted on."""
        entry = Entry(
            at=self._stamp(),
            experiment=experiment.name,
            what=decision.verdict.value,
            reason=decision.reason,
            percent_before=_percent(experiment, before),
            percent=_percent(experiment, decision.state),
            state=decision.state,
            fingerprint=experiment.fingerprint(),
            findings=tuple(asdict(one) for one in decision.findings),
            effects=tuple(asdict(one) for one in decision.effects),
            without_model=without_model,
        )
        self._append(entry)
        return entry

    def halt(self, experiment: Experiment, before: State, reason: str) -> Entry:
        """Write down that a person has stopped an experiment."""
        state = replace(before, since=self.today, status=Status.HALTED)
        return self.enter(experiment, before, Decision(Verdict.HALT, f"by hand: {reason}", state))

    def _start(self, experiment: Experiment, state: State) -> None:
        percent, why = _percent(experiment, state), "it is in the roll-out file"
        self._append(Entry(self._stamp(), experiment.name, STARTED, why, 0.0, percent, state, experiment.fingerprint()))

    def _remove(self, entry: Entry, state: State) -> None:
        gone = replace(state, since=self.today, status=Status.HALTED)
        why = "it is in the roll-out file no more"
        self._append(Entry(self._stamp(), entry.experiment, REMOVED, why, entry.percent, 0.0, gone, entry.fingerprint))

    def _stamp(self) -> str:
        return self._clock().isoformat(timespec="seconds")

    def _append(self, entry: Entry) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(entry), default=date.isoformat).encode() + b"\n"
        with self._path.open("ab+") as file:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _entry(self, line: bytes, number: int) -> Entry:
        try:
            said = json.loads(line)
            state = said["state"]
            if state is not None:
                state = State(date.fromisoformat(state["since"]), int(state["wave"]), Status(state["status"]))
            lists = {name: tuple(said[name]) for name in ("findings", "effects")}
            if not all({"comparison", "low", "high"} <= one.keys() for one in lists["effects"]):
                raise ValueError("an effect is not whole")
            return Entry(**{**said, "state": state, **lists})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(f"{self._path}:{number} is not a line of a roll-out's record ({error})") from error


def _percent(experiment: Experiment, state: State) -> float:
    """Return how many percent of the users get the change, those held out aside."""
    if state.status is Status.RUNNING:
        return experiment.waves[state.wave].percent
    return 100.0 if state.status is Status.COMPLETE else 0.0
