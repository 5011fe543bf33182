"""From the file to the end: users by hash, the buckets of their events, a look a day, and what is handed out."""

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.rollout.assignment import Allotment, allot
from codecompose_ls.rollout.experiments import Plan, Status, parse
from codecompose_ls.rollout.look import look
from codecompose_ls.rollout.record import Record
from codecompose_ls.telemetry.ledger import Bucket, Key

FILE = """
holdout_percent = 5

[experiments.shop]
model = "shop-custom"
waves = [{ percent = 15, days = 1, proof = false }, { percent = 50, days = 2 }]
guard_rails = { acceptance_rate = 0.05, error_rate = 0.02 }
"""


class Team:
    """Four hundred users who do what was handed out to them; `effect` is what the new model does to acceptance.

    Every tenth user has no such model with `is_at_hand` False.
    """

    def __init__(self, path: Path, *, effect: float, is_at_hand: bool = True) -> None:
        self.now = datetime(2026, 12, 1, 6, tzinfo=timezone.utc)
        self.record = Record(path, clock=lambda: self.now)
        self.handed_out = ""
        self.asked_from: list[date] = []
        self._effect = effect
        self._lack: set[str] = set() if is_at_hand else {f"user{n}" for n in range(0, 400, 10)}
        self._random = np.random.default_rng(0)
        self._rates = dict(zip((f"user{n}" for n in range(400)), self._random.beta(4, 12, 400), strict=True))
        self._buckets: list[Bucket] = []

    def day(self) -> None:
        plan = parse(self.handed_out)
        for user, rate in self._rates.items():
            allotment = self._allotted(plan, user)
            accepted = self._random.binomial(40, max(0.01, rate + self._effect * (allotment.model is not None)))
            counters = Counter(
                generated=80, failed=int(self._random.binomial(80, 0.01)), shown=40, accepted=int(accepted)
            )
            self._buckets.append(Bucket(Key(self.now.date().isoformat(), user=user, cohort=allotment.cohort), counters))
        self.now += timedelta(days=1)

    def look(self) -> None:
        self.handed_out = look(FILE, record=self.record, buckets=self._since)

    def models(self) -> Counter[str | None]:
        return Counter(self._allotted(parse(self.handed_out), user).model for user in self._rates)

    def _allotted(self, plan: Plan, user: str) -> Allotment:
        return allot(plan, user, lacks=lambda model: user in self._lack)

    def _since(self, day: date) -> list[Bucket]:
        self.asked_from.append(day)
        return self._buckets


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"


def whole(team: Team) -> list[tuple[str, float]]:
    for _ in range(5):
        team.day()
    for _ in range(12):
        team.look()
        team.day()
    return [(one.what, one.percent) for one in team.record.entries() if one.percent != one.percent_before]


def test_a_good_model_reaches_everyone_but_those_held_out(path: Path) -> None:
    team = Team(path, effect=0.03)
    assert whole(team) == [("started", 15), ("holdout", 5), ("advance", 50), ("complete", 100)]
    assert team.models()[None] == pytest.approx(20, abs=12)
    assert set(team.models()) == {None, "shop-custom"}
    assert set(team.asked_from) == {date(2026, 12, 6) - timedelta(days=28)}


def test_a_harmful_model_is_taken_back_from_all(path: Path) -> None:
    team = Team(path, effect=-0.12)
    assert whole(team)[-1] == ("halt", 0)
    assert team.models() == {None: 400}
    assert parse(team.handed_out).states["shop"].status is Status.HALTED
    reasons = [one.reason for one in team.record.entries() if one.what == "halt"]
    assert len(reasons) == 1 and reasons[0].startswith("acceptance_rate ")


def test_users_without_the_model_halt_nothing_and_are_counted_in_the_record(path: Path) -> None:
    team = Team(path, effect=0.03, is_at_hand=False)
    assert whole(team)[-1] == ("complete", 100)
    *waves, last = [one.without_model for one in team.record.entries() if one.what in ("hold", "advance", "complete")]
    assert waves[0] == 0 and last == pytest.approx(400 / 10 * 0.95, abs=8)
    assert team.models()[None] >= 40


def test_how_far_an_experiment_is_the_file_cannot_say(path: Path) -> None:
    team = Team(path, effect=0)
    team.look()
    with pytest.raises(InputError, match=r"rollout\.toml: state is for the service to say: take it out"):
        look(team.handed_out, record=team.record, buckets=lambda _: [])
