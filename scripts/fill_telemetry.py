"""Fill a telemetry database with plausible events: `python -m scripts.fill_telemetry PATH --events 1000000`.

For measuring what reads it: `codecompose-ls telemetry summary` and the dashboard. The same seed gives the same events.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from uuid import UUID

from codecompose_ls.telemetry import entries
from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.database import Transaction, connect
from codecompose_ls.telemetry.events import RETENTION_S, Event, Kind, Position
from codecompose_ls.telemetry.metrics import metrics

LANGUAGES = ("python", "typescript", "go", "rust", "java")
#: One after the other.
MODELS = ("base", "tuned-2026-10", "tuned-2026-11")
EDITORS = ("vscode", "neovim")
COHORTS = ("treatment", "control")
BATCH = 2_000


def suggestion(random: random.Random, *, at: float, model: str, person: int) -> Iterator[Event]:
    """Yield what happens around one request of somebody."""
    common = Event(
        Kind.TYPED,
        random.choice(LANGUAGES),
        model,
        position=random.choice(list(Position)),
        editor=random.choice(EDITORS) if person == 0 else EDITORS[person % 2],
        cohort=COHORTS[person // 2 % 2] if person else "",
        user=f"{person:024x}" if person else "",
        at=at,
    )
    latency_ms = random.lognormvariate(3.5, 0.6)
    outcome = random.choices((Kind.GENERATED, Kind.CACHED, Kind.EMPTY, Kind.FILTERED, Kind.CANCELLED), (5, 3, 1, 2, 4))[
        0
    ]
    if outcome not in (Kind.GENERATED, Kind.CACHED):
        reason = random.choice(("confidence", "repetition", "trigger:mid_word")) if outcome is Kind.FILTERED else None
        yield replace(common, kind=outcome, reason=reason, latency_ms=latency_ms, trigger="automatic")
        return
    source = "engine" if outcome is Kind.GENERATED else "cache"
    id, size = f"{random.getrandbits(96):024x}", random.randint(3, 80)
    told = replace(common, suggestion=id)
    yield replace(told, kind=outcome, source=source, latency_ms=latency_ms, trigger="automatic", characters=size)
    if random.random() < 0.6:
        yield replace(told, kind=Kind.SHOWN)
        decision_ms = random.lognormvariate(7, 0.8)
        if random.random() < 0.7:
            yield replace(told, kind=Kind.TYPED_OVER, decision_ms=decision_ms)
        else:
            yield replace(told, kind=Kind.ACCEPTED, decision_ms=decision_ms, characters=size)
            for after_s in RETENTION_S:
                similarity = random.betavariate(8, 1)
                kept = round(similarity * size)
                yield replace(told, kind=Kind.RETAINED, after_s=after_s, similarity=similarity, characters=kept)
    if random.random() < 0.1:
        yield replace(common, position=None, characters=random.randint(1, 200))


def events(*, days: int, number: int, people: int = 0, mixed: bool = False, seed: int = 1) -> Iterator[Event]:
    """Yield about so many events of the last days and as many more of the next ones as are wanted, in their order.

    `mixed`: every language, model, editor and cohort evenly on each day, by one person, which makes the most sums.
    """
    source, sequence, start = random.Random(seed), count(), time.time() - days * 86_400
    at = start
    while True:
        at += source.expovariate(number / 2.2 / (days * 86_400))
        model = MODELS[min(len(MODELS) - 1, int((at - start) / (days * 86_400) * len(MODELS)))]
        person = source.randint(1, people) if people else 0
        cohort = ""
        if mixed:
            model, cohort = source.choice(MODELS), source.choice(COHORTS)
        for event in suggestion(source, at=at, model=model, person=person):
            event = replace(event, cohort=cohort) if mixed else event
            yield replace(event, id=UUID(int=source.getrandbits(128), version=4).hex, sequence=next(sequence))


def fill(path: Path, told: Iterator[Event]) -> None:
    """Enter events into a database, which is made if there is none."""
    with closing(connect(path)) as connection:
        while batch := list(islice(told, BATCH)):
            with Transaction(connection):
                entries.enter(connection, batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--people", type=int, default=0, help="0: one person's own database, without users and cohorts")
    parser.add_argument("--mixed", action="store_true", help="every language, model, editor and cohort on each day")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    start = time.perf_counter()
    told = events(days=args.days, number=args.events, people=args.people, mixed=args.mixed, seed=args.seed)
    fill(args.path, islice(told, args.events))
    filled = time.perf_counter()
    found, coarse = buckets(args.path), buckets(args.path, tell_positions=False)
    figures = metrics(found)
    read = time.perf_counter()
    megabytes = args.path.stat().st_size / 1e6
    print(f"{args.events} events in {filled - start:.1f} s, {megabytes:.0f} MB")
    print(f"{len(found)} buckets, {len(coarse)} of all positions together")
    print(f"all figures in {read - filled:.3f} s; {figures.shown} shown, {figures.accepted} accepted")


if __name__ == "__main__":
    main()
