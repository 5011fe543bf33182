"""What the strategies are worth: BLEU4 and perplexity, significance, matches, coding style (P-11 to P-15)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean

from codecompose_ls.evaluation.metrics import percentile, wilson
from codecompose_ls.evaluation.study.cell import Asked
from codecompose_ls.evaluation.study.results import Study, bleu4, over_folds, perplexity
from codecompose_ls.evaluation.study.significance import PairTest, kruskal_wallis, least_p
from codecompose_ls.evaluation.study.style import cosines
from codecompose_ls.evaluation.study.table import Column, Kind, Table, Value, columns

Figure = Callable[[list[Asked]], "float | None"]
_EXPLAINED = {
    "bleu4": "BLEU4 of the likeliest line, 0 to 100.",
    "perplexity": "Perplexity per token of the hidden text.",
}
#: What is compared between strategies: its name here, as it is written, and how it is computed.
FIGURES: tuple[tuple[str, str, Figure], ...] = (("bleu4", "BLEU4", bleu4), ("perplexity", "perplexity", perplexity))


def quality(study: Study) -> Iterator[Table]:
    """Yield P-11: BLEU4 and perplexity by project, means over folds, and their averages over projects."""
    for name, written, figure in FIGURES:
        yield Table(
            name,
            "P-11",
            f"{written[0].upper()}{written[1:]} by project",
            (Column("project", Kind.TEXT), Column("n", Kind.COUNT), *columns(Kind.NUMBER, study.strategies)),
            tuple(_by_project(study, figure)),
            f"{_EXPLAINED[name]} Means over test folds; n is how many lines were hidden. The average is over projects.",
        )


def _by_project(study: Study, figure: Figure) -> Iterator[tuple[Value, ...]]:
    found: list[list[float | None]] = []
    total = 0
    for project in study.names:
        folds = [study.at(project, name) for name in study.strategies]
        n = sum(len(fold.asked) for fold in folds[0])
        found.append([over_folds(one, figure) for one in folds])
        total += n
        yield (project, n, *found[-1])
    yield ("average", total, *(_mean(column) for column in zip(*found, strict=True)))


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


def matches(study: Study) -> Iterator[Table]:
    """Yield P-13 and P-14: perfect and abstracted matches among the k likeliest lines."""
    depth = int(study.conditions["candidates"])
    asked = {name: study.asked(name) for name in study.strategies}
    perfect = {name: [one.perfect for one in found] for name, found in asked.items()}
    abstracted = {name: [one.abstracted for one in found if one.is_abstracted] for name, found in asked.items()}
    yield _matches(
        perfect,
        depth,
        name="perfect_matches",
        id="P-13",
        title="Perfect matches among the top k",
        note="Spacing does not count, but indentation in Python does.",
    )
    yield _matches(
        abstracted,
        depth,
        name="abstracted_matches",
        id="P-14",
        title="Abstracted matches among the top k",
        note="Names and literals are masked by what they are (variable, method, type, string, number), in languages "
        "whose grammar we have.",
    )


def _matches(
    ranks: Mapping[str, Sequence[int | None]], depth: int, *, name: str, id: str, title: str, note: str
) -> Table:
    rows: list[tuple[Value, ...]] = []
    for strategy, found in ranks.items():
        first = wilson(sum(rank == 1 for rank in found), len(found))
        rows.append((strategy, len(found), *_top(found, depth), first.low, first.high))
    return Table(
        name,
        id,
        title,
        (
            Column("strategy", Kind.TEXT),
            Column("n", Kind.COUNT),
            *columns(Kind.SHARE, [f"top {k}" for k in range(1, depth + 1)]),
            *columns(Kind.SHARE, ("top 1 from", "to")),
        ),
        tuple(rows),
        "Shares of the hidden lines of all projects with a match among the first k beams; from and to are Wilson's "
        f"95 % interval. {note}",
    )


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


def _mean(found: Sequence[Value]) -> float | None:
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    return fmean(numbers) if numbers else None
