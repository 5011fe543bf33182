"""The runner puts every case once, in order, times the answer alone, and judges it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.errors import EngineError
from codecompose_ls.evaluation.arms import Arm
from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.evaluation.runner import PipelinePredictor, Prediction, judge, run
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.settings import Settings
from codecompose_ls.types import Context, Trigger
from tests.fakes import FakeBackend

PROJECT = Project("p", Path("/nowhere"), ())


def case(hidden: str, *, before: str = "value = ", project: Project = PROJECT) -> Case:
    text = f"import sys\n\n{before}\nprint(value)\n"
    return Case(project, f"{hidden}.py", "python", Kind.MID_LINE, text, len("import sys\n\n") + len(before), hidden)


class Echo:
    """Knows every answer but those it is told to miss."""

    name = "echo"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def prepare(self, case: Case) -> None:
        self.asked.append(f"prepare {case.hidden}")

    async def predict(self, case: Case) -> Prediction:
        self.asked.append(case.hidden)
        return Prediction(None, "no idea") if case.hidden == "unknown" else Prediction(case.hidden + "  \nmore")

    async def score(self, case: Case) -> Sequence[float]:
        self.asked.append(f"score {case.hidden}")
        return [-0.5, -1.5]


async def test_every_case_is_put_once_in_order_and_scored_afterwards() -> None:
    echo = Echo()
    outcomes = await run(echo, [case("a(1)"), case("unknown")], keep_code=True)
    assert echo.asked == ["prepare a(1)", "a(1)", "score a(1)", "prepare unknown", "unknown", "score unknown"]
    assert [outcome.suggested for outcome in outcomes] == ["a(1)  \nmore", None]
    assert [outcome.hit for outcome in outcomes] == [True, False]
    assert outcomes[1].reason == "no idea" and all(outcome.latency_ms >= 0 for outcome in outcomes)
    assert (outcomes[0].tokens, outcomes[0].logprob) == (2, -2.0)


def test_a_prediction_is_judged_by_its_first_line() -> None:
    prediction = Prediction("foo(baz) \nmore", confidence=0.25)
    outcome = judge(case("foo(bar)  "), prediction, predictor="m", latency_ms=3.0)
    assert not outcome.hit and outcome.answered and outcome.confidence == 0.25
    # "foo(bar)" and "foo(baz)" share seven of eight characters: 2 * 7 / 16.
    assert outcome.edit_similarity == pytest.approx(0.875)
    assert outcome.hidden_chars == 8 and outcome.tokens is None and outcome.logprob is None
    # foo ( bar ) against foo ( baz ): three words alike, one pair, no longer run.
    assert outcome.bleu == (3, 1, 0, 0, 4, 3, 2, 1, 4, 4)


def test_no_code_and_no_path_is_kept_unless_asked_for() -> None:
    told = repr(judge(case("secret_name(1)"), Prediction("secret_guess"), predictor="m", latency_ms=1.0))
    assert "secret" not in told and "import sys" not in told


async def test_the_pipeline_is_asked_as_an_editor_asks() -> None:
    backend = FakeBackend("sys.argv")
    predictor = PipelinePredictor(Pipeline(backend, Settings()), name="base")
    prediction = await predictor.predict(case("sys.argv"))
    assert prediction.text == "sys.argv"
    assert prediction.confidence is not None and 0.5 < prediction.confidence < 1
    (context,) = [asked.context for asked in backend.asked]
    assert context.prefix.endswith("value = ") and context.suffix.startswith("\nprint")
    assert context.path == "sys.argv.py"


async def test_the_pipeline_remembers_nothing_from_case_to_case() -> None:
    predictor = PipelinePredictor(Pipeline(FakeBackend("first", "second"), Settings()), name="base")
    assert (await predictor.predict(case("same"))).text == "first"
    assert (await predictor.predict(case("same"))).text == "second"


async def test_a_broken_engine_is_no_silence() -> None:
    backend = FakeBackend(EngineError("out of memory"))
    with pytest.raises(EngineError, match=r"p/x\.py: .*out of memory"):
        await PipelinePredictor(Pipeline(backend, Settings()), name="base").predict(case("x"))


async def test_an_automatic_trigger_may_stay_silent_and_an_invoked_one_may_not() -> None:
    # So short a file tells a model nothing: an automatic request is not answered there.
    short = Case(PROJECT, "x.py", "python", Kind.MID_LINE, "a = ", 4, "sys.argv")
    predictors = {
        trigger: PipelinePredictor(Pipeline(FakeBackend("sys.argv"), Settings()), name="base", trigger=trigger)
        for trigger in Trigger
    }
    assert (await predictors[Trigger.AUTOMATIC].predict(short)).reason.startswith("trigger:")
    assert (await predictors[Trigger.INVOKED].predict(short)).text == "sys.argv"


def test_each_case_is_entered() -> None:
    entered: list[str] = []
    predictor = PipelinePredictor(
        Pipeline(FakeBackend(), Settings()), name="base", enter=lambda case: entered.append(case.project.name)
    )
    other = Project("q", Path("/elsewhere"), ())
    for project in (PROJECT, PROJECT, other, PROJECT):
        predictor.prepare(case("x", project=project))
    assert entered == ["p", "p", "q", "p"]


class Listener:
    """Takes note of what it is to score."""

    def __init__(self) -> None:
        self.asked: list[tuple[Context, str]] = []

    async def score(self, context: Context, text: str) -> Sequence[float]:
        self.asked.append((context, text))
        return [-1.0]


async def test_what_is_scored_is_the_hidden_text_in_the_context_of_the_request() -> None:
    backend, listener = FakeBackend("x"), Listener()
    predictor = PipelinePredictor(Pipeline(backend, Settings()), name="base", arm=Arm(suffix=False), scorer=listener)
    asked = case("sys.argv  ")
    await predictor.predict(asked)
    assert await predictor.score(asked) == [-1.0]
    assert listener.asked == [(backend.asked[0].context, "sys.argv")]
    assert backend.asked[0].context.suffix == ""


async def test_a_real_model_scores_every_token(tiny: Path) -> None:
    backend = LocalBackend(tiny)
    predictor = PipelinePredictor(Pipeline(backend, Settings()), name="tiny", scorer=backend)
    (outcome,) = await run(predictor, [case("sys.argv")])
    backend.close()
    assert outcome.tokens == len(Tokenizer(tiny / "tokenizer.json").encode("sys.argv"))
    assert outcome.logprob is not None and outcome.logprob < 0
