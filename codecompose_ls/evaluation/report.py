"""From outcomes to figures: rows by group, comparisons of predictors, a table for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations, product
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from codecompose_ls.evaluation import bleu
from codecompose_ls.evaluation.coverage import at_coverage, brier, precision_coverage
from codecompose_ls.evaluation.metrics import Sums, bootstrap, holm, mcnemar, percentile, wilson
from codecompose_ls.evaluation.results import ALL, Outcome, Pair, Results, Row

if TYPE_CHECKING:
    from rich.table import Table

#: Shares of the cases for which `precision` is said.
COVERAGES = (0.1, 0.25, 0.5)
#: Columns of the sums by file.
_CASES, _SIMILARITY, _SAVED, _CHARS, _TOKENS, _LOGPROB, _SCORED_CHARS = range(7)


def results(outcomes: Sequence[Outcome], *, conditions: dict[str, Any]) -> Results:
    """Return all that the outcomes say, and under which conditions they were taken."""
    return Results(conditions, tuple(rows(outcomes)), tuple(comparisons(outcomes)), tuple(outcomes))


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Return a row for each predictor, project, kind and language, and one over all wherever there are several."""
    groups: dict[tuple[str, str, str, str], list[Outcome]] = defaultdict(list)
    several = [len({getattr(outcome, name) for outcome in outcomes}) > 1 for name in ("project", "kind", "language")]
    for outcome in outcomes:
        values = (outcome.project, outcome.kind, outcome.language)
        names = [(ALL, value) if many else (value,) for value, many in zip(values, several, strict=True)]
        for project, kind, language in product(*names):
            groups[outcome.predictor, project, kind, language].append(outcome)
    return [_row(*key, group) for key, group in groups.items()]


def _row(predictor: str, project: str, kind: str, language: str, outcomes: list[Outcome]) -> Row:
    similarity, saved, perplexity, bits = bootstrap(
        _sums_by_file(outcomes), _edit_similarity, _characters_saved, _perplexity, _bits_per_character
    )
    scored = any(outcome.tokens for outcome in outcomes)
    statistics = [outcome.bleu for outcome in outcomes if outcome.bleu is not None]
    latencies = [outcome.latency_ms for outcome in outcomes]
    passed = [outcome.passed for outcome in outcomes if outcome.passed is not None]
    return Row(
        predictor=predictor,
        project=project,
        kind=kind,
        language=language,
        n=len(outcomes),
        exact_match=wilson(sum(outcome.hit for outcome in outcomes), len(outcomes)),
        edit_similarity=similarity,
        characters_saved=saved,
        answered=wilson(sum(outcome.answered for outcome in outcomes), len(outcomes)),
        bleu=bleu.corpus_bleu(statistics) if len(statistics) == len(outcomes) else None,
        perplexity=perplexity if scored else None,
        bits_per_character=bits if scored else None,
        p50_ms=percentile(latencies, 0.5),
        p95_ms=percentile(latencies, 0.95),
        reasons=dict(Counter(outcome.reason for outcome in outcomes if not outcome.answered).most_common()),
        pass_at_1=wilson(sum(passed), len(passed)) if passed else None,
        brier=brier(outcomes),
    )


def _sums_by_file(outcomes: Sequence[Outcome]) -> Sums:
    """Add up by file what the figures are made of, since the cases of a file resemble each other."""
    sums: dict[tuple[str, str], Sums] = defaultdict(lambda: np.zeros(7))
    for one in outcomes:
        saved = one.hidden_chars if one.hit else 0
        scored = (one.tokens, one.logprob, one.hidden_chars) if one.tokens and one.logprob is not None else (0, 0, 0)
        sums[one.project, one.path_hash] += (1, one.edit_similarity, saved, one.hidden_chars, *scored)
    return np.array(list(sums.values()))


def _edit_similarity(sums: Sums) -> Sums:
    return _ratio(sums, _SIMILARITY, _CASES)


def _characters_saved(sums: Sums) -> Sums:
    return _ratio(sums, _SAVED, _CHARS)


def _perplexity(sums: Sums) -> Sums:
    values: Sums = np.exp(-_ratio(sums, _LOGPROB, _TOKENS))
    return values


def _bits_per_character(sums: Sums) -> Sums:
    return -_ratio(sums, _LOGPROB, _SCORED_CHARS) / log(2)


def _ratio(sums: Sums, part: int, whole: int) -> Sums:
    ratio: Sums = sums[..., part] / np.maximum(sums[..., whole], 1)
    return ratio


def comparisons(outcomes: Sequence[Outcome]) -> list[Pair]:
    """Compare every two predictors on the cases that both were asked, kind by kind and over all kinds."""
    hits: dict[str, dict[str, bool]] = defaultdict(dict)
    kinds: dict[str, str] = {}
    for outcome in outcomes:
        hits[outcome.predictor][outcome.case] = outcome.hit
        kinds[outcome.case] = outcome.kind
    several = len(set(kinds.values())) > 1
    found: list[Pair] = []
    for kind in (*((ALL,) if several else ()), *sorted(set(kinds.values()))):
        found += _compared(hits, kind, [case for case, of in kinds.items() if kind in (ALL, of)])
    return found


def _compared(hits: dict[str, dict[str, bool]], kind: str, cases: Sequence[str]) -> list[Pair]:
    pairs = list(combinations(hits, 2))
    tests = []
    for first, second in pairs:
        both = [case for case in cases if case in hits[first] and case in hits[second]]
        tests.append(mcnemar([hits[first][case] for case in both], [hits[second][case] for case in both]))
    corrected = holm([test.p_value for test in tests])
    return [
        Pair(*pair, kind, test.n, test.only_first, test.only_second, test.p_value, p_holm)
        for pair, test, p_holm in zip(pairs, tests, corrected, strict=True)
    ]


def table(figures: Sequence[Row]) -> Table:
    """Lay the rows out for a terminal of 130 columns; of single projects, among several, only what is over all else."""
    from rich import box
    from rich.table import Table

    several = len({row.project for row in figures}) > 1
    laid = Table(title="hidden lines (exact_match with its 95 % interval)", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("predictor", *(("project",) if several else ()), "kind", "language"):
        laid.add_column(
            heading, no_wrap=heading not in ("predictor", "project"), min_width=len(heading), overflow="fold"
        )
    headings = ("n", "exact match", "edit similarity", "characters saved", "BLEU", "perplexity", "answered")
    for heading in (*headings, "p50 ms", "p95 ms"):
        laid.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True)
    single = [row for row in _widest(figures) if row.project != ALL]
    kept = [*(row for row in figures if row.project == ALL), *single] if several else figures
    for row in sorted(kept, key=lambda row: (row.project != ALL, row.project, row.kind, row.language)):
        laid.add_row(row.predictor, *((row.project,) if several else ()), row.kind, row.language, *_cells(row))
    return laid


def _widest(figures: Sequence[Row]) -> list[Row]:
    """Return for each predictor and project the one row that holds all its cases."""
    found: dict[tuple[str, str], Row] = {}
    for row in figures:
        other = found.get((row.predictor, row.project))
        if other is None or _width(row) > _width(other):
            found[row.predictor, row.project] = row
    return list(found.values())


def _width(row: Row) -> tuple[int, int]:
    return row.n, (row.kind, row.language).count(ALL)


def _cells(row: Row) -> list[str]:
    exact = f"{row.exact_match.value:.3f} \\[{row.exact_match.low:.3f}, {row.exact_match.high:.3f}]"
    shares = [f"{interval.value:.3f}" for interval in (row.edit_similarity, row.characters_saved)]
    blue = "" if row.bleu is None else f"{row.bleu:.1f}"
    perplexity = "" if row.perplexity is None else f"{row.perplexity.value:.2f}"
    latencies = [f"{latency_ms:.0f}" for latency_ms in (row.p50_ms, row.p95_ms)]
    return [str(row.n), exact, *shares, blue, perplexity, f"{row.answered.value:.3f}", *latencies]


def precision(outcomes: Sequence[Outcome]) -> list[str]:
    """Say in a line for each predictor with confidences how often what it is surest of is right."""
    predictors: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        predictors[outcome.predictor].append(outcome)
    lines = []
    for name, theirs in predictors.items():
        points = precision_coverage(theirs)
        found = [(share, point) for share in COVERAGES if (point := at_coverage(points, share)) is not None]
        if found:
            shares = ", ".join(f"{point.precision.value:.3f} at {share:.0%}" for share, point in found)
            lines.append(f"{name}: precision {shares} coverage (Brier score {brier(theirs):.3f})")
    return lines


def sentence(comparison: Pair) -> str:
    """Say a comparison in one line."""
    kind = "all kinds" if comparison.kind == ALL else comparison.kind
    return (
        f"{kind}: {comparison.first} alone right {comparison.only_first}, {comparison.second} alone right "
        f"{comparison.only_second} of {comparison.n} "
        f"(McNemar exact, p = {comparison.p_value:.2g}, Holm {comparison.p_holm:.2g})"
    )
