"""Feedback: thumbs up or down with a comment, kept in the local database, and owed to the team service of its time.

What a user writes is kept, and sent, as they wrote it; nothing is added to it but what is counted of every event.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from codecompose_ls.telemetry.database import connect

UP, DOWN = "up", "down"
RATINGS = (UP, DOWN)
SUBJECTS = ("suggestion", "assistant", "server")
#: Longest comment, in characters.
MOST_CHARACTERS = 4_000

_COLUMNS = ("id", "at", "rating", "comment", "about", "assistant", "language", "model", "editor", "cohort", "themes")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM feedback"


@dataclass(frozen=True, slots=True)
class Feedback:
    """`rating` is one of RATINGS, `about` one of SUBJECTS; `assistant` is the name of the one it is about, or ""."""

    rating: str
    comment: str = ""
    about: str = "suggestion"
    assistant: str = ""
    language: str = ""
    model: str = ""
    editor: str = ""
    cohort: str = ""
    #: Who reads comments names their themes.
    themes: tuple[str, ...] = ()
    #: Unique in the world (UUID 4, hex), so that it counts once however often it is sent; Unix time.
    id: str = field(default_factory=lambda: uuid4().hex)
    at: float = field(default_factory=time.time)


def keep(path: Path, said: Feedback, *, service: str = "") -> None:
    """Keep feedback, owed to the team service of this address; "" is for none. Raises sqlite3.Error and OSError."""
    values = {**asdict(said), "themes": json.dumps(said.themes), "service": service}
    names = ", ".join(values)
    with closing(connect(path)) as connection:
        connection.execute(
            f"INSERT INTO feedback ({names}) VALUES ({', '.join('?' * len(values))})", [*values.values()]
        )


def kept(path: Path) -> list[Feedback]:
    """Return all feedback, the latest first; a database that does not exist has none.

    Raises sqlite3.Error and OSError.
    """
    if not path.exists():
        return []
    with closing(connect(path)) as connection:
        return _read(connection.execute(f"{_SELECT} ORDER BY at DESC, number DESC"))


def tag(path: Path, id: str, themes: Sequence[str]) -> None:
    """Say what feedback is about in place of what was said before. Raises sqlite3.Error and OSError."""
    with closing(connect(path)) as connection:
        connection.execute("UPDATE feedback SET themes = ? WHERE id = ?", (json.dumps(themes), id))


def owed(connection: sqlite3.Connection, service: str) -> list[Feedback]:
    """Return what a service is still to get, the oldest first."""
    return _read(connection.execute(f"{_SELECT} WHERE service = ? AND NOT sent ORDER BY number", (service,)))


def settle(connection: sqlite3.Connection, id: str, *, sent: bool) -> None:
    """Remember that a service has feedback, or, without `sent`, that it never will."""
    change = "sent = 1" if sent else "service = ''"
    connection.execute(f"UPDATE feedback SET {change} WHERE id = ?", (id,))


def is_sent(path: Path, id: str) -> bool:
    """Tell whether a service has answered for feedback. Raises sqlite3.Error and OSError."""
    with closing(connect(path)) as connection:
        return bool(connection.execute("SELECT 1 FROM feedback WHERE id = ? AND sent", (id,)).fetchone())


def to_json(said: Feedback) -> dict[str, Any]:
    """Return it without the fields that say nothing: a line of `feedback export`."""
    return {name: value for name, value in asdict(said).items() if value not in ("", ())}


def for_team(said: Feedback) -> dict[str, Any]:
    """Return what a service is sent: it dates feedback itself, and finds themes of its own."""
    return {name: value for name, value in to_json(said).items() if name not in ("at", "themes")}


def _read(rows: Iterable[Sequence[Any]]) -> list[Feedback]:
    return [Feedback(**{**dict(zip(_COLUMNS, row, strict=True)), "themes": tuple(json.loads(row[-1]))}) for row in rows]
