"""A study from its plan to its results: lay it out, do the cells, gather what is known of the projects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from codecompose_ls import folders
from codecompose_ls.evaluation import bleu
from codecompose_ls.evaluation.study.cell import BASE, Part
from codecompose_ls.evaluation.study.folds import Folds
from codecompose_ls.evaluation.study.journal import Task
from codecompose_ls.evaluation.study.parameters import parameters
from codecompose_ls.evaluation.study.plan import Laid, Plan
from codecompose_ls.evaluation.study.processes import run_all
from codecompose_ls.evaluation.study.results import ProjectFacts, Study
from codecompose_ls.evaluation.study.shared_tokens import shared, token_set
from codecompose_ls.evaluation.sweep import sweep


def run(laid: Laid, *, workers: int, fresh: bool = False, place: Mapping[str, str] | None = None) -> Study:
    """Return the study; `place` (date, machine, version) joins its conditions. Raises what a cell raises."""
    sweep(folders.cache() / "studies")
    cells = run_all(laid.tasks, workers=workers, fresh=fresh)
    tokens = {
        one.project.name: token_set(document for part in one.documents for document in part) for one in laid.folds
    }
    return Study(
        conditions=_conditions(laid.plan) | dict(place or {}),
        projects=tuple(_facts(one, laid.tasks) for one in laid.folds),
        cells=tuple(cells),
        shared=shared(tokens),
        parameters=tuple(parameters(laid.plan.base)),
    )


def _conditions(plan: Plan) -> dict[str, Any]:
    """Return the options; of paths, which are nobody's business, only the names."""
    conditions = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(plan).items()}
    conditions["base"] = plan.base.name
    conditions["language_from"] = plan.language_from.name if plan.language_from else None
    return conditions | {"bleu": bleu.signature()}


def _facts(folds: Folds, tasks: Sequence[Task]) -> ProjectFacts:
    documents = list(chain(*folds.documents))
    characters = Counter[str]()
    for document in documents:
        characters[document.language] += len(document.text)
    mine = [task for task in tasks if task.cell.part is Part.STRATEGIES and task.cell.project == folds.project.name]
    trained = {task.cell.fold: sum(len(one.text) for one in task.training) for task in mine if task.training}
    return ProjectFacts(
        name=folds.project.name,
        language=characters.most_common(1)[0][0],
        files=len(documents),
        characters=characters.total(),
        dropped=dict(folds.dropped),
        trained=sum(trained.values()) // max(1, len(trained)),
        cases=sum(len(task.cases) for task in mine if task.cell.strategy == BASE),
    )
