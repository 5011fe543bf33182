"""Source: who has the buckets that the dashboard shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.database import reading
from codecompose_ls.telemetry.ledger import Bucket


class Source(Protocol):
    """Gives the buckets from the day `since` to before the day `until` (UTC); None leaves that side open.

    They need not tell positions apart without `tell_positions`. The page narrows them itself, since its menus list what
    there is in these days. Where they span more than `rollup.MOST_DAYS` a whole week may be under its Monday. May raise
    `CodeComposeError`.
    """

    def __call__(self, *, since: date | None, until: date | None, tell_positions: bool = False) -> list[Bucket]: ...


@dataclass(frozen=True, slots=True)
class LocalSource:
    """Implements `Source` with a user's own database; one that does not exist is empty."""

    path: Path

    def __call__(self, *, since: date | None, until: date | None, tell_positions: bool = False) -> list[Bucket]:
        with reading(self.path):
            return buckets(self.path, since=since, until=until, tell_positions=tell_positions)
