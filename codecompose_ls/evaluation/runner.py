"""Put cases to a predictor, one after the other, and judge what it said and how long it took."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.errors import EngineError
from codecompose_ls.evaluation import bleu
from codecompose_ls.evaluation.arms import Arm
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.journal import Journal
from codecompose_ls.evaluation.metrics import edit_similarity, first_line, is_exact_match
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.evaluation.workspaces import uri_of
from codecompose_ls.types import CompletionRequest, Context, Document, Suggestion, Trigger


@dataclass(frozen=True, slots=True)
class Prediction:
    """What would be inserted at the case's cursor, or None and why there is nothing.

    `confidence` is the probability that its first line is right (0 to 1), where the predictor knows.
    """

    text: str | None
    reason: str = ""
    confidence: float | None = None


class Predictor(Protocol):
    """Answers cases, and remembers nothing of them: a case shows the lines that other cases of its file hide."""

    @property
    def name(self) -> str: ...

    def prepare(self, case: Case) -> None:
        """Get ready for the project of a case; this is not timed."""

    async def predict(self, case: Case) -> Prediction: ...

    async def score(self, case: Case) -> Sequence[float]:
        """Return the log probability of each token of what is hidden; none where there is no model to say."""
        ...


class Scorer(Protocol):
    """Says how likely a text is, as `backends.local.LocalBackend` does."""

    async def score(self, context: Context, text: str) -> Sequence[float]: ...


class PipelinePredictor:
    """The pipeline that serves editors. Each case is a document of its own, closed again once it is answered.

    `enter` is called with each case before it is put.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        name: str,
        trigger: Trigger = Trigger.INVOKED,
        arm: Arm | None = None,
        scorer: Scorer | None = None,
        enter: Callable[[Case], None] | None = None,
    ) -> None:
        self.name = name
        self._pipeline, self._trigger = pipeline, trigger
        self._arm, self._scorer, self._enter = arm or Arm(), scorer, enter

    def prepare(self, case: Case) -> None:
        if self._enter is not None:
            self._enter(case)

    async def predict(self, case: Case) -> Prediction:
        """Ask as an editor asks, and close the document, which makes the pipeline forget it.

        Raises `EngineError` when the backend fails: a broken engine is no silence to be counted.
        """
        case = self._arm.view(case)
        document = _document(case)
        answer = await self._pipeline.complete(CompletionRequest(document, case.offset, self._trigger))
        self._pipeline.closed(document.uri)
        if answer.reason == "failed":
            raise EngineError(f"{case.project.name}/{case.path}: {self._pipeline.last_error}")
        if answer.suggestion is None:
            return Prediction(None, answer.reason)
        return Prediction(_inserted(answer.suggestion, case), confidence=answer.suggestion.confidence)

    async def score(self, case: Case) -> Sequence[float]:
        if self._scorer is None:
            return ()
        case = self._arm.view(case)
        context = await self._pipeline.context(_document(case), case.offset)
        self._pipeline.closed(uri_of(case))
        return await self._scorer.score(self._arm.context(context), case.hidden.rstrip())


def _document(case: Case) -> Document:
    return Document(uri_of(case), case.path, case.language, case.text, repository=case.project.name)


def _inserted(suggestion: Suggestion, case: Case) -> str:
    """Return what a suggestion puts after the cursor, should it also replace text before it."""
    typed = case.text[suggestion.offset : case.offset]
    return suggestion.text.removeprefix(typed)


async def run(
    predictor: Predictor, cases: Sequence[Case], *, journal: Journal | None = None, keep_code: bool = False
) -> list[Outcome]:
    """Return the outcomes in the order of the cases; those in the journal are not asked for again."""

    async def ask(case: Case) -> Outcome:
        return await ask_one(predictor, case, keep_code=keep_code)

    return await ask_each(cases, ask, journal=journal, title=f"hidden lines, {predictor.name}")


class Question(Protocol):
    """A case of hidden lines or a task of a benchmark."""

    @property
    def id(self) -> str: ...


Q = TypeVar("Q", bound=Question)


async def ask_each(
    questions: Sequence[Q], ask: Callable[[Q], Awaitable[Outcome]], *, journal: Journal | None, title: str
) -> list[Outcome]:
    """Return an outcome for each question, from the journal where it is there; a progress bar goes to stderr."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    outcomes = dict(journal.outcomes) if journal else {}
    waiting = [question for question in questions if question.id not in outcomes]
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task(title, total=len(questions))
        progress.update(task, completed=len(questions) - len(waiting))
        for question in waiting:
            outcome = outcomes[question.id] = await ask(question)
            if journal:
                journal.append(outcome)
            progress.advance(task)
    return [outcomes[question.id] for question in questions]


async def ask_one(predictor: Predictor, case: Case, *, keep_code: bool = False) -> Outcome:
    """Ask for one case, and for the probability of what it hides; the latency is that of the answer alone."""
    predictor.prepare(case)
    began = time.perf_counter()
    prediction = await predictor.predict(case)
    latency_ms = (time.perf_counter() - began) * 1000
    # Afterwards, so that no predictor has met the hidden text when it is asked.
    scores = await predictor.score(case)
    return judge(case, prediction, predictor=predictor.name, latency_ms=latency_ms, scores=scores, keep_code=keep_code)


def judge(
    case: Case,
    prediction: Prediction,
    *,
    predictor: str,
    latency_ms: float,
    scores: Sequence[float] = (),
    keep_code: bool = False,
) -> Outcome:
    """Compare a prediction with what was hidden; figures as in docs/metrics.md."""
    text, hidden = prediction.text, case.hidden.rstrip()
    return Outcome(
        predictor=predictor,
        case=case.id,
        project=case.project.name,
        path_hash=hashlib.sha256(case.path.encode(errors="surrogateescape")).hexdigest()[:12],
        language=case.language,
        kind=case.kind.value,
        hit=is_exact_match(text, hidden),
        edit_similarity=edit_similarity(text, hidden),
        hidden_chars=len(hidden),
        answered=text is not None,
        reason=prediction.reason,
        latency_ms=latency_ms,
        confidence=prediction.confidence,
        tokens=len(scores) or None,
        logprob=float(sum(scores)) if scores else None,
        bleu=bleu.statistics(first_line(text or ""), hidden) if bleu.is_available() else None,
        hidden=case.hidden if keep_code else None,
        suggested=text if keep_code else None,
    )
