"""What a study leaves behind: study.json, tables as CSV and Markdown, figures as SVG, and one HTML page with all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import tostring

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.html.markup import element
from codecompose_ls.evaluation.html.page import style_sheet
from codecompose_ls.evaluation.study import cost_tables, language_tables, project_tables, quality_tables
from codecompose_ls.evaluation.study.figures import Figure, figures
from codecompose_ls.evaluation.study.page import render
from codecompose_ls.evaluation.study.results import Study
from codecompose_ls.evaluation.study.table import Table

#: The name of the page under `--output`.
PAGE = "study.html"
TABLES, FIGURES = "tables", "figures"


def save(study: Study, folder: Path) -> list[Path]:
    """Write everything into a folder, which is made; return the paths that a person opens. Raises `InputError`."""
    results = study.save(folder)
    found, drawn = list(tables(study)), list(figures(study))
    page, together = folder / PAGE, folder / "study.md"
    try:
        for name in (TABLES, FIGURES):
            (folder / name).mkdir(exist_ok=True)
        for table in found:
            (folder / TABLES / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8", errors="replace")
            (folder / TABLES / f"{table.name}.md").write_text(table.markdown(), encoding="utf-8", errors="replace")
        for figure in drawn:
            (folder / FIGURES / f"{figure.name}.svg").write_text(standalone(figure), encoding="utf-8", errors="replace")
        text = "\n".join(("# A study of personalised models\n", *map(Table.markdown, found)))
        together.write_text(text, encoding="utf-8", errors="replace")
        page.write_text(render(study, found, drawn), encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{folder}: the study cannot be written ({error.strerror})") from error
    return [page, together, results]


def tables(study: Study) -> Iterator[Table]:
    """Yield the tables in the order of the page; those with nothing in them are left out."""
    yield from quality_tables.quality(study)
    if len(study.strategies) > 1:
        yield quality_tables.significance(study)
        yield from quality_tables.p_values(study)
    yield from quality_tables.matches(study)
    yield quality_tables.style(study)
    if any(cost_tables.tunings(study).values()):
        yield cost_tables.cost(study)
    if cost_tables.changes(study):
        yield cost_tables.change_table(study)
    languages = (language_tables.by_language(study), language_tables.perplexity_by_steps(study))
    yield from (table for table in languages if table is not None)
    yield project_tables.projects(study)
    yield project_tables.shared_tokens(study)
    if study.parameters:
        yield cost_tables.parameters(study)


def standalone(figure: Figure) -> str:
    """Return a figure as a file of its own, with the colours of the page."""
    chart = figure.chart
    attributes = {name.replace("-", "_"): value for name, value in chart.items() if name != "class"}
    background = element("rect", width="100%", height="100%", style="fill: var(--page)")
    sized = element(
        "svg",
        element("style", style_sheet()),
        background,
        list(chart),
        **attributes,
        xmlns="http://www.w3.org/2000/svg",
        class_=chart.get("class"),
    )
    return tostring(sized, encoding="unicode") + "\n"
