"""Buckets: reads the sums of the local database, for one dimension or all of them."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path

from codecompose_ls.telemetry import entries
from codecompose_ls.telemetry.database import connect
from codecompose_ls.telemetry.ledger import Bucket


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
    tell_positions: bool = True,
) -> list[Bucket]:
    """Return the buckets from the day `since` to before the day `until` (UTC).

    A dimension that is None may be anything. Without `tell_positions` there are fewer, each of all positions together.
    A database that does not exist has none. Raises sqlite3.Error and OSError.
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
        return entries.read(connection, "bucket" if tell_positions else "total", conditions)
