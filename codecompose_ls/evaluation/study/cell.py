"""A cell of the study: one model, how it came to be, and what it made of the questions put to it. All of it is JSON.

No code and no path is in it: names are hashed, which is as good for telling how alike two styles are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

#: The strategy that changes nothing.
BASE = "base"
#: The project of a cell over all of them.
ALL_PROJECTS = "all"


class Part(str, Enum):
    """Which seed's tables a cell is for."""

    #: Personalised models: projects x strategies x folds.
    STRATEGIES = "strategies"
    #: AutoDev: a language that the base has not seen.
    LANGUAGE = "language"
    #: CodeCompose: CM against LCM, by language.
    OBJECTIVES = "objectives"


@dataclass(frozen=True, slots=True)
class Cell:
    """One model: whose, tuned how, with which fold as the test."""

    part: Part
    project: str
    strategy: str
    objective: str
    fold: int

    def __str__(self) -> str:
        what = self.objective if self.part is Part.OBJECTIVES else self.strategy
        return f"{self.project}, {what}, fold {self.fold}"


@dataclass(frozen=True, slots=True)
class Point:
    """A validation loss (nats a token) and what had been spent until then."""

    step: int
    tokens: int
    seconds: float
    pf_seconds: float
    loss: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a model was tuned. `changes` is the mean absolute change by block, of a strategy that moves every weight."""

    steps: int
    tokens: int
    seconds: float
    pf_seconds: float
    stopped: str
    curve: tuple[Point, ...]
    changes: tuple[tuple[str, int, float], ...] = ()

    @property
    def best(self) -> Point:
        """The measurement whose weights were kept."""
        return min(self.curve, key=lambda point: point.loss)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tuning:
        curve = tuple(Point(**point) for point in value["curve"])
        changes = tuple((stack, index, change) for stack, index, change in value["changes"])
        return cls(**{**value, "curve": curve, "changes": changes})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model made of one case.

    `perfect` and `abstracted` are the ranks, from 1, of the first match among its candidates, None where there is none;
    `is_abstracted` says whether the language has a grammar to abstract by. `tokens` and `logprob` (natural) are of the
    hidden text. `bleu` is as in `evaluation.bleu`, of the first candidate. `developer` and `generated` are hashes of
    the identifiers in the hidden text and in the first candidate.
    """

    case: str
    project: str
    path_hash: str
    language: str
    hit: bool
    perfect: int | None
    abstracted: int | None
    is_abstracted: bool
    tokens: int
    logprob: float
    bleu: tuple[int, ...]
    developer: tuple[str, ...]
    generated: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Asked:
        lists = {name: tuple(value[name]) for name in ("bleu", "developer", "generated")}
        return cls(**{**value, **lists})


@dataclass(frozen=True, slots=True)
class CellResult:
    """A cell and all that came of it."""

    cell: Cell
    tuning: Tuning | None
    asked: tuple[Asked, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CellResult:
        cell = Cell(**{**value["cell"], "part": Part(value["cell"]["part"])})
        tuning = None if value["tuning"] is None else Tuning.from_json(value["tuning"])
        return cls(cell, tuning, tuple(map(Asked.from_json, value["asked"])))


def hashed(names: Sequence[str]) -> tuple[str, ...]:
    """Return what stands for names in results: the same for the same name, and nobody can read it."""
    return tuple(hashlib.sha256(name.encode(errors="replace")).hexdigest()[:10] for name in names)
