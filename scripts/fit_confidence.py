"""Fit the confidence in a suggestion on the history of projects, and the thresholds that the setting stands for.

    python scripts/fit_confidence.py REPOSITORY... --model FOLDER --since 2y --cases 20

Asks for lines that later commits added, and for as many hidden lines of the workspace as it was before them, by hand,
so that every case has an answer; and where such a line begins a block, for the block. Prints what each project says of
a fit to the others, and then the table of `completion/confidence.py`. Fitted on other projects than those that the
model is judged by. Minutes for 400 cases.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.completion.confidence import Features, confidence, line_end
from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.completion.scope import opens, width
from codecompose_ls.evaluation.hidden_lines import Case, Kind, Source, draw
from codecompose_ls.evaluation.history import replays
from codecompose_ls.evaluation.runner import PipelinePredictor
from codecompose_ls.evaluation.workspaces import Workspaces
from codecompose_ls.index.prior import prior_of
from codecompose_ls.models.registry import resolve
from codecompose_ls.settings import Settings
from codecompose_ls.types import Trigger

Numbers = NDArray[np.float64]

#: What a glance at a suggestion costs, in characters: about half a second. People keep a tool of whose suggestions,
#: some 25 characters each, they accept 22 % (CodeCompose), so it costs them less than 0.22 * 25 = 5.5.
LOOK = 3.0
#: Strength of the pull towards no weight, in cases.
RIDGE = 1.0
BINS = 10


@dataclass(frozen=True, slots=True)
class Example:
    """A suggestion: what its confidence is made of, whether it was right, and how many characters it would save."""

    project: str
    features: Features
    is_right: bool
    characters: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--model", default="base", help="a name or a folder (base)")
    parser.add_argument("--since", default="2y", help="as `evaluate` takes it (2y)")
    parser.add_argument("--cases", type=int, default=20, help="of each kind, per project, added and hidden (20)")
    args = parser.parse_args()
    examples = asyncio.run(answers(drawn(args.repositories, args.since, cases=args.cases), args.model))
    report(examples)


def drawn(repositories: Sequence[Path], since: str, *, cases: int) -> list[Case]:
    """Return the cases, those of a project one after the other, since it is indexed for them."""
    added = [replay.source for replay in replays(repositories, since, language="python")]
    hidden = [Source(source.workspace, source.workspace.only("python")) for source in added]
    found = [case for sources in (added, hidden) for case in draw(sources, cases=cases * len(sources))]
    found += [block for case in found if (block := block_of(case)) is not None]
    return sorted(found, key=lambda case: case.project.name)


def block_of(case: Case) -> Case | None:
    """Return the case that asks, at the end of its opener, for the whole block that a hidden line begins, if any."""
    before = case.text[: case.offset].rstrip()
    opener = before[before.rfind("\n") + 1 :]
    if case.kind is not Kind.LINE_START or not opens(opener, language=case.language):
        return None
    rest = case.text[case.offset :].split("\n")[1:]
    after = next((number for number, line in enumerate(rest) if line.strip() and width(line) <= width(opener)), None)
    text = before + "\n" + "\n".join(rest[len(rest) if after is None else after :])
    hidden = case.text[len(before) : case.offset] + case.hidden
    return replace(case, text=text, offset=len(before), hidden=hidden)


async def answers(cases: Sequence[Case], model: str) -> list[Example]:
    """Put the cases to the pipeline that serves editors, and note what it judges its confidence by."""
    workspaces, noted, examples = Workspaces(), list[Features](), list[Example]()

    def note(features: Features) -> float:
        noted.append(features)
        return confidence(features)

    prior = prior_of(workspaces.locate)
    with (
        closing(LocalBackend(resolve(model), prior_of=prior)) as backend,
        closing(Pipeline(backend, Settings(), confidence=note)) as pipeline,
    ):
        asker = PipelinePredictor(pipeline, name=model, trigger=Trigger.INVOKED, enter=workspaces.enter)
        for case in track(cases, "asking"):
            asker.prepare(case)
            text = (await asker.predict(case)).text
            if text is not None:
                line = text[: line_end(text)].rstrip()
                is_right = line == case.hidden.rstrip()
                examples.append(Example(case.project.name, noted[-1], is_right, len(line.strip())))
    return examples


def report(examples: Sequence[Example]) -> None:
    """Print how well a fit to the other projects tells each project's right answers, and the fit to all of them."""
    projects = np.array([one.project for one in examples])
    rows, right = design(examples), np.array([one.is_right for one in examples], dtype=np.float64)
    characters = np.array([one.characters for one in examples], dtype=np.float64)
    told = np.zeros(len(examples))
    for project in np.unique(projects):
        others = projects != project
        told[~others] = probabilities(rows[~others], fit(rows[others], right[others]))
    print(f"{len(examples)} suggestions, {right.mean():.3f} of them right; each project by a fit to the others:")
    print(f"Brier {np.mean((told - right) ** 2):.4f}, without features {right.mean() * (1 - right.mean()):.4f}")
    print(f"area under the ROC curve {area(told, right):.3f}")
    print("predicted  observed  n")
    for part in np.array_split(np.argsort(told, kind="stable"), BINS):
        print(f"{told[part].mean():9.3f}  {right[part].mean():8.3f}  {len(part)}")
    thresholds = {"low": 0.5, "balanced": threshold(told, characters), "high": 0.0}
    for name, least in thresholds.items():
        shown = told >= least
        print(f"{name}: shown {shown.mean():.3f}, of them right {right[shown].mean() if shown.any() else 0:.3f}")
    bias, *weights = fit(rows, right)
    print(f"\nBIAS = {bias:.3f}\nWEIGHTS: dict[str, float] = {{")
    for field, value in zip(fields(Features), weights, strict=True):
        print(f'    "{field.name}": {value:.3f},')
    named = ", ".join(f'"{name}": {least:.2f}' for name, least in thresholds.items())
    print(f"}}\nTHRESHOLDS: dict[str, float] = {{{named}}}")


def design(examples: Sequence[Example]) -> Numbers:
    """Return a row of numbers for each example: 1, and its features."""
    return np.array([[1.0, *map(float, asdict(one.features).values())] for one in examples])


def fit(rows: Numbers, right: Numbers) -> Numbers:
    """Return the weights of a logistic regression: Newton's method, with a ridge on the standardised features."""
    scale = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1.0)
    scaled, ridge = rows / scale, np.diag([0.0, *[RIDGE] * (rows.shape[1] - 1)])
    weights = np.zeros(rows.shape[1])
    for _ in range(50):
        told = probabilities(scaled, weights)
        gradient = scaled.T @ (right - told) - ridge @ weights
        curvature = (scaled * (told * (1 - told))[:, None]).T @ scaled + ridge
        weights += np.linalg.solve(curvature, gradient)
    return weights / scale


def probabilities(rows: Numbers, weights: Numbers) -> Numbers:
    told: Numbers = 1 / (1 + np.exp(-(rows @ weights)))
    return told


def threshold(told: Numbers, characters: Numbers) -> float:
    """Return the least confidence that makes most of the characters saved, less what a look at each suggestion costs.

    What is expected is added up, and not what came true, which is a matter of luck among so few.
    """
    order = np.argsort(-told, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum(told[order] * characters[order] - LOOK)])
    best = int(gains.argmax())
    return float(told[order[best - 1]]) if best else 1.0


def area(told: Numbers, right: Numbers) -> float:
    """Return how often a right answer has more confidence than a wrong one, a tie counting half."""
    mine, theirs = told[right == 1][:, None], told[right == 0][None, :]
    return float(np.mean((mine > theirs) + 0.5 * (mine == theirs)))


if __name__ == "__main__":
    main()
