"""Summary: the figures of the local database, and its events as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.database import connect
from codecompose_ls.telemetry.metrics import Metrics, metrics


def summary(path: Path, *, since: date | None = None) -> Metrics:
    """Sum up a database; one that does not exist is empty. Raises sqlite3.Error and OSError."""
    return metrics(buckets(path, since=since))


def export(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every event that is still kept, oldest first, without the fields that say nothing (telemetry/wire.py)."""
    if not path.exists():
        return
    with closing(connect(path)) as connection:
        cursor = connection.execute("SELECT * FROM event ORDER BY number")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            values = dict(zip(names, row, strict=True))
            del values["number"]
            yield {name: value for name, value in values.items() if value is not None and value != ""}
