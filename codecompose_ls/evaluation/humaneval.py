"""HumanEval-Infilling: programs with a hole, judged by comparison and, when asked for, by their unit tests.

Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle" (arXiv 2207.14255), section 4. The
tasks are not ours to ship: they are read from a folder, as the repository openai/human-eval-infilling holds them.
"""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Sequence
from contextlib import aclosing, closing
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from codecompose_ls.backends import on_disk
from codecompose_ls.backends.backend import Backend
from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.errors import EngineError, InputError
from codecompose_ls.evaluation.journal import Journal, key_of
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.evaluation.runner import ask_each
from codecompose_ls.evaluation.sandbox import Sandbox
from codecompose_ls.evaluation.weights import by_name, content_of
from codecompose_ls.settings import Settings
from codecompose_ls.types import CompletionRequest, Context, Document, Sampling, Trigger

#: The project of its outcomes.
NAME = "HumanEval-Infilling"
#: Where the tasks can be had.
ORIGIN = "the folder data/ of the repository openai/human-eval-infilling (MIT) has its files"
#: Longest middle that a model is let write, in tokens; the longest that was taken out has 272 of ours.
MAX_TOKENS = 320


class Split(str, Enum):
    """What was taken out of a program: a line, lines, or a run of characters (light: once a program)."""

    SINGLE_LINE = "single-line"
    MULTI_LINE = "multi-line"
    RANDOM_SPAN = "random-span"
    RANDOM_SPAN_LIGHT = "random-span-light"

    @property
    def file(self) -> str:
        name = "".join(part.title() for part in self.value.removesuffix("-light").split("-"))
        return f"HumanEval-{name}Infilling{'Light' if self is Split.RANDOM_SPAN_LIGHT else ''}.jsonl"


@dataclass(frozen=True, slots=True)
class Task:
    """A program without its `middle`, and the text that tests the whole."""

    id: str
    prefix: str
    middle: str
    suffix: str
    test: str
    entry_point: str

    def completed(self, middle: str) -> str:
        return self.prefix + middle + self.suffix

    def program(self, middle: str) -> str:
        """Return the program with its test, as the authors' `execution.py` joins them."""
        return f"{self.completed(middle)}\n{self.test}\ncheck({self.entry_point})\n"


def load(folder: Path, split: Split, *, cases: int | None = None, seed: int = 0) -> list[Task]:
    """Read a split's tasks, or `cases` of them drawn by a seed; raises `InputError`."""
    path = next((path for path in (folder / f"{split.file}.gz", folder / split.file) if path.is_file()), None)
    if path is None:
        raise InputError(f"{folder}: {split.file}.gz is not there; {ORIGIN}")
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            tasks = [_task(json.loads(line), split) for line in lines if line.strip()]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no tasks of HumanEval-Infilling ({error}); {ORIGIN}") from error
    if not tasks:
        raise InputError(f"{path}: no tasks of HumanEval-Infilling are in it; {ORIGIN}")
    if cases is None or cases >= len(tasks):
        return tasks
    return [tasks[place] for place in sorted(random.Random(seed).sample(range(len(tasks)), cases))]


def _task(value: dict[str, Any], split: Split) -> Task:
    middle, suffix = value["canonical_solution"], value["suffix"]
    if split is Split.SINGLE_LINE:
        # In an editor the line that is missing has an end.
        middle, suffix = middle.removesuffix("\n"), "\n" + suffix
    return Task(value["task_id"], value["prompt"], middle, suffix, value["test"], value["entry_point"])


class Solver(Protocol):
    """Fills holes."""

    @property
    def name(self) -> str: ...

    async def solve(self, task: Task) -> tuple[str | None, str]:
        """Return the text for the hole, or None and why; raises `CodeComposeError` when the backend fails."""
        ...


class LineSolver:
    """The pipeline that serves editors, asked for a line by hand."""

    def __init__(self, pipeline: Pipeline, *, name: str) -> None:
        self._pipeline, self.name = pipeline, name

    async def solve(self, task: Task) -> tuple[str | None, str]:
        document = Document(f"task:///{task.id}", f"{task.entry_point}.py", "python", task.completed(""))
        answer = await self._pipeline.complete(CompletionRequest(document, len(task.prefix), Trigger.INVOKED))
        self._pipeline.closed(document.uri)
        if answer.reason == "failed":
            raise EngineError(f"{task.id}: {self._pipeline.last_error}")
        if answer.suggestion is None:
            return None, answer.reason
        return answer.suggestion.text.split("\n", 1)[0], ""


class SpanSolver:
    """The backend itself, which ends the text where it thinks that it meets the suffix."""

    def __init__(self, backend: Backend, *, name: str) -> None:
        self._backend, self.name = backend, name

    async def solve(self, task: Task) -> tuple[str | None, str]:
        context = Context("python", f"{task.entry_point}.py", task.prefix, task.suffix, multiline=True)
        async with aclosing(self._backend.stream(context, Sampling(max_tokens=MAX_TOKENS), stop=Event())) as pieces:
            text = "".join([piece.text async for piece in pieces])
        # No text at all is an answer, too: some holes are empty.
        return text, ""


async def ask(solver: Solver, task: Task, *, split: Split, sandbox: Sandbox | None = None) -> Outcome:
    """Have a task solved and judge what came of it; its tests are run where there is a sandbox.

    `hit`: the completed program is the original, space at line ends aside. `edit_similarity`: of the middles, whole.
    The outcome holds both middles, since the tasks are public.
    """
    began = time.perf_counter()
    text, reason = await solver.solve(task)
    latency_ms = (time.perf_counter() - began) * 1000
    passed = None if sandbox is None else False
    if sandbox is not None and text is not None:
        verdict = sandbox.run(task.program(text))
        passed, reason = verdict.passed, verdict.reason
    return Outcome(
        predictor=solver.name,
        case=task.id,
        project=NAME,
        # "SingleLineInfilling/HumanEval/0/L5": many holes are cut into one program.
        path_hash=task.id.rsplit("/", 1)[0],
        language="python",
        kind=split.value,
        hit=text is not None and _lines(task.completed(text)) == _lines(task.completed(task.middle)),
        edit_similarity=_similarity(text, task.middle),
        hidden_chars=len(task.middle.rstrip()),
        answered=text is not None,
        reason=reason,
        latency_ms=latency_ms,
        hidden=task.middle,
        suggested=text,
        passed=passed,
    )


def _lines(text: str) -> list[str]:
    """Return the lines of a text without trailing space."""
    return [line.rstrip() for line in text.split("\n")]


def _similarity(text: str | None, middle: str) -> float:
    from rapidfuzz import fuzz

    return fuzz.ratio(text.rstrip(), middle.rstrip()) / 100 if text is not None else 0.0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A split's tasks put to several models, one after the other, each with a journal of its own.

    `models` are names or folders. Without a sandbox no code is run. With `fresh` what earlier runs found is forgotten.
    """

    split: Split
    tasks: Sequence[Task]
    settings: Settings
    models: Sequence[str]
    sandbox: Sandbox | None = None
    fresh: bool = False

    async def run(self) -> list[Outcome]:
        """Return the outcomes, model by model; raises `InputError`, `ModelError` and `EngineError`."""
        outcomes: list[Outcome] = []
        for name, folder in by_name(self.models).items():
            conditions = {
                "benchmark": NAME,
                "tasks": [asdict(task) for task in self.tasks],
                "settings": asdict(self._settings()),
                "predictor": name,
                "model": content_of(folder),
                "runs_code": self.sandbox is not None,
            }
            with (
                closing(Journal(key_of(conditions), fresh=self.fresh)) as journal,
                closing(on_disk.load(folder, threads=self.settings.threads)) as backend,
            ):
                outcomes += await self._ask(name, backend, journal)
        return outcomes

    def hashes(self) -> dict[str, str]:
        """Return the content hash of each model, by the name it has in the outcomes."""
        return {name: content_of(folder) for name, folder in by_name(self.models).items()}

    async def _ask(self, name: str, backend: Backend, journal: Journal) -> list[Outcome]:
        with closing(Pipeline(backend, self._settings())) as pipeline:
            by_line = self.split is Split.SINGLE_LINE
            solver = LineSolver(pipeline, name=name) if by_line else SpanSolver(backend, name=name)

            async def answer(task: Task) -> Outcome:
                return await ask(solver, task, split=self.split, sandbox=self.sandbox)

            return await ask_each(self.tasks, answer, journal=journal, title=f"{self.split.value}, {name}")

    def _settings(self) -> Settings:
        """Return the settings for a line: it is one line that is missing."""
        return replace(self.settings, multi_line="never")
