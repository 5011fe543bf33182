"""Book: who has the feedback that the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from codecompose_ls.telemetry.database import reading
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
        with reading(self.path):
            return kept(self.path)

    def tag(self, id: str, themes: Sequence[str]) -> None:
        with reading(self.path):
            tag(self.path, id, themes)
