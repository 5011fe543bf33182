"""Made-up sessions as stamped events, and what a user's own database would make of them."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from codecompose_ls.telemetry import entries
from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.database import Transaction, connect
from codecompose_ls.telemetry.events import ENDS, RETENTION_S, Event, Kind, Position
from codecompose_ls.telemetry.ledger import Bucket

NOON = 1_793_448_000.0  # 31 October 2026, 12:00 UTC


def session(
    draw: random.Random, *, suggestions: int, language: str = "python", model: str = "base", at: float = NOON
) -> list[Event]:
    """Return the events of so many suggestions, of every kind, over two days."""
    said: list[Event] = []

    def tell(kind: Kind, **more: object) -> None:
        stamp = at + len(said) * 86_400 / (5 * suggestions)
        about = Event(kind, language, model, id=UUID(int=draw.getrandbits(128)).hex, at=stamp, sequence=len(said))
        said.append(replace(about, editor="vscode", **more))

    for number in range(suggestions):
        id, place = f"{draw.getrandbits(96):024x}", draw.choice(list(Position))
        source = draw.choice(["engine", "cache"])
        tell(
            Kind.GENERATED, suggestion=id, position=place, source=source, latency_ms=draw.uniform(1, 900), characters=20
        )
        tell(Kind.TYPED, characters=draw.randint(-3, 40))
        tell(Kind.SHOWN, suggestion=id, position=place)
        for kind in draw.sample(ENDS, draw.randint(0, 2)):
            tell(kind, suggestion=id, characters=draw.randint(1, 20), decision_ms=draw.uniform(50, 9000))
        for after_s in RETENTION_S[: draw.randint(0, 4)]:
            tell(
                Kind.RETAINED, suggestion=id, after_s=after_s, similarity=draw.random(), characters=draw.randint(0, 20)
            )
        if number % 5 == 0:
            tell(Kind.FILTERED, reason="repetition")
    return said


def local_sums(said: Iterable[Event], *, user: str = "") -> list[Bucket]:
    """Return what the local file would say of the events of one user, each entered once, in order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.sqlite3"
        with closing(connect(path)) as connection, Transaction(connection):
            entries.enter(connection, [replace(event, user=user) for event in said])
        return sorted(buckets(path), key=lambda bucket: bucket.key)
