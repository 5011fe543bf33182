"""Book: who has the feedback that the page shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from codecompose_ls.errors import InputError
from codecompose_ls.telemetry.feedback import Feedback, kept, tag


class Book(Protocol):
    """Has feedback and takes its themes. Both may raise `CodeComposeError`."""

    def all(self) -> list[Feedback]:
        """Return it, the latest first."""

    def tag(self, id: str, themes: Sequence[str]) -> None:
        """Put themes in place of those it had."""


@dataclass(frozen=True, slots=True)
class LocalBook:
    """Implements `Book` with a user's own database."""

    path: Path

    def all(self) -> list[Feedback]:
        try:
            return kept(self.path)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise InputError(f"{self.path} cannot be read ({error})") from error

    def tag(self, id: str, themes: Sequence[str]) -> None:
        try:
            tag(self.path, id, themes)
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{self.path} cannot be written ({error})") from error
