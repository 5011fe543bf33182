"""A comparison: the same cases put to several models and arms, one after the other, each with a journal of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from codecompose_ls.backends import on_disk
from codecompose_ls.completion.beside import Beside
from codecompose_ls.completion.pipeline import PATIENCE_MS, Pipeline
from codecompose_ls.evaluation import bleu
from codecompose_ls.evaluation.arms import FLOOR, FULL, Arm, NarrowedBackend, arm_of
from codecompose_ls.evaluation.floor import Floor
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.journal import Journal, key_of
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.evaluation.runner import PipelinePredictor, Predictor, run
from codecompose_ls.evaluation.weights import by_name, content_of
from codecompose_ls.evaluation.workspaces import Workspaces
from codecompose_ls.index.prior import prior_of
from codecompose_ls.index.snippets import snippets_of
from codecompose_ls.settings import Settings
from codecompose_ls.types import Trigger


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is asked, and of whom: `arms` are names as `arms.arm_of` knows them, or `floor`, each for every model.

    `models` are names or folders. With `fresh` what earlier runs found is forgotten.
    """

    cases: Sequence[Case]
    settings: Settings
    models: Sequence[str]
    arms: Sequence[str]
    trigger: Trigger = Trigger.INVOKED
    fresh: bool = False
    keep_code: bool = False

    async def run(self) -> list[Outcome]:
        """Return the outcomes, predictor by predictor; raises `InputError`, `ModelError` and `EngineError`."""
        arms = {name: arm_of(name) for name in self.arms if name != FLOOR}
        models, hashes = self._models(), self.hashes()
        conditions = self._conditions()
        outcomes: list[Outcome] = []
        if FLOOR in self.arms:
            outcomes += await self._ask(Floor(), conditions)
        for name, folder in models.items():
            outcomes += await self._ask_model(folder, name, arms, conditions | {"model": hashes[name]})
        return outcomes

    def hashes(self) -> dict[str, str]:
        """Return the content hash of each model, by the name it has in the outcomes."""
        return {name: content_of(folder) for name, folder in self._models().items()}

    def _models(self) -> dict[str, Path]:
        """Return the folder of each model; none when the floor alone is asked."""
        return {} if set(self.arms) <= {FLOOR} else by_name(self.models)

    async def _ask_model(
        self, folder: Path, name: str, arms: Mapping[str, Arm], conditions: dict[str, Any]
    ) -> list[Outcome]:
        settings = {"trigger": self.trigger.value, "settings": asdict(self.settings)}
        outcomes: list[Outcome] = []
        workspaces = Workspaces()
        prior, find = prior_of(workspaces.locate), snippets_of(workspaces.locate)
        with closing(on_disk.load(folder, threads=self.settings.threads, prior_of=prior)) as backend:
            for arm_name, arm in arms.items():
                enter = partial(workspaces.enter, session=arm.session)
                # A slow machine must not change what is suggested.
                beside = Beside(find, patience_ms=PATIENCE_MS)
                with closing(Pipeline(NarrowedBackend(backend, arm), self.settings, beside=beside)) as pipeline:
                    predictor = PipelinePredictor(
                        pipeline,
                        name=name if arm_name == FULL else f"{name} {arm_name}",
                        trigger=self.trigger,
                        arm=arm,
                        scorer=backend,
                        enter=enter if arm.index or arm.snippet_chars(backend) else None,
                    )
                    outcomes += await self._ask(predictor, conditions | settings)
        return outcomes

    async def _ask(self, predictor: Predictor, conditions: dict[str, Any]) -> list[Outcome]:
        key = key_of(conditions | {"predictor": predictor.name})
        with closing(Journal(key, fresh=self.fresh)) as journal:
            return await run(predictor, self.cases, journal=journal, keep_code=self.keep_code)

    def _conditions(self) -> dict[str, Any]:
        """Return what every predictor's outcomes depend on."""
        workspaces = {id(case.project): case.project for case in self.cases}
        return {
            "cases": [case.id for case in self.cases],
            "workspaces": [project.fingerprint() for project in workspaces.values()],
            "bleu": bleu.signature() if bleu.is_available() else None,
            "keep_code": self.keep_code,
        }
