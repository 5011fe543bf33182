"""Put cases to a predictor, one after the other, and keep what it said and how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.errors import EngineError
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.types import CompletionRequest, Document, Suggestion, Trigger


@dataclass(frozen=True, slots=True)
class Prediction:
    """What would be inserted at the case's cursor, or None and why there is nothing."""

    text: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case and what one predictor said to it."""

    case: Case
    predictor: str
    text: str | None
    reason: str
    latency_ms: float


class Predictor(Protocol):
    """Answers cases, and remembers nothing of them: a case shows the lines that other cases of its file hide."""

    @property
    def name(self) -> str: ...

    def prepare(self, case: Case) -> None:
        """Get ready for the project of a case; this is not timed."""

    async def predict(self, case: Case) -> Prediction: ...


class PipelinePredictor:
    """The pipeline that serves editors. Each case is a document of its own, closed again once it is answered."""

    def __init__(self, pipeline: Pipeline, *, name: str, trigger: Trigger = Trigger.INVOKED) -> None:
        self.name = name
        self._pipeline, self._trigger = pipeline, trigger

    def prepare(self, case: Case) -> None:
        """Do nothing: the pipeline knows a project by its open documents alone."""

    async def predict(self, case: Case) -> Prediction:
        """Ask as an editor asks, and close the document, which makes the pipeline forget it.

        Raises `EngineError` when the backend fails: a broken engine is no silence to be counted.
        """
        document = Document(f"hidden-line:///{case.project}/{case.path}", case.path, case.language, case.text)
        answer = await self._pipeline.complete(CompletionRequest(document, case.offset, self._trigger))
        self._pipeline.closed(document.uri)
        if answer.reason == "failed":
            raise EngineError(f"{case.project}/{case.path}: {self._pipeline.last_error}")
        if answer.suggestion is None:
            return Prediction(None, answer.reason)
        return Prediction(_inserted(answer.suggestion, case))


def _inserted(suggestion: Suggestion, case: Case) -> str:
    """Return what a suggestion puts after the cursor, should it also replace text before it."""
    typed = case.text[suggestion.offset : case.offset]
    return suggestion.text.removeprefix(typed)


async def run(predictor: Predictor, cases: Sequence[Case]) -> list[Outcome]:
    """Return the outcomes in the order of the cases; a progress bar goes to stderr."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    outcomes = []
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        for case in progress.track(cases, description=f"hidden lines, {predictor.name}"):
            predictor.prepare(case)
            began = time.perf_counter()
            prediction = await predictor.predict(case)
            latency_ms = (time.perf_counter() - began) * 1000
            outcomes.append(Outcome(case, predictor.name, prediction.text, prediction.reason, latency_ms))
    return outcomes
