"""The runner puts every case once, in order, and times the answer alone; the report adds up what came of it."""

from __future__ import annotations

import json

import pytest

from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.errors import EngineError
from codecompose_ls.evaluation import report
from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.runner import Outcome, PipelinePredictor, Prediction, run
from codecompose_ls.settings import Settings
from codecompose_ls.types import Trigger
from tests.fakes import FakeBackend


def case(hidden: str, *, kind: Kind = Kind.MID_LINE, language: str = "python", before: str = "value = ") -> Case:
    text = f"import sys\n\n{before}\nprint(value)\n"
    return Case("p", f"{hidden}.py", language, kind, text, len("import sys\n\n") + len(before), hidden)


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


async def test_every_case_is_put_once_in_order() -> None:
    echo = Echo()
    outcomes = await run(echo, [case("a(1)"), case("unknown"), case("b")])
    assert echo.asked == ["prepare a(1)", "a(1)", "prepare unknown", "unknown", "prepare b", "b"]
    assert [outcome.text for outcome in outcomes] == ["a(1)  \nmore", None, "b  \nmore"]
    assert outcomes[1].reason == "no idea" and all(outcome.latency_ms >= 0 for outcome in outcomes)


async def test_the_pipeline_is_asked_as_an_editor_asks() -> None:
    backend = FakeBackend("sys.argv")
    predictor = PipelinePredictor(Pipeline(backend, Settings()), name="base")
    prediction = await predictor.predict(case("sys.argv"))
    assert prediction == Prediction("sys.argv")
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
    short = Case("p", "x.py", "python", Kind.MID_LINE, "a = ", 4, "sys.argv")
    predictors = {
        trigger: PipelinePredictor(Pipeline(FakeBackend("sys.argv"), Settings()), name="base", trigger=trigger)
        for trigger in Trigger
    }
    assert (await predictors[Trigger.AUTOMATIC].predict(short)).reason.startswith("trigger:")
    assert (await predictors[Trigger.INVOKED].predict(short)).text == "sys.argv"


def outcome(text: str | None, hidden: str, *, predictor: str = "m", latency_ms: float = 1.0, **kinds: str) -> Outcome:
    kind = Kind(kinds.get("kind", "mid_line"))
    return Outcome(case(hidden, kind=kind, language=kinds.get("language", "python")), predictor, text, "", latency_ms)


def test_rows_by_predictor_kind_and_language() -> None:
    outcomes = [
        outcome("abcd", "abcd", latency_ms=10),
        outcome("abxd", "abcdefgh", latency_ms=20),
        outcome(None, "wxyz", latency_ms=30),
        outcome("go", "go", language="go"),
        outcome("a", "b", kind="line_start"),
    ]
    rows = {(row.kind, row.language): row for row in report.rows(outcomes)}
    assert set(rows) == {
        *(("mid_line", language) for language in ("python", "go", "all")),
        *(("line_start", language) for language in ("python", "all")),
    }
    python = rows["mid_line", "python"]
    assert python.n == 3 and python.exact_match.value == pytest.approx(1 / 3)
    # "abxd" and "abcdefgh" share "abd": 2 * 3 / 12; silence is 0.
    assert python.edit_similarity == pytest.approx((1 + 0.5 + 0) / 3)
    assert python.characters_saved == pytest.approx(4 / 16)
    assert python.answered == pytest.approx(2 / 3) and python.reasons == {"": 1}
    assert (python.p50_ms, python.p95_ms) == (20, pytest.approx(29))
    assert rows["mid_line", "all"].n == 4


def test_one_language_needs_no_row_over_all() -> None:
    assert [row.language for row in report.rows([outcome("a", "a")])] == ["python"]


def test_two_predictors_are_compared_on_the_same_cases() -> None:
    hidden = [f"line_{number}" for number in range(6)]
    outcomes = [outcome(text, text, predictor="good") for text in hidden]
    outcomes += [outcome(None, text, predictor="mute") for text in hidden]
    (comparison,) = report.comparisons(outcomes)
    assert (comparison.paired.only_first, comparison.paired.only_second) == (6, 0)
    assert report.sentence(comparison) == (
        "mid_line: good alone right 6, mute alone right 0 of 6 (McNemar exact, p = 0.031)"
    )


def test_json_holds_the_figures_and_their_conditions() -> None:
    found = json.loads(json.dumps(report.as_json([outcome("a", "a")], conditions={"seed": 0})))
    assert found["conditions"] == {"seed": 0}
    assert found["rows"][0]["exact_match"] == {"value": 1.0, "low": pytest.approx(0.2065, abs=1e-4), "high": 1.0}
