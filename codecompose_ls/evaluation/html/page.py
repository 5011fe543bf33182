"""The page around the sections: what was measured, what came of it, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.html.markup import Child, document, element
from codecompose_ls.evaluation.html.sections import SECTIONS
from codecompose_ls.evaluation.html.tables import bracketed
from codecompose_ls.evaluation.html.view import View
from codecompose_ls.evaluation.results import Results
from codecompose_ls.tuning.atomic_file import atomic_file

#: The name under `--output`.
FILE = "report.html"
#: So many projects are named at the top.
_FEW = 3


def save(results: Results, folder: Path) -> Path:
    """Write `report.html` into a folder, which is made, and return its path; raises `InputError`."""
    path = folder / FILE
    try:
        with atomic_file(path) as partial:
            partial.write_text(render(results), encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: the report cannot be written ({error.strerror})") from error
    return path


def render(results: Results) -> str:
    """Return the report's text; sections with nothing to say are left out."""
    view = View(results)
    sections = [section(view) for section in SECTIONS] if results.outcomes else element("p", "Nothing was asked.")
    return framed(f"Completion of {_named(view.projects)}", _lead(view), sections)


def framed(title: str, *children: Child) -> str:
    """Return the text of a page with a title and the style sheet, and nothing else from anywhere."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style_sheet()),
    )
    main = element("main", element("h1", title), *children)
    return document(element("html", head, element("body", main), lang="en"))


def style_sheet() -> str:
    """Return the style sheet of pages and figures."""
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def _named(projects: list[str]) -> str:
    if len(projects) > _FEW:
        return f"{', '.join(projects[: _FEW - 1])} and {len(projects) - _FEW + 1} more projects"
    return " and ".join(", ".join(projects).rsplit(", ", 1)) or "nothing"


def _lead(view: View) -> list[Element]:
    """Say what was measured, and the main result of each predictor."""
    found = [element("li", element("b", row.predictor), f" {bracketed(row.exact_match)}") for row in view.overall]
    return [
        element("p", " · ".join(_measured(view.results.conditions)), class_="note"),
        element("p", f"Of {view.cases:,} places in the code, completed exactly as they were (95 % interval):"),
        element("ul", found),
    ]


def _measured(conditions: Mapping[str, Any]) -> Iterator[str]:
    """Yield commits, models, day and machine, as far as they are known; the section Conditions has all there is."""
    history = conditions.get("history") or {}
    if len(history) > _FEW:
        yield f"lines added since {conditions.get('since')}"
    else:
        for name, one in history.items():
            ends = [f"{one[f'{end}_date'][:10]} ({one[end][:10]})" for end in ("since", "head")]
            yield f"lines added to {name} from {ends[0]} to {ends[1]}"
    for name, digest in (conditions.get("models") or {}).items():
        yield f"model {name} ({digest[:8]})"
    for name, text in (("date", "{}"), ("machine", "{}"), ("version", "CodeCompose LS {}")):
        if conditions.get(name):
            yield text.format(conditions[name])
