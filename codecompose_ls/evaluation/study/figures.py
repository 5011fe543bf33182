"""The figures of a study, as SVG with the charts of the reports. A strategy has one colour in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp
from statistics import fmean
from xml.etree.ElementTree import Element

from codecompose_ls.evaluation.html import charts
from codecompose_ls.evaluation.html.charts import Curve, Estimate
from codecompose_ls.evaluation.html.heat_map import heat_map
from codecompose_ls.evaluation.metrics import Interval
from codecompose_ls.evaluation.study.cell import Tuning
from codecompose_ls.evaluation.study.cost_tables import changes, tunings
from codecompose_ls.evaluation.study.language_tables import arms, language_name
from codecompose_ls.evaluation.study.quality_tables import style_of
from codecompose_ls.evaluation.study.results import Study

#: Points at which the mean of the loss curves is taken, evenly on the logarithmic axis.
_POINTS = 60


@dataclass(frozen=True, slots=True)
class Figure:
    """`table` names the table with its numbers; `series` are the names of the colours that it uses, in their order."""

    name: str
    table: str
    chart: Element
    caption: str
    series: tuple[tuple[int, str], ...] = ()


def figures(study: Study) -> Iterator[Figure]:
    """Yield the figures for which there are numbers."""
    for figure in (shared_tokens(study), styles(study), losses(study), moved(study), new_language(study)):
        if figure is not None:
            yield figure


def shared_tokens(study: Study) -> Figure | None:
    """P-01: the heat map of shared tokens."""
    if len(study.shared.projects) < 2:
        return None
    chart = heat_map(study.shared.projects, study.shared.ratios, title="Shared tokens")
    caption = (
        "Share of the row's distinct tokens that the column has, too: blue low, red high. Projects ascend by their "
        "number of distinct tokens, the columns in the order of the rows."
    )
    return Figure("shared_tokens", "shared_tokens", chart, caption)


def styles(study: Study) -> Figure | None:
    """P-15: how the cosines are distributed, as shares of files below each value."""
    found = {name: sorted(style_of(study, name)) for name in study.strategies}
    found = {name: values for name, values in found.items() if values}
    if not found:
        return None
    lines = [Curve(series(study, name), _cumulated(values)) for name, values in found.items()]
    x = charts.share_axis("cosine of identifiers, developer's and generated")
    chart = charts.curves(lines, x, charts.share_axis("share of files"), title="Coding style")
    caption = (
        "The share of files whose identifiers are at most so alike; a line further right is closer to the developers."
    )
    return Figure("style", "style", chart, caption, _keys(study, found))


def losses(study: Study) -> Figure | None:
    """P-16: validation loss against compute; a light line for each model, a bold one for the mean of each strategy."""
    runs = {name: [run for run in found if _spent(run)] for name, found in tunings(study).items()}
    runs = {name: found for name, found in runs.items() if found}
    if not runs:
        return None
    points = [point for found in runs.values() for run in found for point in _spent(run)]
    x = charts.decade_axis(
        "compute, PF-seconds", low=min(point[0] for point in points), high=max(point[0] for point in points)
    )
    heights = [point[1] for point in points]
    y = charts.number_axis("validation loss, nats a token", low=min(heights), high=max(heights))
    light = [Curve(series(study, name), _spent(run), is_light=True) for name, found in runs.items() for run in found]
    bold = [Curve(series(study, name), _mean_curve(found)) for name, found in runs.items()]
    chart = charts.curves([*light, *bold], x, y, title="Validation loss against compute", height=380)
    caption = (
        "A light line for each project and fold, a bold one for the mean of each strategy. A run that has stopped "
        "keeps its last loss in the mean. What the base loses, at no compute, is in the table."
    )
    return Figure("losses", "cost", chart, caption, _keys(study, runs))


def moved(study: Study) -> Figure | None:
    """P-08: mean absolute change by block after tuning every weight."""
    found = changes(study)
    if not found:
        return None
    rows = [
        Estimate(
            study.strategies.index("custom"),
            f"{stack} {index}" if index >= 0 else stack,
            Interval(fmean(values), min(values), max(values)),
            f"{fmean(values):.2e}",
        )
        for (stack, index), values in found.items()
    ]
    x = charts.number_axis("mean absolute change", low=0.0, high=max(row.interval.high for row in rows))
    chart = charts.intervals([("", rows)], x, title="Mean absolute change by block")
    return Figure("changes", "changes", chart, "Means over the models; whiskers go from the least to the most.")


def new_language(study: Study) -> Figure | None:
    """A-04: perplexity by steps in a new language."""
    runs = arms(study)
    if not runs:
        return None
    lines = [[(float(point.step), exp(point.loss)) for point in run.curve] for run in runs.values()]
    x = charts.number_axis("steps", low=0.0, high=max(point[0] for line in lines for point in line))
    heights = [point[1] for line in lines for point in line]
    y = charts.number_axis("perplexity", low=min(heights), high=max(heights))
    title = f"Perplexity by steps, {language_name(study)}"
    chart = charts.curves([Curve(place, line) for place, line in enumerate(lines, 1)], x, y, title=title)
    keys = tuple(enumerate(runs, 1))
    return Figure("perplexity_by_steps", "perplexity_by_steps", chart, "Held-out files; step 0 is the base.", keys)


def series(study: Study, strategy: str) -> int:
    """Return a strategy's place in the palette."""
    return study.strategies.index(strategy) if strategy in study.strategies else 0


def _keys(study: Study, names: Iterable[str]) -> tuple[tuple[int, str], ...]:
    return tuple((series(study, name), name) for name in names)


def _cumulated(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the steps of the shares at or below each value, from 0 to 1."""
    points, n = [(0.0, 0.0)], len(values)
    for place, value in enumerate(values, 1):
        points += [(value, (place - 1) / n), (value, place / n)]
    return [*points, (1.0, 1.0)]


def _spent(run: Tuning) -> list[tuple[float, float]]:
    """Return PF-seconds and loss where there are any: no logarithm shows the base."""
    return [(point.pf_seconds, point.loss) for point in run.curve if point.pf_seconds > 0]


def _mean_curve(runs: Sequence[Tuning]) -> list[tuple[float, float]]:
    """Return the mean of loss curves, taken from where all have begun to where the last one ends."""
    curves = [_spent(run) for run in runs]
    start, end = max(curve[0][0] for curve in curves), max(curve[-1][0] for curve in curves)
    if end <= start:
        return [(start, fmean(_at(curve, start) for curve in curves))]
    places = [start * (end / start) ** (place / _POINTS) for place in range(_POINTS + 1)]
    return [(place, fmean(_at(curve, place) for curve in curves)) for place in places]


def _at(curve: Sequence[tuple[float, float]], place: float) -> float:
    """Return a curve's value between its points; beyond the last one it stays."""
    for (x0, y0), (x1, y1) in pairwise(curve):
        if place <= x1:
            return y0 + (y1 - y0) * (place - x0) / (x1 - x0)
    return curve[-1][1]
