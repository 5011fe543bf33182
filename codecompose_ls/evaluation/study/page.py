"""The study as one HTML page, which needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from codecompose_ls.evaluation.html import charts
from codecompose_ls.evaluation.html.markup import Child, element
from codecompose_ls.evaluation.html.page import framed
from codecompose_ls.evaluation.html.parts import figure as framed_figure
from codecompose_ls.evaluation.html.parts import section
from codecompose_ls.evaluation.html.tables import definition_list, laid_out
from codecompose_ls.evaluation.study.figures import Figure
from codecompose_ls.evaluation.study.results import Study
from codecompose_ls.evaluation.study.table import Table


def render(study: Study, tables: Sequence[Table], figures: Sequence[Figure]) -> str:
    """Return the page's text: a section for each table, with its figure if it has one."""
    by_table = {figure.table: figure for figure in figures}
    sections = [_section(table, by_table.get(table.name)) for table in tables]
    conditions = section("Conditions", definition_list(study.conditions))
    return framed("A study of personalised models", list(_lead(study)), sections, conditions)


def _lead(study: Study) -> Iterator[Element]:
    conditions = study.conditions
    said = [
        f"{len(study.projects)} projects, {len(study.strategies) - 1} strategies, {conditions['rotations']} of "
        f"{conditions['folds']} folds",
        *(str(conditions[name]) for name in ("date", "machine") if conditions.get(name)),
    ]
    yield element("p", " · ".join(said), class_="note")
    yield element(
        "p",
        "Each model completes hidden lines of files that it has not been trained on. What is measured is the weights "
        "alone: no index, no post-processing. Definitions are in docs/metrics.md; docs/seeds.md has the ids (P-11).",
    )


def _section(table: Table, figure: Figure | None) -> Element:
    heads = [column.name for column in table.columns]
    rows: list[list[Child]] = [[cell or None for cell in row] for row in table.cells()]
    laid = laid_out(heads, rows, texts=table.texts)
    note = element("p", table.note, class_="note") if table.note else None
    heading = f"{table.title} ({table.id})"
    if figure is None:
        return section(heading, laid, note)
    legend = element("ul", [element("li", _key(*key)) for key in figure.series], class_="legend")
    return section(heading, legend if figure.series else None, framed_figure(figure.chart, figure.caption, laid), note)


def _key(series: int, name: str) -> list[Child]:
    mark = charts.mark(series, 6, 6)
    return [element("svg", mark, viewBox="0 0 12 12", class_="key", aria_hidden="true"), name]
