"""From what telemetry has counted to the users of an experiment's two arms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from codecompose_ls.rollout.assignment import Arm, arms, is_missing
from codecompose_ls.rollout.comparison import Users
from codecompose_ls.rollout.metrics import SLOWEST_MS, Sums, User
from codecompose_ls.telemetry.events import OUTCOMES
from codecompose_ls.telemetry.histogram import duration
from codecompose_ls.telemetry.ledger import Bucket, Counters

#: Days before a user joined that foretell what they do.
BEFORE = 28


def users_of(buckets: Iterable[Bucket], experiment: str) -> tuple[Users, Users]:
    """Return the users of the old and of the new arm, from everyone's buckets since `BEFORE` days before the start.

    A user is in it from the first day that their events say so. Who was in both arms, by a lost id, is in neither here;
    nor is what has no user.
    """
    days: dict[str, dict[str, Counters]] = defaultdict(lambda: defaultdict(Counter))
    joined: dict[str, dict[str, Counters]] = defaultdict(lambda: defaultdict(Counter))
    seen: dict[str, set[Arm]] = defaultdict(set)
    for bucket in buckets:
        key, arm = bucket.key, arms(bucket.key.cohort).get(experiment)
        if not key.user:
            continue
        (days if arm is None else joined)[key.user][key.day].update(bucket.counters)
        if arm is not None:
            seen[key.user].add(arm)
    found: dict[Arm, list[User]] = {arm: [] for arm in Arm}
    for user in sorted(seen):
        if len(seen[user]) == 1:
            since = sum(joined[user].values(), Counter())
            before = _between(days[user], until=min(joined[user]))
            found[seen[user].pop()].append(User(sums(since), sums(before)))
    return Users.of(found[Arm.OLD]), Users.of(found[Arm.NEW])


def without_model(buckets: Iterable[Bucket], experiment: str) -> int:
    """Return how many users were drawn for an experiment and left out, since they never had its model."""
    seen: dict[str, set[bool]] = defaultdict(set)
    for bucket in buckets:
        key = bucket.key
        if key.user and experiment in arms(key.cohort):
            seen[key.user].add(False)
        elif key.user and is_missing(key.cohort, experiment):
            seen[key.user].add(True)
    return sum(found == {True} for found in seen.values())


def sums(counters: Mapping[str, int]) -> Sums:
    """Return what the ledger's counters come to; latencies are told by their bins, within 4 %."""
    bins = [
        (min(duration(int(name.rsplit(".", 1)[1])), SLOWEST_MS), count)
        for name, count in counters.items()
        if name.startswith("latency.")
    ]
    return Sums(
        requested=sum(counters.get(kind.value, 0) for kind in OUTCOMES),
        failed=counters.get("failed", 0),
        answered=sum(count for _, count in bins),
        latency_ms=sum(ms * count for ms, count in bins),
        shown=counters.get("shown", 0),
        accepted=counters.get("accepted", 0),
        characters_retained=counters.get("characters_retained", 0),
    )


def _between(days: Mapping[str, Counters], *, until: str) -> Counters:
    """Add up the days before one, as far back as counts."""
    since = (date.fromisoformat(until) - timedelta(days=BEFORE)).isoformat()
    return sum((counters for day, counters in days.items() if since <= day < until), Counter())
