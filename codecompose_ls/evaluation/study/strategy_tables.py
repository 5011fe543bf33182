"""The tables of the personalised models: quality, significance, matches, style, cost, change (P-07 to P-16)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from codecompose_ls.evaluation.metrics import percentile, wilson
from codecompose_ls.evaluation.study.cell import Asked, Part, Tuning
from codecompose_ls.evaluation.study.results import Study, bleu4, over_folds, perplexity
from codecompose_ls.evaluation.study.significance import PairTest, kruskal_wallis, least_p
from codecompose_ls.evaluation.study.style import cosines
from codecompose_ls.evaluation.study.table import Column, Kind, Table, Value, columns

Figure = Callable[[list[Asked]], "float | None"]
#: What is compared between strategies: its name here, as it is written, and how it is computed.
FIGURES: tuple[tuple[str, str, Figure], ...] = (("bleu4", "BLEU4", bleu4), ("perplexity", "perplexity", perplexity))


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


def quality(study: Study) -> Table:
    """P-11: BLEU4 and perplexity by project, means over folds, and their averages."""
    names = study.strategies
    rows: list[tuple[Value, ...]] = []
    for project in study.names:
        folds = {name: study.at(project, name) for name in names}
        n = sum(len(fold.asked) for fold in folds[names[0]])
        rows.append((project, n, *(over_folds(folds[name], figure) for *_, figure in FIGURES for name in names)))
    average = [_mean([row[place] for row in rows]) for place in range(2, len(rows[0]))]
    rows.append(("average", sum(int(row[1] or 0) for row in rows), *average))
    return Table(
        "quality",
        "P-11",
        "BLEU4 and perplexity by project",
        (
            Column("project", Kind.TEXT),
            Column("n", Kind.COUNT),
            *(Column(f"{written} {name}", digits=2) for _, written, _ in FIGURES for name in names),
        ),
        tuple(rows),
        "BLEU4 of the likeliest line, 0 to 100; perplexity per token of the hidden text. Means over the test folds; n "
        "is how many lines were hidden. The average is over projects.",
    )


def values(study: Study, figure: Figure) -> dict[str, list[float]]:
    """Return the projects' values of a figure for each strategy; a project without a value is left out everywhere."""
    found: dict[str, list[float]] = {name: [] for name in study.strategies}
    for project in study.names:
        row = {name: over_folds(study.at(project, name), figure) for name in study.strategies}
        for name, value in row.items():
            if value is not None and None not in row.values():
                found[name].append(value)
    return found


def significance(study: Study) -> Table:
    """P-12: Kruskal-Wallis on every pair, with effect size and Holm's correction beside it."""
    rows: list[tuple[Value, ...]] = []
    tests: list[PairTest] = []
    for _, written, figure in FIGURES:
        tests = kruskal_wallis(values(study, figure))
        for test in tests:
            pair = (written, test.first, test.second)
            rows.append((*pair, test.n, test.h, test.p_value, test.epsilon_squared, test.p_holm))
    return Table(
        "significance",
        "P-12",
        "Are the strategies different?",
        (
            *columns(Kind.TEXT, ("figure", "A", "B")),
            Column("n", Kind.COUNT),
            Column("H"),
            Column("p", Kind.P_VALUE),
            Column("epsilon squared"),
            Column("p (Holm)", Kind.P_VALUE),
        ),
        tuple(rows),
        "Kruskal-Wallis (scipy, two-sided as a chi-squared test is) on one value a project and strategy, n in both "
        "together. Epsilon squared is H / (n - 1), the share of the ranks' variance that the pair explains. Holm's "
        f"correction is over all pairs of a figure. So few values cannot give a p below {least_p(tests[0].n):.2g}.",
    )


def p_values(study: Study) -> Iterator[Table]:
    """Yield P-12 as the seed prints it: one square of p-values a figure."""
    for name, written, figure in FIGURES:
        tests = {frozenset((test.first, test.second)): test.p_value for test in kruskal_wallis(values(study, figure))}
        rows = [
            (first, *(tests.get(frozenset((first, second))) for second in study.strategies))
            for first in study.strategies
        ]
        yield Table(
            f"p_values_{name}",
            "P-12",
            f"p-values, {written}",
            (Column("", Kind.TEXT), *columns(Kind.P_VALUE, study.strategies)),
            tuple(rows),
            "Kruskal-Wallis on every pair, not corrected for their number.",
        )


def matches(study: Study) -> Table:
    """P-13 and P-14: perfect and abstracted matches among the k likeliest lines."""
    depth = int(study.conditions["candidates"])
    rows = [(name, *_matched(study.asked(name), depth)) for name in study.strategies]
    return Table(
        "matches",
        "P-13, P-14",
        "Perfect and abstracted matches among the top k",
        (
            Column("strategy", Kind.TEXT),
            Column("n", Kind.COUNT),
            *columns(Kind.SHARE, [f"perfect {k}" for k in range(1, depth + 1)]),
            *columns(Kind.SHARE, ("low", "high")),
            Column("n abstracted", Kind.COUNT),
            *columns(Kind.SHARE, [f"abstracted {k}" for k in range(1, depth + 1)]),
        ),
        tuple(rows),
        "Shares of the hidden lines of all projects with a match among the first k beams; low and high are Wilson's "
        "95 % interval of the first. Spacing does not count, but indentation in Python does. Abstracted: names and "
        "literals masked by what they are (variable, method, type, string, number), where we have a grammar.",
    )


def _matched(asked: Sequence[Asked], depth: int) -> list[Value]:
    n, abstracted = len(asked), [one for one in asked if one.is_abstracted]
    perfect = _top([one.perfect for one in asked], depth)
    first = wilson(sum(one.perfect == 1 for one in asked), n)
    masked = _top([one.abstracted for one in abstracted], depth)
    return [n, *perfect, first.low, first.high, len(abstracted), *masked]


def _top(ranks: Sequence[int | None], depth: int) -> list[float | None]:
    """Return the shares of the ranks that are at most 1, 2, ... `depth`; None where there are no ranks."""
    hits = [sum(rank is not None and rank <= k for rank in ranks) for k in range(1, depth + 1)]
    return [count / len(ranks) if ranks else None for count in hits]


def style_of(study: Study, strategy: str) -> list[float]:
    """Return the cosines of the identifiers, a value for each file of each test fold."""
    found: list[float] = []
    for project in study.names:
        for fold in study.at(project, strategy):
            mine: dict[str, list[str]] = defaultdict(list)
            theirs: dict[str, list[str]] = defaultdict(list)
            for one in fold.asked:
                mine[one.path_hash] += one.developer
                theirs[one.path_hash] += one.generated
            found += cosines(list(mine.values()), list(theirs.values()))
    return found


def style(study: Study) -> Table:
    """P-15: how alike the identifiers are that developer and model choose."""
    rows: list[tuple[Value, ...]] = []
    for name in study.strategies:
        found = style_of(study, name)
        quartiles = [percentile(found, share) if found else None for share in (0.25, 0.5, 0.75)]
        rows.append((name, len(found), fmean(found) if found else None, *quartiles))
    return Table(
        "style",
        "P-15",
        "Coding style",
        (
            Column("strategy", Kind.TEXT),
            Column("files", Kind.COUNT),
            *columns(Kind.NUMBER, ("mean", "first quartile", "median", "third quartile")),
        ),
        tuple(rows),
        "Cosine of the tf-idf vectors of the identifiers (variables and functions) in a file's hidden lines and in "
        "what was generated for them; document frequencies are of the developer's lines of the project's test fold.",
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
            *columns(Kind.NUMBER, ("PF-s", "PF-s to the best"), digits=3),
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


def _mean(found: Sequence[Value]) -> float | None:
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    return fmean(numbers) if numbers else None
