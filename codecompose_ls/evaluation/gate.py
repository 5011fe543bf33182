"""The gate: are tuned weights better than their base on lines that neither has seen? (figures: docs/metrics.md)

Both answer the same cases as the server would: the int8 graph (torch for architectures that have none), the pipeline,
the index of what is known. Each case is put to both at once, so that a gate which runs out of time has asked them the
same. Outcomes are journalled: nothing is asked twice, nor is the base for every strategy.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from codecompose_ls.backends import on_disk
from codecompose_ls.backends.backend import Backend
from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.evaluation.arms import Arm, NarrowedBackend
from codecompose_ls.evaluation.head_to_head import HeadToHead, head_to_head
from codecompose_ls.evaluation.hidden_lines import Case, Source, draw
from codecompose_ls.evaluation.history import stripped_lines, without_twins
from codecompose_ls.evaluation.journal import Journal, key_of
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.evaluation.runner import PipelinePredictor, Scorer, ask_one
from codecompose_ls.evaluation.weights import content_of
from codecompose_ls.evaluation.workspaces import Workspaces
from codecompose_ls.index.prior import prior_of
from codecompose_ls.settings import Settings
from codecompose_ls.tuning.replay import GeneralCode

#: Cases that are asked where time and history allow, and the fewest that prove anything.
CASES, LEAST_CASES = 200, 20
#: How likely the difference in likelihood may be by chance.
SIGNIFICANCE = 0.05
#: The fewest cases of a file that are drawn before more of each are.
_PER_FILE = (3, 6, 12, 25, 50, 100)

Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found. `measured_at` is the commit whose later lines were asked for, or "held-out files".

    `reasons` say why it is closed; it is passed where there are none. `retention` compares the weights alone on general
    code, and decides nothing.
    """

    measured_at: str
    lines: HeadToHead
    reasons: tuple[str, ...]
    retention: HeadToHead | None = None

    @property
    def passed(self) -> bool:
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Return what codecompose.json keeps under evaluation.gate."""
        retention = None if self.retention is None else asdict(self.retention)
        about = {"passed": self.passed, "reasons": list(self.reasons), "measured_at": self.measured_at}
        return about | asdict(self.lines) | {"retention": retention}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Verdict:
        retention = value["retention"]
        return cls(
            measured_at=value["measured_at"],
            lines=HeadToHead.from_json(value),
            reasons=tuple(value["reasons"]),
            retention=None if retention is None else HeadToHead.from_json(retention),
        )

    def __str__(self) -> str:
        lines = self.lines
        what = "passed" if self.passed else f"not passed ({'; '.join(self.reasons)})"
        return (
            f"gate {what}: exact match {lines.tuned_exact_match.value:.3f} against the base's "
            f"{lines.base_exact_match.value:.3f}, likelihood {lines.gain.value:+.3f} nats a token "
            f"[{lines.gain.low:+.3f}, {lines.gain.high:+.3f}], p = {lines.p_value:.2g} "
            f"(n = {lines.n} lines of {lines.files} files)"
        )


def verdict(
    base: Sequence[Outcome], tuned: Sequence[Outcome], *, measured_at: str, retention: HeadToHead | None = None
) -> Verdict:
    """Judge two models by their outcomes on the same cases, in the same order (docs/metrics.md, The gate)."""
    found = head_to_head(base, tuned)
    reasons = []
    if found.n < LEAST_CASES:
        reasons.append(f"{found.n} lines to ask for are too few, it takes {LEAST_CASES}")
    if found.gain.value <= 0 or found.p_value >= SIGNIFICANCE:
        reasons.append("the hidden text is not significantly likelier")
    if found.only_base > found.only_tuned:
        reasons.append("fewer lines are exactly right")
    return Verdict(measured_at, found, tuple(reasons), retention)


def gate_cases(source: Source, *, most: int = CASES, seed: int = 0) -> list[Case]:
    """Draw up to `most` cases of both kinds together, of as many files as possible, in random order.

    Whoever has to stop early has then asked for a fair sample.
    """
    cases: list[Case] = []
    for per_file in _PER_FILE:
        cases = draw([source], cases=most // 2, per_file=per_file, seed=seed)
        if len(cases) >= most // 2 * 2:
            break
    random.Random(seed).shuffle(cases)
    return cases


def held_out_source(project: Project, held_out: Iterable[str]) -> Source:
    """Return a source of cases for a folder without history: its lines in the files held out, twins left out.

    The workspace is the project without those files, as if they had been written later.
    """
    asked = frozenset(held_out)
    workspace = replace(project, files=tuple(path for path in project.files if path not in asked))
    later = replace(project, files=tuple(path for path in project.files if path in asked))
    lines = {path: frozenset(range(later.read(path).count("\n") + 1)) for path in later.files}
    return Source(workspace, later, without_twins(later, lines, known=stripped_lines(workspace)))


def retention_cases(code: Sequence[GeneralCode], *, most: int = CASES // 2, seed: int = 0) -> list[Case]:
    """Draw cases from general code; nothing is known of their workspaces."""
    projects = [Project(one.name, one.root, tuple(sorted(one.files))) for one in code]
    sources = [Source(replace(project, files=()), project) for project in projects]
    cases = draw(sources, cases=most // 2, seed=seed)
    random.Random(seed).shuffle(cases)
    return cases


class _ScoringBackend(Backend, Scorer, Protocol):
    """What answers, and says how likely it finds an answer."""


class Contest:
    """Two models, loaded to serve; `base` and `tuned` are folders. Raises `ModelError` and `EngineError`."""

    def __init__(self, base: Path, tuned: Path, *, settings: Settings) -> None:
        self._settings = settings
        self._stack = ExitStack()
        self._workspaces = Workspaces()
        self._hashes = [content_of(folder) for folder in (base, tuned)]
        try:
            self._backends = [self._load(folder) for folder in (base, tuned)]
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def ask(
        self, cases: Sequence[Case], *, until: float, index: bool = True, watch: Watch = lambda done, total: None
    ) -> tuple[list[Outcome], list[Outcome]]:
        """Return the outcomes of both on what could be asked until then (`time.monotonic`), `LEAST_CASES` at least."""
        arm = Arm(index=index)
        outcomes: tuple[list[Outcome], list[Outcome]] = ([], [])
        workspaces = sorted(project.fingerprint() for project in {case.project for case in cases})
        with ExitStack() as stack:
            predictors = [stack.enter_context(self._predictor(backend, arm)) for backend in self._backends]
            journals = [
                stack.enter_context(closing(Journal(self._key(content_hash, arm, workspaces))))
                for content_hash in self._hashes
            ]
            for number, case in enumerate(cases, start=1):
                for predictor, journal, found in zip(predictors, journals, outcomes, strict=True):
                    if case.id not in journal.outcomes:
                        journal.append(await ask_one(predictor, case))
                    found.append(journal.outcomes[case.id])
                watch(number, len(cases))
                if number >= LEAST_CASES and time.monotonic() >= until:
                    break
        return outcomes

    def _load(self, folder: Path) -> _ScoringBackend:
        prior = prior_of(self._workspaces.locate)
        return self._stack.enter_context(closing(on_disk.load(folder, threads=self._settings.threads, prior_of=prior)))

    @contextmanager
    def _predictor(self, backend: _ScoringBackend, arm: Arm) -> Iterator[PipelinePredictor]:
        with closing(Pipeline(NarrowedBackend(backend, arm), self._settings)) as pipeline:
            enter = self._workspaces.enter if arm.index else None
            yield PipelinePredictor(pipeline, name=backend.model, arm=arm, scorer=backend, enter=enter)

    def _key(self, content_hash: str, arm: Arm, workspaces: Sequence[str]) -> str:
        return key_of(
            {
                "purpose": "gate",
                "model": content_hash,
                "arm": asdict(arm),
                "settings": asdict(self._settings),
                "workspaces": list(workspaces),
            }
        )
