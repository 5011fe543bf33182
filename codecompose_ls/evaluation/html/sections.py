"""The sections of a report, each from a view of the results; None where there is nothing to say.

Every figure has its numbers as a table below it. The names of the figures are those of docs/metrics.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from xml.etree.ElementTree import Element

from codecompose_ls.evaluation.coverage import Point, at_threshold, precision_coverage
from codecompose_ls.evaluation.html import charts
from codecompose_ls.evaluation.html.charts import Curve, Estimate
from codecompose_ls.evaluation.html.markup import Child, element
from codecompose_ls.evaluation.html.parts import figure, folded, section
from codecompose_ls.evaluation.html.tables import (
    bracketed,
    definition_list,
    interval,
    laid_out,
    number,
    p_value,
    share,
)
from codecompose_ls.evaluation.html.view import View
from codecompose_ls.evaluation.metrics import percentile
from codecompose_ls.evaluation.results import ALL, Outcome, Pair, Row

#: Below this Holm-corrected p-value a difference is called one.
SIGNIFICANT = 0.05
#: The precision of fewer suggestions is noise, and not drawn.
LEAST_SHOWN = 10
#: Points of a curve; more are not seen.
_POINTS = 150
_PERCENTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
_THRESHOLDS = tuple(place / 10 for place in range(10))


def _summary(view: View) -> Element:
    heads = ("", "n", "exact match", "edit similarity", "characters saved", "answered", "pass@1", "BLEU", "perplexity")
    rows = [
        (
            _key(view, row.predictor),
            f"{row.n:,}",
            interval(row.exact_match),
            interval(row.edit_similarity),
            interval(row.characters_saved),
            interval(row.answered),
            interval(row.pass_at_1) if row.pass_at_1 else None,
            number(row.bleu),
            number(row.perplexity.value if row.perplexity else None),
        )
        for row in view.overall
    ]
    note = "Shares with their 95 % intervals. Silence counts as a miss."
    return section("In all", laid_out(heads, rows), element("p", note, class_="note"))


def _by_project(view: View) -> Element:
    groups = [
        (f"{_project(name)} ({max(row.n for row in rows):,})", [_estimate(view, row) for row in rows])
        for name, rows in view.by_project.items()
    ]
    highest = max(row.exact_match.high for rows in view.by_project.values() for row in rows)
    chart = charts.intervals(groups, charts.share_axis("exact match", high=highest), title="Exact match by project")
    heads = ("project", "predictor", "n", "exact match", "characters saved", "edit similarity")
    figures = [
        (_project(name), row.predictor, f"{row.n:,}", *_shares(row))
        for name, rows in view.by_project.items()
        for row in rows
    ]
    caption = "Share of places completed exactly, with 95 % intervals; in brackets, how many were asked for."
    return section("Exact match by project", figure(chart, caption, laid_out(heads, figures)))


def _estimate(view: View, row: Row) -> Estimate:
    series = view.series(row.predictor)
    return Estimate(series, row.predictor, row.exact_match, bracketed(row.exact_match))


def _by_group(view: View) -> Element:
    groups: dict[tuple[str, str], dict[str, Row]] = {}
    for row in view.over_projects:
        groups.setdefault((row.kind, row.language), {})[row.predictor] = row
    names = view.predictors
    matches = [
        (*map(_name, group), f"{max(row.n for row in found.values()):,}", *(_exact(found.get(name)) for name in names))
        for group, found in groups.items()
    ]
    heads = ("kind", "language", "predictor", "n", "exact match", "characters saved", "edit similarity", "answered")
    figures = [
        (_name(row.kind), _name(row.language), row.predictor, f"{row.n:,}", *_shares(row), interval(row.answered))
        for row in view.over_projects
    ]
    return section(
        "Exact match by kind and language",
        laid_out(("kind", "language", "n", *names), matches),
        folded("The other figures", laid_out(heads, figures)),
    )


def _exact(row: Row | None) -> list[Child] | None:
    return interval(row.exact_match) if row is not None else None


def _comparisons(view: View) -> Element | None:
    shown, by_kind = view.comparisons()
    if not shown:
        return None
    note = (
        "McNemar's exact test (two-sided) on the cases where one alone is right. A − B is the difference of the shares "
        f"in percentage points. One is called better where p, corrected by Holm, is below {SIGNIFICANT}."
    )
    return section(
        "Paired comparisons",
        _compared(shown),
        element("p", note, class_="note"),
        folded("By kind", _compared(by_kind)) if by_kind else None,
    )


def _compared(comparisons: Sequence[Pair]) -> Element:
    heads = ("A", "B", "kind", "n", "A alone right", "B alone right", "A − B", "p", "p (Holm)", "better")
    rows = [
        (
            one.first,
            one.second,
            None if one.kind == ALL else _name(one.kind),
            f"{one.n:,}",
            f"{one.only_first:,}",
            f"{one.only_second:,}",
            f"{100 * (one.only_first - one.only_second) / max(1, one.n):+.1f}".replace("-", "−"),
            p_value(one.p_value),
            p_value(one.p_holm),
            _verdict(one),
        )
        for one in comparisons
    ]
    return laid_out(heads, rows)


def _verdict(one: Pair) -> str:
    if one.p_holm >= SIGNIFICANT:
        return "not shown"
    return "A" if one.only_first > one.only_second else "B"


def _precision(view: View) -> Element | None:
    found = {name: precision_coverage(outcomes) for name, outcomes in view.outcomes.items()}
    found = {name: points for name, points in found.items() if points and points[-1].shown >= LEAST_SHOWN}
    if not found:
        return None
    lines = [_precision_curve(view.series(name), points) for name, points in found.items()]
    chart = charts.curves(
        lines,
        charts.share_axis("share of cases with a suggestion shown (coverage)"),
        charts.share_axis("right among shown (precision)"),
        title="Precision against coverage",
    )
    rows = [
        (name, f"{threshold:.1f}", f"{point.shown:,}", share(point.coverage), interval(point.precision))
        for name, points in found.items()
        for threshold in _THRESHOLDS
        if (point := at_threshold(points, threshold)) is not None
    ]
    table = laid_out(("predictor", "confidence at least", "shown", "coverage", "precision"), rows, texts=1)
    caption = (
        "From left to right, less and less confidence is asked for before a suggestion is shown. Bands are 95 % "
        f"intervals; fewer than {LEAST_SHOWN} suggestions are not drawn."
    )
    return section("When to stay silent", _legend(view, found), figure(chart, caption, table))


def _precision_curve(series: int, points: Sequence[Point]) -> Curve:
    drawn = _thinned([point for point in points if point.shown >= LEAST_SHOWN])
    line = [(point.coverage, point.precision.value) for point in drawn]
    return Curve(series, line, [(point.coverage, point.precision.low, point.precision.high) for point in drawn])


def _answers(view: View) -> Element:
    counts = {name: _fates(outcomes) for name, outcomes in view.outcomes.items()}
    bars = []
    for name, fates in counts.items():
        silent = sum(count for fate, count in fates.items() if fate not in ("right", "not right"))
        bars.append((name, [("right", fates["right"]), ("wrong", fates["not right"]), ("silent", silent)]))
    chart = charts.stacks(bars, title="What came of the requests")
    rows = [
        (name, fate, f"{count:,}", share(count / fates.total()))
        for name, fates in counts.items()
        for fate, count in sorted(fates.items(), key=lambda item: (item[0] not in ("right", "not right"), -item[1]))
    ]
    labels = (("right", "exactly right"), ("wrong", "not exactly right"), ("silent", "silent"))
    legend = element("ul", [element("li", _swatch(name), label) for name, label in labels], class_="legend")
    caption = "Of all requests: completed exactly, completed otherwise, or left alone; the table gives the reasons."
    table = laid_out(("predictor", "outcome", "n", "share"), rows, texts=2)
    return section("Answers and silence", legend, figure(chart, caption, table))


def _fates(outcomes: Sequence[Outcome]) -> Counter[str]:
    return Counter(
        f"silent: {one.reason or 'no reason'}" if not one.answered else "right" if one.hit else "not right"
        for one in outcomes
    )


def _latency(view: View) -> Element:
    latencies = {name: sorted(one.latency_ms for one in found) for name, found in view.outcomes.items()}
    lowest = min(percentile(values, 0.01) for values in latencies.values())
    highest = max(percentile(values, 0.99) for values in latencies.values())
    lines = [Curve(number, _cumulated(values)) for number, values in enumerate(latencies.values())]
    x, y = charts.time_axis("latency", low=lowest, high=highest), charts.share_axis("requests answered by then")
    chart = charts.curves(lines, x, y, title="Latency", height=260)
    rows = [
        (name, *(number(percentile(values, at)) for at in _PERCENTILES), number(values[-1]))
        for name, values in latencies.items()
    ]
    table = laid_out(("ms", *(f"p{100 * at:.0f}" for at in _PERCENTILES), "longest"), rows, texts=1)
    caption = "Cold, since consecutive cases share nothing: while typing, most answers come sooner."
    return section("Latency", _legend(view, latencies), figure(chart, caption, table))


def _cumulated(values: Sequence[float]) -> list[tuple[float, float]]:
    return [(percentile(values, at / _POINTS), at / _POINTS) for at in range(_POINTS + 1)]


def _conditions(view: View) -> Element:
    conditions = dict(view.results.conditions)
    heads = ("project", "known up to", "commit", "asked for up to", "commit", "lines added", "lines asked for")
    rows = [
        (
            name,
            one["since_date"][:10],
            one["since"][:10],
            one["head_date"][:10],
            one["head"][:10],
            one["added"],
            one["asked"],
        )
        for name, one in (conditions.pop("history", None) or {}).items()
    ]
    return section(
        "Conditions",
        element("p", "What it takes to take the same figures; docs/metrics.md defines them.", class_="note"),
        laid_out(heads, rows, texts=5) if rows else None,
        definition_list(conditions),
    )


def _legend(view: View, names: Iterable[str]) -> Element:
    return element("ul", [element("li", _key(view, name)) for name in names], class_="legend")


def _key(view: View, predictor: str) -> list[Child]:
    """Return a predictor's mark and its name."""
    chart = charts.mark(view.series(predictor), 6, 6)
    return [element("svg", chart, viewBox="0 0 12 12", class_="key", aria_hidden="true"), predictor]


def _swatch(name: str) -> Element:
    return element("span", class_=f"swatch {name}")


def _shares(row: Row) -> list[list[Child]]:
    return [interval(value) for value in (row.exact_match, row.characters_saved, row.edit_similarity)]


def _name(name: str) -> str:
    """Return the name of a group as people read it."""
    return name.replace("_", " ")


def _project(name: str) -> str:
    return "All projects" if name == ALL else name


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most some `_POINTS` of the points, the last among them."""
    step = max(1, len(points) // _POINTS)
    return [*points[:-1:step], points[-1]]


#: In the order of the page.
SECTIONS: tuple[Callable[[View], Element | None], ...] = (
    _summary,
    _by_project,
    _by_group,
    _comparisons,
    _precision,
    _answers,
    _latency,
    _conditions,
)
