"""What a study asks for, its presets, and the tasks that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from math import ceil
from pathlib import Path
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.hidden_lines import Case, Kind, Source, draw
from codecompose_ls.evaluation.projects import find_projects, project_at
from codecompose_ls.evaluation.randomness import generator
from codecompose_ls.evaluation.study.cell import ALL_PROJECTS, BASE, Cell, Part
from codecompose_ls.evaluation.study.folds import Folds, Roles, split
from codecompose_ls.evaluation.study.journal import Task
from codecompose_ls.languages import LANGUAGES
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.tuning_recipe import LEAST_LENGTH, TuningRecipe

#: The four of the seed (personalised models, 2022, section 3).
SEED_STRATEGIES = ("custom", "l_eo", "l_ldb", "prefix")
#: AutoDev's two, and its LoRA as it was configured there.
LANGUAGE_STRATEGIES = ("custom", "lora", "lora_autodev")
OBJECTIVES = ("cm", "lcm")
#: Which kind of objective a language that was never seen is learned with: perplexity is of plain text.
LANGUAGE_OBJECTIVE = "cm"


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of a study; a preset sets those that make it small or full, and every one can be overridden."""

    base: Path
    base_hash: str
    strategies: tuple[str, ...] = SEED_STRATEGIES
    objectives: tuple[str, ...] = OBJECTIVES
    #: What the models of `strategies` learn.
    objective: str = "lcm"
    folds: int = 4
    #: How many of the folds take their turn as the test.
    rotations: int = 4
    #: The first so many projects; None is all.
    projects: int | None = None
    #: Tokens of a project that are trained on, and of all projects together for CM and LCM; None is all there are.
    tokens: int | None = None
    objective_tokens: int | None = None
    epochs: float = 10.0
    patience: int = 3
    validations: int = 20
    validation_tokens: int = 8192
    length: int = 512
    #: The strategies' own where it is None.
    learning_rate: float | None = None
    #: A folder in a language that the base has not seen; its arms, how long each learns, and how often it is measured.
    language_from: Path | None = None
    language_strategies: tuple[str, ...] = LANGUAGE_STRATEGIES
    language_tokens: int | None = None
    language_epochs: float = 4.0
    language_validations: int = 12
    #: Cases of each kind from a project's test fold.
    cases: int = 100
    candidates: int = 5
    prompt_tokens: int = 512
    seed: int = 0

    def recipe(self, strategy: str, objective: str) -> TuningRecipe:
        """Return the recipe of a cell; nothing is replayed, as in the seed. Raises `InputError`."""
        return TuningRecipe(
            strategy=strategy,
            objective=objective,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            length=self.length,
            replay=0.0,
            validations=self.validations,
            validation_tokens=self.validation_tokens,
            patience=self.patience,
            seed=self.seed,
        )


#: The most lines that a file gives, as far as there are files enough.
LEAST_PER_FILE = 3
#: About an hour on two cores with the model we ship, for six projects; and the seed's own form.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "rotations": 1,
        "projects": 6,
        "tokens": 60_000,
        "objective_tokens": 120_000,
        "epochs": 2.0,
        "validations": 6,
        "language_tokens": 120_000,
        "language_epochs": 2.0,
        "language_validations": 8,
        "cases": 20,
    },
    "full": {},
}


def options() -> tuple[str, ...]:
    """Return the names of all that can be overridden."""
    return tuple(one.name for one in fields(Plan) if one.name not in ("base", "base_hash"))


@dataclass(frozen=True, slots=True)
class Laid:
    """A plan laid out over projects: their folds, and every task; none waits for another."""

    plan: Plan
    folds: tuple[Folds, ...]
    language: Folds | None
    tasks: tuple[Task, ...] = field(repr=False)

    @property
    def projects(self) -> tuple[str, ...]:
        return tuple(one.project.name for one in self.folds)


def lay_out(plan: Plan, folders: Sequence[Path], *, each: bool = False) -> Laid:
    """Read the projects and return every task there is; raises `InputError`."""
    _check(plan)
    projects = find_projects(folders, each=each)[: plan.projects]
    folds = tuple(split(project, folds=plan.folds, seed=plan.seed) for project in projects)
    language = None
    if plan.language_from is not None:
        name = plan.language_from.resolve().name
        if not plan.language_from.is_dir():
            raise InputError(f"{plan.language_from}: no such folder")
        found = project_at(plan.language_from, name=name)
        if not found.files:
            raise InputError(f"{plan.language_from}: no source files of a language we know ({', '.join(LANGUAGES)})")
        language = split(found, folds=plan.folds, seed=plan.seed)
    return Laid(plan, folds, language, tuple(_Tasks(plan, folds, language).all()))


def _check(plan: Plan) -> None:
    if not 1 <= plan.rotations <= plan.folds:
        raise InputError(f"--rotations {plan.rotations}: there are {plan.folds} folds to take their turn")
    counts = ("projects", "tokens", "objective_tokens", "language_tokens", "cases", "candidates", "prompt_tokens")
    for name in (*counts, "validations", "language_validations", "validation_tokens", "patience"):
        value = getattr(plan, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    for name, number in (("epochs", plan.epochs), ("language-epochs", plan.language_epochs)):
        if not 0 < number < float("inf"):
            raise InputError(f"--{name} must be more than 0, not {number:g}")
    if plan.length < LEAST_LENGTH:
        raise InputError(f"--length must be at least {LEAST_LENGTH}, not {plan.length}")
    if BASE in plan.strategies:
        raise InputError(f"--strategies: '{BASE}' is always there, beside those named")


class _Tasks:
    """Makes the tasks of a plan; texts are cut to size once."""

    def __init__(self, plan: Plan, folds: Sequence[Folds], language: Folds | None) -> None:
        self._plan, self._folds, self._language = plan, folds, language
        self._counter = _Counter(plan.base)

    def all(self) -> Iterator[Task]:
        for fold in range(self._plan.rotations):
            cases = {one.project.name: self._cases(one, fold) for one in self._folds}
            for one in self._folds:
                yield from self._strategies(one, fold, cases[one.project.name])
            yield from self._objectives(fold, tuple(case for asked in cases.values() for case in asked))
        if self._language is not None:
            yield from self._languages(self._language)

    def _strategies(self, folds: Folds, fold: int, cases: tuple[Case, ...]) -> Iterator[Task]:
        plan, name, roles = self._plan, folds.project.name, folds.roles(fold)
        training = self._counter.cut(roles.training, plan.tokens, seed=f"{plan.seed} {name} {fold}")
        yield self._task(Cell(Part.STRATEGIES, name, BASE, plan.objective, fold), None, Roles((), (), ()), cases)
        for strategy in plan.strategies:
            cell = Cell(Part.STRATEGIES, name, strategy, plan.objective, fold)
            roles = replace(roles, training=training)
            yield self._task(cell, plan.recipe(strategy, plan.objective), roles, cases)

    def _objectives(self, fold: int, cases: tuple[Case, ...]) -> Iterator[Task]:
        plan = self._plan
        roles = [one.roles(fold) for one in self._folds]
        together = tuple(document for one in roles for document in one.training)
        training = self._counter.cut(together, plan.objective_tokens, seed=f"{plan.seed} {fold}")
        validation = tuple(document for one in roles for document in one.validation)
        for objective in plan.objectives:
            cell = Cell(Part.OBJECTIVES, ALL_PROJECTS, "custom", objective, fold)
            yield self._task(cell, plan.recipe("custom", objective), Roles(training, validation, ()), cases)

    def _languages(self, folds: Folds) -> Iterator[Task]:
        """Perplexity is of the files of the first fold, after every so many steps; nothing is chosen by it."""
        plan, roles = self._plan, folds.roles(0)
        together = (*roles.training, *roles.validation)
        training = self._counter.cut(together, plan.language_tokens, seed=f"{plan.seed} {folds.project.name}")
        for strategy in plan.language_strategies:
            cell = Cell(Part.LANGUAGE, folds.project.name, strategy, LANGUAGE_OBJECTIVE, 0)
            recipe = replace(
                plan.recipe(strategy, LANGUAGE_OBJECTIVE),
                epochs=plan.language_epochs,
                validations=plan.language_validations,
                # Never early: the table has all its steps.
                patience=plan.language_validations + 1,
            )
            yield self._task(cell, recipe, Roles(training, roles.test, ()), ())

    def _cases(self, folds: Folds, fold: int) -> tuple[Case, ...]:
        asked, wanted = folds.asked(fold), self._plan.cases
        # Few files give many lines each, rather than few lines.
        per_file = max(LEAST_PER_FILE, ceil(wanted * len(Kind) / len(asked.files)))
        return tuple(draw([Source(asked, asked)], cases=wanted, per_file=per_file, seed=self._plan.seed))

    def _task(self, cell: Cell, recipe: TuningRecipe | None, roles: Roles, cases: tuple[Case, ...]) -> Task:
        plan = self._plan
        return Task(
            cell=cell,
            base=plan.base,
            base_hash=plan.base_hash,
            recipe=recipe,
            training=roles.training,
            validation=roles.validation,
            cases=cases,
            candidates=plan.candidates,
            prompt_tokens=plan.prompt_tokens,
        )


class _Counter:
    """Cuts documents to a number of tokens, by the base's tokenizer."""

    def __init__(self, base: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))

    def cut(self, documents: Sequence[Document], tokens: int | None, *, seed: str) -> tuple[Document, ...]:
        """Return documents in random order until there are so many tokens; the last one is cut at a line's end."""
        if tokens is None:
            return tuple(documents)
        kept: list[Document] = []
        left = tokens
        for document in generator(seed).sample(list(documents), len(documents)):
            ends = [end for _, end in self._tokenizer.encode(document.text, add_special_tokens=False).offsets]
            if len(ends) >= left:
                end = document.text.rfind("\n", 0, ends[left - 1]) + 1
                return (*kept, replace(document, text=document.text[:end])) if end else tuple(kept)
            kept.append(document)
            left -= len(ends)
        return tuple(kept)
