"""Buckets: reads the sums of the team's database; the same question as `telemetry.buckets` of a local file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, select

from codecompose_ls.service.team.database import answering, bucket, reading, total
from codecompose_ls.telemetry.ledger import Bucket, Key


@dataclass(frozen=True, slots=True)
class TeamSource:
    """Implements the dashboard's `Source` with the team's database: each bucket is of all positions together, or else,
    with `tell_positions`, there are more."""

    engine: Engine
    tell_positions: bool = False

    def __call__(self, *, since: date | None = None, until: date | None = None) -> list[Bucket]:
        table = bucket if self.tell_positions else total
        wanted = select(*(table.c[name] for name in Key._fields), table.c.counters)
        if since is not None:
            wanted = wanted.where(table.c.day >= since.isoformat())
        if until is not None:
            wanted = wanted.where(table.c.day < until.isoformat())
        with answering(), reading(self.engine) as connection:
            rows = connection.execute(wanted).all()
        # One call: a reader of JSON remembers the names that it has seen.
        counters = json.loads(f"[{','.join(row[-1] for row in rows)}]")
        return [Bucket(Key(*row[:-1]), Counter(sums)) for row, sums in zip(rows, counters, strict=True)]
