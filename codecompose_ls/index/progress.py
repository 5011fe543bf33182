"""How far the building of an index is, as the builder tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: files read, of all; `left_out` is how many had no room."""

    phase: str
    done: int
    all: int
    left_out: int = 0
