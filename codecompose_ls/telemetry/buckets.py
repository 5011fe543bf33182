"""Buckets: reads the sums of the local database, for one dimension or all of them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date
from pathlib import Path

from codecompose_ls.telemetry.database import connect
from codecompose_ls.telemetry.ledger import Bucket, Key


def buckets(
    path: Path,
    *,
    since: date | None = None,
    until: date | None = None,
    language: str | None = None,
    model: str | None = None,
    position: str | None = None,
    editor: str | None = None,
    cohort: str | None = None,
    user: str | None = None,
) -> list[Bucket]:
    """Return the buckets from the day `since` to before the day `until` (UTC).

    A dimension that is None may be anything. A database that does not exist has none. Raises sqlite3.Error and OSError.
    """
    if not path.exists():
        return []
    exact = {
        "language": language, "model": model, "position": position, "editor": editor, "cohort": cohort, "user": user
    }  # fmt: skip
    conditions = {f'"{name}" = ?': value for name, value in exact.items() if value is not None}
    if since is not None:
        conditions["day >= ?"] = since.isoformat()
    if until is not None:
        conditions["day < ?"] = until.isoformat()
    with closing(connect(path)) as connection:
        return read(connection, conditions)


def read(connection: sqlite3.Connection, conditions: dict[str, str]) -> list[Bucket]:
    """Return the buckets of an open database that meet all conditions (SQL, with the value of its one parameter)."""
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(f"SELECT * FROM bucket {where}", tuple(conditions.values())).fetchall()
    # One call: a reader of JSON remembers the names that it has seen.
    all_counters = json.loads(f"[{','.join(row[-1] for row in rows)}]")
    return [Bucket(Key(*row[:-1]), Counter(counters)) for row, counters in zip(rows, all_counters, strict=True)]
