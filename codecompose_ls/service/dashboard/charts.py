"""Charts of panels, drawn by pygal as SVG that takes its colours from the page's style sheet.

What pygal adds for pages without a style sheet of their own (styles, scripts) is taken away, so that the
content security policy can forbid both; its values become tooltips that browsers show by themselves.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

from codecompose_ls.service.dashboard.filters import NONE
from codecompose_ls.service.dashboard.table import Column, Panel, Value
from codecompose_ls.telemetry.rollup import LIMITS_MS

# pygal hooks into every import for the sake of its plugins (maps), in a way that Python 3.11 warns of; we use none.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

#: pygal lays text out by these sizes.
_STYLE = Style(label_font_size=12, major_label_font_size=12, legend_font_size=13, value_font_size=12)
_SHARE, _COUNT = Column("", "", "share"), Column("", "")
_WIDTH, _HEIGHT = 1040, 300
_BAR = 34
#: Labels on a time axis, about.
_DAYS = 8
#: Characters that no XML may hold (XML 1.0, 2.2), even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def acceptance(panel: Panel) -> str:
    """Draw the acceptance rate of each row with its interval, those of days joined by a line."""
    of = panel.columns[0].name
    is_time = of in ("day", "week")
    values, lows, highs = (panel.column(f"acceptance_rate{end}") for end in ("", "_low", "_high"))
    highest = max((high for high in highs if isinstance(high, float)), default=1.0)
    chart = _chart(
        pygal.Line, value=_SHARE, range=(0, highest), stroke=is_time,
        dots_size=3 if is_time else 6, allow_interruptions=True, height=_HEIGHT if is_time else 220,
    )  # fmt: skip
    rates = [_with_interval(*rate) for rate in zip(values, lows, highs, strict=True)]
    if is_time:
        _label_times(chart, panel.column(of))
        chart.add("Acceptance rate", rates)
    else:
        # Room on both sides for the names.
        chart.x_labels = ["", *map(_name, panel.column(of)), ""]
        chart.add("Acceptance rate", [None, *rates, None])
    return _svg(chart, f"Acceptance rate by {of}")


def kept(panel: Panel) -> str:
    """Draw accepted and retained characters over time."""
    chart = _chart(pygal.Bar, value=_COUNT, **_legend(2))
    _label_times(chart, panel.column(panel.columns[0].name))
    chart.add("Characters accepted", panel.column("accepted_characters"))
    chart.add("Characters retained", panel.column("characters_retained"))
    return _svg(chart, f"Characters accepted and retained by {panel.columns[0].name}")


def answered_within(panel: Panel) -> str:
    """Draw which share of requests was answered within how long, a line for each source."""
    title = "answered within (ms)"
    chart = _chart(pygal.Line, value=_SHARE, range=(0, 1), dots_size=3, x_title=title, **_legend(len(panel.rows)))
    chart.x_labels = [f"{limit:,}" for limit in LIMITS_MS]
    for place, source in enumerate(panel.column("source")):
        chart.add(_name(source), list(panel.rows[place][-len(LIMITS_MS) :]))
    return _svg(chart, "Share of requests answered within a time, by source")


def counts(panel: Panel) -> str:
    """Draw a bar for the last column of each row under the name before it, the first row on top."""
    *_, names, values = (panel.column(column.name) for column in panel.columns)
    chart = _chart(
        pygal.HorizontalBar, value=_COUNT, height=50 + _BAR * len(names),
        print_values=True, print_values_position="top",
    )  # fmt: skip
    chart.x_labels = [_name(name) for name in names[::-1]]
    chart.add(panel.columns[-1].label, values[::-1])
    return _svg(chart, panel.title)


#: The charts of panels, by the panel's name; the others are tables.
CHARTS: dict[str, tuple[Callable[[Panel], str], ...]] = {
    "over_time": (acceptance, kept),
    "models": (acceptance,),
    "funnel": (counts,),
    "latency": (answered_within,),
    "filtered": (counts,),
}


def _chart(kind: Any, *, value: Column, **options: Any) -> Any:
    look = {"width": _WIDTH, "height": _HEIGHT, "style": _STYLE, "margin": 4, "spacing": 8, "truncate_label": 40}
    plain = {"css": (), "js": (), "no_prefix": True, "show_legend": False}
    written = {"formatter": value.written, "value_formatter": _on_axis if value is _SHARE else _whole}
    axis = {"include_x_axis": True, "min_scale": 3, "max_scale": 6}
    return kind(**plain | look | written | axis | options)


def _legend(series: int) -> dict[str, Any]:
    """Show a legend in one line below; pygal leaves too little room for it."""
    place = {"legend_at_bottom": True, "legend_at_bottom_columns": series, "legend_box_size": 10, "margin_bottom": 20}
    return {"show_legend": True, **place}


def _on_axis(share: float) -> str:
    return f"{100 * share:.0f}\u2009%"


def _whole(count: float) -> str:
    """Return a count for an axis, which has marks between 0 and 1, too."""
    return _COUNT.written(count) if count == int(count) else ""


def _label_times(chart: Any, values: list[Value]) -> None:
    chart.x_labels = values
    chart.x_labels_major = values[:: max(1, -(-len(values) // _DAYS))]
    chart.show_minor_x_labels = False


def _with_interval(value: Value, low: Value, high: Value) -> Any:
    return None if value is None else {"value": value, "ci": {"low": low, "high": high}}


def _name(value: Value) -> str:
    return _NOT_XML.sub("\ufffd", str(value)) or NONE


def _svg(chart: Any, name: str) -> str:
    """Return the element for a page: one picture with a name for screen readers, whose table is beside it."""
    root = ElementTree.fromstring(chart.render())
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
        node.attrib.pop("style", None)
    root.attrib = {"viewBox": root.attrib["viewBox"], "class": root.attrib["class"], "role": "img", "aria-label": name}
    for parent in list(root.iter()):
        _clean(parent)
    return ElementTree.tostring(root, encoding="unicode", method="html")


def _clean(parent: Element) -> None:
    told = {child.get("class"): child.text or "" for child in parent if child.tag == "desc"}
    for child in [child for child in parent if child.tag in ("style", "script", "title", "desc")]:
        parent.remove(child)
    if "value" in told:
        title = ElementTree.Element("title")
        title.text = ": ".join(filter(None, (told.get("x_label"), told["value"])))
        parent.insert(0, title)
