"""Five weeks of one developer, through the real store, with a better model from half-way on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from codecompose_ls.rollout.comparison import Comparison, Effect
from codecompose_ls.rollout.experiments import State, parse
from codecompose_ls.rollout.guard_rails import Decision, Verdict
from codecompose_ls.rollout.record import Record
from codecompose_ls.telemetry.events import RETENTION_S, Event, Kind, Position
from codecompose_ls.telemetry.store import Store

DAYS = 35
TUNED_FROM = 18
REQUESTS_A_DAY = 110
#: Of each language: its share of the requests, and how likely a suggestion that is shown is accepted.
LANGUAGES = {"python": (0.62, 0.25), "typescript": (0.24, 0.21), "shellscript": (0.09, 0.15), "rust": (0.05, 0.19)}
REASONS = {"confidence": 0.6, "trigger:mid_word": 0.22, "repetition": 0.12, "duplicate_below": 0.06}
ASSISTANTS = {"docstring": 0.8, "add-input-checks": 0.6, "explain": 0.0, "write-tests": 0.5}
ROLLOUT = """
[experiments.shop-tuned]
model = "shop-tuned"
waves = [{ percent = 5, days = 2, proof = false }, { percent = 20, days = 5 }, { percent = 50, days = 7 }]
[experiments.shop-tuned.guard_rails]
acceptance_rate = 0.02
"""


@dataclass(frozen=True, slots=True)
class Typist:
    """What a day is made of: the model that answers, and by how much it is better than the first."""

    random: random.Random
    model: str
    gain: float
    cohort: str

    def day(self, requests: int) -> Iterator[Event]:
        for number in range(requests):
            yield from self._request(str(number))
        for name, applied in ASSISTANTS.items():
            if self.random.random() < 0.4:
                yield Event(Kind.ASSISTED, "python", source=name, latency_ms=900.0)
                if self.random.random() < applied:
                    yield Event(Kind.ASSIST_APPLIED, "python", source=name)
                elif applied:
                    yield Event(Kind.ASSIST_DISMISSED, "python", source=name)

    def _request(self, id: str) -> Iterator[Event]:
        draw = self.random
        language = draw.choices(list(LANGUAGES), [share for share, _ in LANGUAGES.values()])[0]
        editor = "neovim" if language == "shellscript" or draw.random() < 0.15 else "vscode"
        about = Event(Kind.TYPED, language, self.model, editor=editor, cohort=self.cohort)
        yield replace(about, characters=draw.randint(8, 90))
        about = replace(about, position=draw.choice(list(Position)))
        kinds = (Kind.GENERATED, Kind.CACHED, Kind.EMPTY, Kind.FILTERED, Kind.CANCELLED)
        kind = draw.choices(kinds, (45, 20, 4, 16, 15))[0]
        if kind is Kind.FILTERED:
            reason = draw.choices(list(REASONS), list(REASONS.values()))[0]
            yield replace(about, kind=kind, reason=reason, latency_ms=draw.lognormvariate(3.2, 0.4))
        elif kind in (Kind.GENERATED, Kind.CACHED):
            yield from self._answered(replace(about, suggestion=id, characters=draw.randint(6, 60)), kind)
        else:
            yield replace(about, kind=kind)

    def _answered(self, about: Event, kind: Kind) -> Iterator[Event]:
        draw = self.random
        if kind is Kind.GENERATED:
            yield replace(about, kind=kind, source="engine", latency_ms=draw.lognormvariate(3.5, 0.35))
        else:
            source = draw.choice(("cache", "typed_through"))
            yield replace(about, kind=kind, source=source, latency_ms=draw.lognormvariate(0.2, 0.5))
        if draw.random() > 0.72:
            return
        yield replace(about, kind=Kind.SHOWN)
        decided = replace(about, decision_ms=draw.lognormvariate(7, 0.6))
        if draw.random() < LANGUAGES[about.language][1] + self.gain:
            yield replace(decided, kind=Kind.ACCEPTED)
            yield from self._kept(about)
        elif draw.random() < 0.12:
            yield replace(decided, kind=Kind.PARTLY_ACCEPTED, characters=5)
        else:
            yield replace(decided, kind=draw.choice((Kind.TYPED_OVER, Kind.TYPED_OVER, Kind.DISMISSED)))

    def _kept(self, about: Event) -> Iterator[Event]:
        similarity = 1.0
        for after_s in RETENTION_S:
            similarity *= self.random.betavariate(12, 0.9)
            kept = round(similarity * (about.characters or 0))
            yield replace(about, kind=Kind.RETAINED, after_s=after_s, similarity=similarity, characters=kept)


def write(path: Path, *, seed: int = 7) -> None:
    """Fill a new database with the weeks that end today."""
    source = random.Random(seed)
    now = datetime.now(timezone.utc).replace(hour=12)
    for number in range(DAYS):
        day = now - timedelta(days=DAYS - 1 - number)
        tuned = number >= TUNED_FROM
        typist = Typist(source, *(("shop-tuned", 0.05, "treatment") if tuned else ("base", 0.0, "control")))
        is_weekend = day.weekday() >= 5
        store = Store(path, report=pytest.fail, now=day.timestamp)
        for event in typist.day(REQUESTS_A_DAY // (8 if is_weekend else 1) + source.randint(0, 15)):
            store.record(event)
        store.close(timeout_s=60)


def write_record(path: Path) -> None:
    """Write the record of a roll-out that has come to its second wave."""
    plan = parse(ROLLOUT)
    record, (experiment,) = Record(path), plan.experiments
    begun = record.begin(plan).states[experiment.name]
    effects = (
        _effect("acceptance_rate", 0.218, 0.246, by=0.021, half=0.017),
        _effect("latency_ms", 41.3, 43.9, by=2.4, half=4.1),
    )
    advance = Decision(Verdict.ADVANCE, "2 days are over and no harm is proven", State(begun.since, 1), effects=effects)
    record.enter(experiment, begun, advance)


def _effect(metric: str, old: float, new: float, *, by: float, half: float) -> Effect:
    comparison = Comparison(metric, 46, 44, old=old, new=new, difference=by, standard_error=half / 3)
    return Effect(comparison, low=by - half, high=by + half)
