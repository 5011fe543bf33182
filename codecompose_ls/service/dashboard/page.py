"""The page: panels, charts and filters put into the template, which escapes whatever it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from codecompose_ls.service.dashboard.charts import CHARTS
from codecompose_ls.service.dashboard.filters import GROUPS, NONE, PERIODS, Filters
from codecompose_ls.service.dashboard.panels import PANELS
from codecompose_ls.service.dashboard.table import Panel, Value, interval
from codecompose_ls.service.dashboard.view import View

#: The template, the style sheet, the script and the icon.
FOLDER = Path(__file__).with_name("page")


class Tile(NamedTuple):
    """A figure by itself: what it is, its value, and what belongs to it."""

    name: str
    label: str
    value: str
    note: str


def render(view: View, *, today: date, links: Mapping[str, str] | None = None, logout: str = "") -> str:
    """Return the page as HTML; `links` by name, and where to log out, stand at its head."""
    overview, *others = (make(view) for make in PANELS.values())
    return _filled(
        "page.html",
        links=links or {},
        logout=logout,
        view=view,
        filters=view.filters,
        periods=[(label, view.filters.latest(days, today=today)) for days, label in PERIODS.items()],
        unfiltered=Filters(by=view.filters.by).latest(view.filters.days, today=today),
        groups=GROUPS,
        menus={name: [(value or NONE, value) for value in values] for name, values in view.choices.items()},
        tiles=list(_tiles(overview)),
        overview=overview,
        panels=[(panel, _charts(panel)) for panel in others],
    )


def render_problem(message: str) -> str:
    """Return a page that says in one line what is wrong."""
    return _filled("problem.html", message=message)


def _tiles(overview: Panel) -> Iterator[Tile]:
    named: dict[str, Value] = dict(zip((column.name for column in overview.columns), overview.rows[0], strict=True))
    notes = {
        "requested": "requests answered, also with nothing",
        "shown": "visible for 750 ms, or accepted before",
        "acceptance_rate": "95 % interval" + interval(named["acceptance_rate_low"], named["acceptance_rate_high"]),
        "percent_code_typed": "of all characters typed or accepted",
        "keystrokes_saved": "characters accepted, less a key each",
        "characters_retained": "at the latest look, up to 10 min later",
        "latency_ms_p95": f"source: {named['latency_source']}" if named["latency_source"] else "no answers",
        "time_to_decision_ms_p50": "from drawn to accepted or refused",
    }
    for column in overview.columns:
        if column.name in notes:
            yield Tile(column.name, column.label, column.written(named[column.name]), notes[column.name])


def _charts(panel: Panel) -> list[Markup]:
    """Draw a panel's charts. They are markup: a serializer of XML has written them and escaped what is in them."""
    return [Markup(draw(panel)) for draw in CHARTS.get(panel.name, ()) if panel.rows]


def _filled(name: str, **values: object) -> str:
    text: str = _environment().get_template(name).render(**values)
    return text


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(FOLDER)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
