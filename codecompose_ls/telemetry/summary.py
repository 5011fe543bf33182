"""Summary: the figures of a database of events; the names are those of the design and of the dashboard."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codecompose_ls.telemetry.database import connect
from codecompose_ls.telemetry.events import OUTCOMES, Kind


@dataclass(frozen=True, slots=True)
class Retained:
    """What was left of accepted text after a while: of how many suggestions, how alike on average, how much."""

    suggestions: int
    edit_similarity: float
    characters: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from request to answer, of the requests that got a suggestion; nearest-rank percentiles."""

    requests: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What the suggestions were worth. Rates are fractions, None where there is nothing to divide by."""

    requested: int = 0
    generated: int = 0
    cached: int = 0
    empty: int = 0
    filtered: int = 0
    cancelled: int = 0
    failed: int = 0
    filtered_by: dict[str, int] = field(default_factory=dict)
    shown: int = 0
    accepted: int = 0
    partly_accepted: int = 0
    dismissed: int = 0
    typed_over: int = 0
    #: accepted / shown
    acceptance_rate: float | None = None
    accepted_characters: int = 0
    typed_characters: int = 0
    #: accepted_characters / (accepted_characters + typed_characters)
    percent_code_typed: float | None = None
    #: accepted_characters less one key for each acceptance, whole or partial
    keystrokes_saved: int = 0
    #: of accepted_characters, what each suggestion's latest look found
    characters_retained: int = 0
    #: by seconds since the acceptance
    retained: dict[int, Retained] = field(default_factory=dict)
    #: by source
    latency_ms: dict[str, Latency] = field(default_factory=dict)


def summary(path: Path) -> Summary:
    """Sum up a database; one that does not exist is empty. Raises sqlite3.Error and OSError."""
    if not path.exists():
        return Summary()
    with closing(connect(path)) as connection:
        return summarise(connection)


def summarise(connection: sqlite3.Connection) -> Summary:
    """Sum up an open database."""
    kinds = dict(connection.execute("SELECT kind, count(*) FROM event GROUP BY kind").fetchall())
    outcomes = {kind.value: kinds.get(kind.value, 0) for kind in OUTCOMES}
    ends = dict(connection.execute(_ENDS).fetchall())
    shown, accepted = kinds.get(Kind.SHOWN.value, 0), ends.get(Kind.ACCEPTED.value, 0)
    accepted_characters, acceptances = connection.execute(_ACCEPTED).fetchone()
    typed_characters = connection.execute("SELECT total(characters) FROM event WHERE kind = 'typed'").fetchone()[0]
    typed_characters = max(0, int(typed_characters))
    written = accepted_characters + typed_characters
    return Summary(
        **outcomes,
        requested=sum(outcomes.values()),
        filtered_by=dict(connection.execute(_FILTERED_BY).fetchall()),
        shown=shown,
        accepted=accepted,
        partly_accepted=ends.get(Kind.PARTLY_ACCEPTED.value, 0),
        dismissed=ends.get(Kind.DISMISSED.value, 0),
        typed_over=ends.get(Kind.TYPED_OVER.value, 0),
        acceptance_rate=accepted / shown if shown else None,
        accepted_characters=accepted_characters,
        typed_characters=typed_characters,
        percent_code_typed=accepted_characters / written if written else None,
        keystrokes_saved=accepted_characters - acceptances,
        characters_retained=connection.execute(_LATEST).fetchone()[0],
        retained={after_s: Retained(*figures) for after_s, *figures in connection.execute(_RETAINED)},
        latency_ms={source: Latency(*figures) for source, *figures in connection.execute(_LATENCY)},
    )


def export(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every event, oldest first, without the fields that its kind has no use for."""
    if not path.exists():
        return
    with closing(connect(path)) as connection:
        cursor = connection.execute("SELECT * FROM event ORDER BY id")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield {name: value for name, value in zip(names, row, strict=True) if value is not None}


_FILTERED_BY = "SELECT reason, count(*) FROM event WHERE kind = 'filtered' GROUP BY reason ORDER BY 2 DESC, 1"

# SQLite takes the other columns of a group from the row that has the maximum.
_ENDS = """
SELECT kind, count(*) FROM (
    SELECT kind, max(CASE kind WHEN 'accepted' THEN 2 WHEN 'partly accepted' THEN 1 ELSE 0 END)
    FROM event
    WHERE kind IN ('accepted', 'partly accepted', 'dismissed', 'typed over')
    GROUP BY suggestion
) GROUP BY kind
"""

_ACCEPTED = """
SELECT coalesce(sum(characters), 0), coalesce(sum(acceptances), 0) FROM (
    SELECT max(characters) AS characters, count(*) AS acceptances
    FROM event
    WHERE kind IN ('accepted', 'partly accepted')
    GROUP BY suggestion
)
"""

_LOOKS = """
SELECT suggestion, after_s, similarity, characters, max(id) FROM event WHERE kind = 'retained'
GROUP BY suggestion, after_s
"""

_RETAINED = f"""
SELECT after_s, count(*), avg(similarity), sum(characters) FROM ({_LOOKS}) GROUP BY after_s ORDER BY after_s
"""

_LATEST = f"""
SELECT coalesce(sum(characters), 0) FROM (SELECT characters, max(after_s) FROM ({_LOOKS}) GROUP BY suggestion)
"""

_LATENCY = """
SELECT source, n, min(CASE WHEN 100 * rank >= 50 * n THEN latency_ms END),
       min(CASE WHEN 100 * rank >= 95 * n THEN latency_ms END)
FROM (
    SELECT source, latency_ms,
           row_number() OVER (PARTITION BY source ORDER BY latency_ms) AS rank,
           count(*) OVER (PARTITION BY source) AS n
    FROM event
    WHERE source IS NOT NULL AND latency_ms IS NOT NULL
)
GROUP BY source ORDER BY source
"""
