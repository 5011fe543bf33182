"""From what telemetry has counted to the users of an experiment's two arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from codecompose_ls.rollout.assignment import Arm, arms, is_missing
from codecompose_ls.rollout.comparison import Users
from codecompose_ls.rollout.metrics import SLOWEST_MS, Sums, User
from codecompose_ls.telemetry.events import OUTCOMES
from codecompose_ls.telemetry.histogram import duration
from codecompose_ls.telemetry.ledger import Bucket, Key

#: Days before a user joined that foretell what they do.
BEFORE = 28


def users_of(buckets: Iterable[Bucket], experiment: str) -> tuple[Users, Users]:
    """Return the users of the old and of the new arm, from everyone's buckets since `BEFORE` days before the start.

    A user is in it from the first day that their events say so. Who was in both arms, by a lost id, is in neither here;
    nor is what has no user. Buckets are taken one by one, since those of months of a large team fill the memory.
    """
    days: dict[str, dict[str, Sums]] = defaultdict(lambda: defaultdict(Sums))
    since: dict[str, Sums] = defaultdict(Sums)
    joined: dict[str, str] = {}
    seen: dict[str, set[Arm]] = defaultdict(set)
    for bucket in buckets:
        key, arm = bucket.key, arms(bucket.key.cohort).get(experiment)
        if not key.user:
            continue
        if arm is None:
            days[key.user][key.day] += sums(bucket.counters)
        else:
            since[key.user] += sums(bucket.counters)
            joined[key.user] = min(key.day, joined.get(key.user, key.day))
            seen[key.user].add(arm)
    found: dict[Arm, list[User]] = {arm: [] for arm in Arm}
    for user in sorted(seen):
        if len(seen[user]) == 1:
            found[seen[user].pop()].append(User(since[user], _between(days[user], until=joined[user])))
    return Users.of(found[Arm.OLD]), Users.of(found[Arm.NEW])


def without_model(keys: Iterable[Key], experiment: str) -> int:
    """Return how many users were drawn for an experiment and left out, since they never had its model."""
    seen: dict[str, set[bool]] = defaultdict(set)
    for key in keys:
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


def _between(days: Mapping[str, Sums], *, until: str) -> Sums:
    """Add up the days before one, as far back as counts."""
    since = (date.fromisoformat(until) - timedelta(days=BEFORE)).isoformat()
    return sum((found for day, found in days.items() if since <= day < until), Sums())
