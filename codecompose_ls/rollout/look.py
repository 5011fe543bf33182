"""One look at all that is running: what has become of it, what follows, and what everybody gets from now on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta

from codecompose_ls.errors import InputError
from codecompose_ls.rollout.experiments import Status, handed_out, parse
from codecompose_ls.rollout.guard_rails import review
from codecompose_ls.rollout.record import STARTED, Record
from codecompose_ls.rollout.users import BEFORE, users_of, without_model
from codecompose_ls.telemetry.ledger import Bucket, Key


def look(
    text: str, *, record: Record, buckets: Callable[[date], Iterable[Bucket]], source: str = "rollout.toml"
) -> str:
    """Take the lead's roll-out file, decide on its experiments, write that down, and return what to hand out.

    `buckets` has those of all users from a day on. As often as one likes; once a day is enough, since waves last days.
    Raises `InputError` for the file or the record, `OSError` for the record; then what was handed out before stands.
    """
    said = parse(text, source=source)
    if said.states:
        raise InputError(f"{source}: state is for the service to say: take it out")
    plan = record.begin(said)
    started = {one.experiment: one.state.since for one in record.entries() if one.what == STARTED and one.state}
    states = dict(plan.states)
    for experiment in plan.experiments:
        state = states[experiment.name]
        if state.status is Status.RUNNING:
            keys: set[Key] = set()
            heard = buckets(started[experiment.name] - timedelta(days=BEFORE))
            old, new = users_of(_noted(heard, keys), experiment.name)
            decision = review(experiment, state, old=old, new=new, today=record.today)
            record.enter(experiment, state, decision, without_model=without_model(keys, experiment.name))
            states[experiment.name] = decision.state
    return handed_out(text, states)


def _noted(buckets: Iterable[Bucket], keys: set[Key]) -> Iterator[Bucket]:
    """Pass buckets on, and note which users and cohorts there are."""
    for bucket in buckets:
        keys.add(Key("", cohort=bucket.key.cohort, user=bucket.key.user))
        yield bucket
