"""From outcomes to figures: a table for people, JSON for machines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from codecompose_ls.evaluation.hidden_lines import Kind
from codecompose_ls.evaluation.metrics import (
    Interval,
    Paired,
    characters_saved,
    edit_similarity,
    is_exact_match,
    mcnemar,
    percentile,
    wilson,
)
from codecompose_ls.evaluation.runner import Outcome

if TYPE_CHECKING:
    from rich.table import Table

#: The language of a row over all of them.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one predictor on one kind of case in one language; `reasons` counts why it was silent."""

    predictor: str
    kind: str
    language: str
    n: int
    exact_match: Interval
    edit_similarity: float
    characters_saved: float
    answered: float
    p50_ms: float
    p95_ms: float
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two predictors on the same cases of one kind."""

    first: str
    second: str
    kind: str
    paired: Paired


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Return a row for each predictor, kind and language, and one over all languages where there are several."""
    groups: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.predictor, outcome.case.kind.value, outcome.case.language].append(outcome)
        groups[outcome.predictor, outcome.case.kind.value, ALL].append(outcome)
    languages = {outcome.case.language for outcome in outcomes}
    return [_row(*key, group) for key, group in groups.items() if len(languages) > 1 or key[2] != ALL]


def _row(predictor: str, kind: str, language: str, outcomes: list[Outcome]) -> Row:
    pairs = [(outcome.text, outcome.case.hidden) for outcome in outcomes]
    latencies = [outcome.latency_ms for outcome in outcomes]
    return Row(
        predictor=predictor,
        kind=kind,
        language=language,
        n=len(pairs),
        exact_match=wilson(sum(is_exact_match(*pair) for pair in pairs), len(pairs)),
        edit_similarity=sum(edit_similarity(*pair) for pair in pairs) / len(pairs),
        characters_saved=characters_saved(pairs),
        answered=sum(text is not None for text, _ in pairs) / len(pairs),
        p50_ms=percentile(latencies, 0.5),
        p95_ms=percentile(latencies, 0.95),
        reasons=dict(Counter(outcome.reason for outcome in outcomes if outcome.text is None).most_common()),
    )


def comparisons(outcomes: Sequence[Outcome]) -> list[Comparison]:
    """Compare every two predictors on the cases that both were asked, kind by kind."""
    hits: dict[str, dict[Any, bool]] = defaultdict(dict)
    for outcome in outcomes:
        hits[outcome.predictor][outcome.case] = is_exact_match(outcome.text, outcome.case.hidden)
    found = []
    for first, second in combinations(hits, 2):
        for kind in Kind:
            cases = [case for case in hits[first] if case in hits[second] and case.kind is kind]
            paired = mcnemar([hits[first][case] for case in cases], [hits[second][case] for case in cases])
            found.append(Comparison(first, second, kind.value, paired))
    return [comparison for comparison in found if comparison.paired.n]


def table(figures: Sequence[Row]) -> Table:
    """Lay the rows out for a terminal of 100 columns."""
    from rich import box
    from rich.table import Table

    laid = Table(title="hidden lines (exact_match with its 95 % interval)", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("predictor", "kind", "language"):
        laid.add_column(heading, no_wrap=heading != "predictor")
    for heading in ("n", "exact match", "edit similarity", "characters saved", "answered", "p50 ms", "p95 ms"):
        laid.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True)
    for row in figures:
        exact = f"{row.exact_match.value:.3f} \\[{row.exact_match.low:.3f}, {row.exact_match.high:.3f}]"
        shares = (f"{share:.3f}" for share in (row.edit_similarity, row.characters_saved, row.answered))
        latencies = (f"{latency_ms:.0f}" for latency_ms in (row.p50_ms, row.p95_ms))
        laid.add_row(row.predictor, row.kind, row.language, str(row.n), exact, *shares, *latencies)
    return laid


def sentence(comparison: Comparison) -> str:
    """Say a comparison in one line."""
    paired = comparison.paired
    return (
        f"{comparison.kind}: {comparison.first} alone right {paired.only_first}, {comparison.second} alone right "
        f"{paired.only_second} of {paired.n} (McNemar exact, p = {paired.p_value:.2g})"
    )


def as_json(outcomes: Sequence[Outcome], *, conditions: dict[str, Any]) -> dict[str, Any]:
    """Return the figures, and under which conditions they were taken."""
    return {
        "conditions": conditions,
        "rows": [asdict(row) for row in rows(outcomes)],
        "comparisons": [asdict(comparison) for comparison in comparisons(outcomes)],
    }
