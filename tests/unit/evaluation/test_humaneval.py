"""HumanEval-Infilling: a task is read, its hole filled as an editor or a backend fills it, and the whole is tested."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.errors import EngineError, InputError
from codecompose_ls.evaluation.humaneval import LineSolver, SpanSolver, Split, Task, ask, load
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.evaluation.sandbox import Limits, Sandbox
from codecompose_ls.settings import Settings
from tests.fakes import FakeBackend

HEAD = "def double(x):\n    y = x\n"
TEST = "def check(candidate):\n    assert candidate(2) == 4\n"


def record(number: int, *, prompt: str = HEAD, middle: str = "    y += x\n", suffix: str = "    return y\n") -> str:
    fields = {"task_id": f"HumanEval/{number}", "prompt": prompt, "canonical_solution": middle, "suffix": suffix}
    return json.dumps({**fields, "test": TEST, "entry_point": "double"})


def write(folder: Path, split: Split, *lines: str) -> Path:
    with gzip.open(folder / f"{split.file}.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def line_task(tmp_path: Path) -> Task:
    return load(write(tmp_path, Split.SINGLE_LINE, record(0)), Split.SINGLE_LINE)[0]


@pytest.fixture
def span_task(tmp_path: Path) -> Task:
    text = record(1, prompt=HEAD + "    y +", middle="= x\n   ", suffix=" return y\n")
    return load(write(tmp_path, Split.RANDOM_SPAN, text), Split.RANDOM_SPAN)[0]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(Limits(wall_s=60, cpu_s=20))


def test_the_files_are_those_of_the_authors() -> None:
    assert [split.file for split in Split] == [
        "HumanEval-SingleLineInfilling.jsonl",
        "HumanEval-MultiLineInfilling.jsonl",
        "HumanEval-RandomSpanInfilling.jsonl",
        "HumanEval-RandomSpanInfillingLight.jsonl",
    ]


def test_a_missing_line_keeps_its_end(line_task: Task) -> None:
    assert line_task.middle == "    y += x" and line_task.suffix == "\n    return y\n"
    assert line_task.completed(line_task.middle) == f"{HEAD}    y += x\n    return y\n"
    assert line_task.program("    y *= 2").endswith("    y *= 2\n    return y\n\n" + TEST + "\ncheck(double)\n")


def test_the_same_seed_draws_the_same_tasks(tmp_path: Path) -> None:
    write(tmp_path, Split.MULTI_LINE, *(record(number) for number in range(50)))
    drawn = [task.id for task in load(tmp_path, Split.MULTI_LINE, cases=10, seed=3)]
    assert drawn == [task.id for task in load(tmp_path, Split.MULTI_LINE, cases=10, seed=3)]
    assert len(set(drawn)) == 10 and drawn == sorted(drawn, key=lambda name: int(name.split("/")[1]))
    assert len(load(tmp_path, Split.MULTI_LINE, cases=99)) == 50


def test_tasks_that_are_not_there_are_named_with_their_origin(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="openai/human-eval-infilling"):
        load(tmp_path / "nowhere", Split.SINGLE_LINE)


@pytest.mark.parametrize("content", ["no gzip", "", "{", "[1]", "{}"])
def test_a_damaged_file_costs_one_line(tmp_path: Path, content: str) -> None:
    packed = content.encode() if content == "no gzip" else gzip.compress(content.encode())
    (tmp_path / f"{Split.SINGLE_LINE.file}.gz").write_bytes(packed)
    with pytest.raises(InputError, match="no tasks of HumanEval-Infilling") as raised:
        load(tmp_path, Split.SINGLE_LINE)
    assert "\n" not in str(raised.value)


async def of_a_line(task: Task, answer: str | Exception, *, sandbox: Sandbox | None = None) -> Outcome:
    solver = LineSolver(Pipeline(FakeBackend(answer), Settings()), name="base")
    return await ask(solver, task, split=Split.SINGLE_LINE, sandbox=sandbox)


async def of_a_span(task: Task, answer: str) -> Outcome:
    return await ask(SpanSolver(FakeBackend(answer), name="base"), task, split=Split.RANDOM_SPAN)


async def test_a_line_is_asked_of_the_pipeline_that_serves(line_task: Task) -> None:
    backend = FakeBackend("    y += x\n    return y")
    outcome = await ask(LineSolver(Pipeline(backend, Settings()), name="base"), line_task, split=Split.SINGLE_LINE)
    assert outcome.suggested == outcome.hidden == "    y += x"
    assert outcome.hit and outcome.edit_similarity == 1 and outcome.passed is None
    assert (outcome.predictor, outcome.case, outcome.kind) == ("base", "HumanEval/0", "single-line")
    (asked,) = backend.asked
    assert asked.context.prefix == HEAD and asked.context.suffix == "\n    return y\n"


async def test_silence_and_failure_are_told_apart(line_task: Task) -> None:
    silent = await of_a_line(line_task, "")
    assert not silent.answered and silent.reason == "empty" and not silent.hit and silent.edit_similarity == 0
    with pytest.raises(EngineError, match="HumanEval/0: broken"):
        await of_a_line(line_task, EngineError("broken"))


async def test_a_span_is_asked_of_the_backend_and_kept_as_it_is(span_task: Task) -> None:
    backend = FakeBackend("= x\n   ")
    outcome = await ask(SpanSolver(backend, name="base"), span_task, split=Split.RANDOM_SPAN)
    assert outcome.suggested == "= x\n   " and outcome.hit
    (asked,) = backend.asked
    assert asked.context.multiline
    assert (asked.context.prefix, asked.context.suffix) == (HEAD + "    y +", " return y\n")


async def test_an_empty_span_is_an_answer(tmp_path: Path) -> None:
    text = record(2, prompt=HEAD + "    y += x", middle="", suffix="\n    return y\n")
    (task,) = load(write(tmp_path, Split.RANDOM_SPAN, text), Split.RANDOM_SPAN)
    outcome = await of_a_span(task, "")
    assert outcome.answered and outcome.suggested == "" and outcome.hit


async def test_only_space_at_line_ends_is_forgiven(span_task: Task) -> None:
    assert (await of_a_span(span_task, "= x  \n   ")).hit
    assert not (await of_a_span(span_task, "= x\n    ")).hit
    assert not (await of_a_span(span_task, "= x")).hit


@pytest.mark.parametrize(
    ("text", "passed", "failure"),
    [
        ("    y += x", True, ""),
        ("    y = 2 * x  # another way", True, ""),
        ("    y += 1", False, "AssertionError:"),
        ("    y +=", False, "SyntaxError: invalid syntax"),
        ("    import os; os._exit(0)", False, "exited early"),
    ],
)
async def test_the_tests_decide(line_task: Task, sandbox: Sandbox, text: str, passed: bool, failure: str) -> None:
    outcome = await of_a_line(line_task, text, sandbox=sandbox)
    assert outcome.suggested == text
    assert outcome.passed is passed and outcome.reason.startswith(failure)


async def test_silence_passes_no_test(line_task: Task, sandbox: Sandbox) -> None:
    silent = await of_a_line(line_task, "", sandbox=sandbox)
    assert silent.passed is False and silent.reason == "empty"


FOLDER = os.environ.get("CODECOMPOSE_HUMANEVAL_INFILLING", "")


@pytest.mark.skipif(not FOLDER, reason="CODECOMPOSE_HUMANEVAL_INFILLING names no folder with the tasks")
@pytest.mark.parametrize("split", Split)
def test_what_was_taken_out_passes_its_own_tests(split: Split, sandbox: Sandbox) -> None:
    for task in load(Path(FOLDER), split, cases=20):
        verdict = sandbox.run(task.program(task.middle))
        assert verdict.passed, f"{task.id}: {verdict.reason}"
