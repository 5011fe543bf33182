"""Results of a study: its cells and what is known of its projects, as one JSON file. Tables and figures follow from it.

No code and no path is in it (see `cell`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from math import exp
from pathlib import Path
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation import bleu
from codecompose_ls.evaluation.study.cell import Asked, CellResult, Part
from codecompose_ls.evaluation.study.parameters import Parameters
from codecompose_ls.evaluation.study.shared_tokens import SharedTokens
from codecompose_ls.tuning.atomic_file import atomic_file

#: Raised when a field changes its meaning or goes; readers refuse what they do not know.
VERSION = 1
#: The name under `--output`.
FILE = "study.json"


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """What is known of a project before anything is learned."""

    name: str
    language: str
    files: int
    characters: int
    dropped: dict[str, int]
    #: Characters that a model learns from, the mean over folds, and lines asked for, over all folds.
    trained: int
    cases: int


@dataclass(frozen=True)
class Study:
    """One study. `conditions` hold what someone else needs to take the same figures."""

    conditions: dict[str, Any]
    projects: tuple[ProjectFacts, ...]
    cells: tuple[CellResult, ...]
    shared: SharedTokens
    parameters: tuple[Parameters, ...]
    version: int = VERSION

    @cached_property
    def strategies(self) -> list[str]:
        """The strategies in the order of the plan, the base first."""
        return list(dict.fromkeys(one.cell.strategy for one in self.of(Part.STRATEGIES)))

    @property
    def names(self) -> list[str]:
        """The names of the projects."""
        return [project.name for project in self.projects]

    def of(self, part: Part) -> Iterator[CellResult]:
        """Yield the cells of one part."""
        return (one for one in self.cells if one.cell.part is part)

    def at(self, project: str, strategy: str) -> list[CellResult]:
        """Return the folds of a project under a strategy."""
        return [one for one in self.of(Part.STRATEGIES) if (one.cell.project, one.cell.strategy) == (project, strategy)]

    def asked(self, strategy: str) -> list[Asked]:
        """Return every case that the models of a strategy were asked, over projects and folds."""
        return [asked for one in self.of(Part.STRATEGIES) if one.cell.strategy == strategy for asked in one.asked]

    def save(self, folder: Path) -> Path:
        """Write `study.json` into a folder, which is made, and return its path; raises `InputError`."""
        path = folder / FILE
        value = {name: getattr(self, name) for name in ("version", "conditions")}
        value |= {name: [asdict(one) for one in getattr(self, name)] for name in ("projects", "cells", "parameters")}
        try:
            with atomic_file(path) as partial:
                shared = {"shared": asdict(self.shared)}
                partial.write_text(json.dumps(value | shared, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: the results cannot be written ({error.strerror})") from error
        return path

    @classmethod
    def load(cls, path: Path) -> Study:
        """Read a `study.json`, or the one in a folder; raises `InputError`."""
        path = path / FILE if path.is_dir() else path
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["version"] != VERSION:
                raise InputError(f"{path}: written as version {value['version']}, we read {VERSION}; run it again")
            shared = value["shared"]
            return cls(
                conditions=value["conditions"],
                projects=tuple(ProjectFacts(**one) for one in value["projects"]),
                cells=tuple(map(CellResult.from_json, value["cells"])),
                shared=SharedTokens(
                    tuple(shared["projects"]), tuple(shared["sizes"]), tuple(map(tuple, shared["ratios"]))
                ),
                parameters=tuple(Parameters(**one) for one in value["parameters"]),
            )
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: these are no results of `evaluate study` ({error})") from error


def bleu4(asked: list[Asked]) -> float | None:
    """Return corpus BLEU (0 to 100) of the first candidates; None where nothing was asked."""
    return bleu.corpus_bleu([one.bleu for one in asked]) if asked else None


def perplexity(asked: list[Asked]) -> float | None:
    """Return the perplexity per token of the hidden texts, weighted by tokens; None where there are none."""
    tokens = sum(one.tokens for one in asked)
    return exp(-sum(one.logprob for one in asked) / tokens) if tokens else None


def over_folds(folds: list[CellResult], figure: Any) -> float | None:
    """Return the mean over folds of a figure of their cases; None where there is no fold to take it from."""
    values = [value for fold in folds if (value := figure(list(fold.asked))) is not None]
    return sum(values) / len(values) if values else None
