"""What the strategies take and change: parameters, loss and compute, weights by block (P-07, P-08, P-16)."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, median

from codecompose_ls.evaluation.study.cell import Part, Tuning
from codecompose_ls.evaluation.study.results import Study
from codecompose_ls.evaluation.study.table import Column, Kind, Table, Value, columns


def parameters(study: Study) -> Table:
    """P-07: how many parameters each strategy trains, counted."""
    return Table(
        "parameters",
        "P-07",
        "Trainable parameters",
        (
            *columns(Kind.TEXT, ("model", "strategy")),
            *columns(Kind.COUNT, ("total", "trained")),
            Column("percent", digits=1),
        ),
        tuple((one.model, one.strategy, one.total, one.trained, one.percent) for one in study.parameters),
        "Counted on the models. PEFT's prefix stands before the decoder's blocks alone of an encoder-decoder.",
    )


def cost(study: Study) -> Table:
    """P-16 in numbers: what tuning took and what came of it, means over projects and folds."""
    rows: list[tuple[Value, ...]] = []
    for name, runs in tunings(study).items():
        reached = [one.best.loss for one in runs]
        rows.append(
            (
                name,
                len(runs),
                fmean(one.curve[0].loss for one in runs),
                fmean(reached),
                fmean(one.tokens for one in runs),
                fmean(one.steps for one in runs),
                fmean(one.pf_seconds for one in runs),
                fmean(one.best.pf_seconds for one in runs),
                fmean(one.seconds for one in runs),
                sum(one.stopped == "patience" for one in runs),
            )
        )
    return Table(
        "cost",
        "P-16",
        "Validation loss and compute",
        (
            Column("strategy", Kind.TEXT),
            Column("models", Kind.COUNT),
            *columns(Kind.NUMBER, ("loss of the base", "best loss"), digits=3),
            *columns(Kind.COUNT, ("tokens", "steps")),
            *columns(Kind.NUMBER, ("PF-s", "PF-s to the best"), digits=5),
            Column("seconds", Kind.COUNT),
            Column("stopped early", Kind.COUNT),
        ),
        tuple(rows),
        "Means over projects and folds; loss in nats a token of the validation fold. A PF-s is 10^15 floating-point "
        "operations, counted by torch, so what frozen layers spare is seen; validation is not in it.",
    )


def tunings(study: Study) -> dict[str, list[Tuning]]:
    """Return the runs of each strategy."""
    found: dict[str, list[Tuning]] = defaultdict(list)
    for one in study.of(Part.STRATEGIES):
        if one.tuning is not None:
            found[one.cell.strategy].append(one.tuning)
    return dict(found)


def changes(study: Study) -> dict[tuple[str, int], list[float]]:
    """Return the mean absolute change of each block, by stack and number, a value for each model tuned as a whole."""
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for runs in tunings(study).values():
        for run in runs:
            for stack, index, change in run.changes:
                found[stack, index].append(change)
    return dict(found)


def change_table(study: Study) -> Table:
    """P-08: mean absolute change by block after tuning every weight."""
    rows = [
        (_block(stack, index), len(found), fmean(found), median(found), min(found), max(found))
        for (stack, index), found in changes(study).items()
    ]
    return Table(
        "changes",
        "P-08",
        "Mean absolute change by block",
        (
            Column("block", Kind.TEXT),
            Column("models", Kind.COUNT),
            *columns(Kind.NUMBER, ("mean", "median", "least", "most"), digits=6),
        ),
        tuple(rows),
        "Mean of |tuned - base| over a block's weights, of the models whose every weight was trained.",
    )


def _block(stack: str, index: int) -> str:
    return f"({stack}, {index})"
