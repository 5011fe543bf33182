"""Figures as SVG that takes its colours from the page: intervals in rows, curves, and bars that add up to a whole.

A series keeps its place in the palette (`s0`, `s1`, ...) in every figure; the style sheet says what colour that is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from codecompose_ls.evaluation.html.markup import element
from codecompose_ls.evaluation.metrics import Interval

WIDTH = 800
#: A character of a label is about so wide.
_CHARACTER = 6.6
_LABEL_WIDTH = 230
_ROW = 20
#: Shapes of the marks, so that colour is not all that tells series apart: paths around (0, 0).
_MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "M-3.6 -3.6h7.2v7.2h-7.2z",
    "M0 -5L5 0L0 5L-5 0z",
    "M0 -4.6L4.8 3.6H-4.8z",
    "M0 4.6L4.8 -3.6H-4.8z",
    "M-1.5 -4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
)
#: Colours in the style sheet; series beyond them begin anew, with other marks.
PALETTE = 6


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high`, the ticks among them, and how a tick is written."""

    name: str
    low: float
    high: float
    ticks: tuple[float, ...]
    write: Callable[[float], str]
    is_log: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Return where between `start` and `end` a value stands; what is outside stands at the edge."""
        low, high, value = (math.log(x) if self.is_log else x for x in (self.low, self.high, max(value, self.low)))
        return start + (min(value, high) - low) / (high - low) * (end - start)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A row of an interval plot: the series it belongs to, an interval, and what is written beside it."""

    series: int
    label: str
    interval: Interval
    note: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points (x, y), and a band (x, low, high) around it."""

    series: int
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    #: One of many that another curve sums up: thin, pale and without a mark.
    is_light: bool = False


def percent(value: float) -> str:
    return f"{100 * value:.0f}\u2009%"


def share_axis(name: str, *, high: float = 1.0) -> Axis:
    """Return an axis of shares from 0 to the next round share at or above `high`."""
    step = next(step for step in (0.05, 0.1, 0.2) if high <= 6 * step or step == 0.2)
    count = max(1, math.ceil(high / step - 1e-9))
    return Axis(name, 0.0, count * step, tuple(place * step for place in range(count + 1)), percent)


def time_axis(name: str, *, low: float, high: float) -> Axis:
    """Return a logarithmic axis of milliseconds around two of them."""
    low, high = max(low, 0.1), max(high, 0.2)
    ticks = [step * 10.0**power for power in range(-1, 8) for step in (1, 2, 5)]
    first = max((tick for tick in ticks[:-1] if tick <= low), default=ticks[0])
    last = min((tick for tick in ticks if tick >= high and tick > first), default=ticks[-1])
    return Axis(name, first, last, tuple(tick for tick in ticks if first <= tick <= last), _milliseconds, is_log=True)


def number_axis(name: str, *, low: float, high: float) -> Axis:
    """Return an axis of round numbers around two of them."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(step * power for step in (1, 2, 5, 10) if span <= 5 * step * power)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(place * step for place in range(first, max(last, first + 1) + 1))
    return Axis(name, ticks[0], ticks[-1], ticks, "{:.6g}".format)


def decade_axis(name: str, *, low: float, high: float) -> Axis:
    """Return a logarithmic axis of powers of ten, and two steps between them, around two positive numbers."""
    powers = range(math.floor(math.log10(low) - 1), math.ceil(math.log10(high)) + 2)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    first = max(tick for tick in ticks if tick <= low * (1 + 1e-9))
    last = min(tick for tick in ticks if tick >= high * (1 - 1e-9) and tick > first)
    return Axis(name, first, last, tuple(tick for tick in ticks if first <= tick <= last), "{:.3g}".format, is_log=True)


def intervals(groups: Sequence[tuple[str, Sequence[Estimate]]], axis: Axis, *, title: str) -> Element:
    """Draw groups of estimates below each other, each a mark on its interval (a forest plot)."""
    longest = max((len(row.label) for _, rows in groups for row in rows), default=0)
    left, right = min(_LABEL_WIDTH, 24 + longest * _CHARACTER), WIDTH - 150
    parts, y = [], 14
    for name, rows in groups:
        parts.append(_text(0, y + 4, _cut(name, right), class_="group"))
        y += _ROW
        for row in rows:
            parts += _estimate(row, axis, left=left, right=right, y=y)
            y += _ROW
        y += 8
    return _svg(y + 34, title, _vertical_grid(axis, left, right, top=4, bottom=y), parts)


def _estimate(row: Estimate, axis: Axis, *, left: float, right: float, y: float) -> list[Element]:
    low, middle, high = (
        axis.place(value, left, right) for value in (row.interval.low, row.interval.value, row.interval.high)
    )
    return [
        _text(12, y + 4, _cut(row.label, left - 20)),
        element("line", x1=low, x2=high, y1=y, y2=y, class_=f"whisker s{row.series % PALETTE}"),
        mark(row.series, middle, y),
        _text(right + 14, y + 4, row.note),
    ]


def mark(series: int, x: float, y: float) -> Element:
    """Return the mark of a series."""
    shape = _MARKS[(series + series // PALETTE) % len(_MARKS)]
    return element("path", d=shape, transform=f"translate({x:.1f} {y:.1f})", class_=f"mark s{series % PALETTE}")


def curves(lines: Sequence[Curve], x: Axis, y: Axis, *, title: str, height: int = 320) -> Element:
    """Draw curves in one frame; a mark stands at the end of each."""
    left, right, top, bottom = 54.0, WIDTH - 24.0, 12.0, float(height)

    def at(point: tuple[float, float]) -> str:
        return f"{x.place(point[0], left, right):.1f},{y.place(point[1], bottom, top):.1f}"

    parts = []
    for line in lines:
        color = f"s{line.series % PALETTE}"
        if line.band:
            edge = [(px, high) for px, _, high in line.band] + [(px, low) for px, low, _ in reversed(line.band)]
            parts.append(element("polygon", points=" ".join(map(at, edge)), class_=f"band {color}"))
        weight = "light" if line.is_light else "curve"
        parts.append(element("polyline", points=" ".join(map(at, line.points)), class_=f"{weight} {color}"))
    ends = [(line.series, at(line.points[-1])) for line in lines if not line.is_light]
    parts += [mark(series, *map(float, end.split(","))) for series, end in ends]
    grid = _vertical_grid(x, left, right, top=top, bottom=bottom) + _horizontal_grid(y, left, right, top, bottom)
    return _svg(height + 34, title, grid, parts)


def stacks(bars: Sequence[tuple[str, Sequence[tuple[str, int]]]], *, title: str) -> Element:
    """Draw a bar for each label, cut into parts of a class and a count; the whole bar is all of them."""
    left = min(_LABEL_WIDTH, 12 + max((len(label) for label, _ in bars), default=0) * _CHARACTER)
    parts = []
    for number, (label, counts) in enumerate(bars):
        y, x, whole = number * 32 + 6, left, sum(count for _, count in counts) or 1
        parts.append(_text(0, y + 16, _cut(label, left - 8)))
        for name, count in counts:
            width = count / whole * (WIDTH - left)
            parts.append(element("rect", x=round(x, 1), y=y, width=round(width, 1), height=24, class_=name))
            if width > 40:
                parts.append(_text(x + width / 2, y + 16, percent(count / whole), class_=f"inside {name}"))
            x += width
    return _svg(len(bars) * 32 + 6, title, parts)


def _vertical_grid(axis: Axis, left: float, right: float, *, top: float, bottom: float) -> list[Element]:
    parts = []
    for tick in axis.ticks:
        x = axis.place(tick, left, right)
        parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
        parts.append(_text(x, bottom + 15, axis.write(tick), class_="tick middle"))
    return [*parts, _text((left + right) / 2, bottom + 31, axis.name, class_="axis middle")]


def _horizontal_grid(axis: Axis, left: float, right: float, top: float, bottom: float) -> list[Element]:
    parts = []
    for tick in axis.ticks:
        y = axis.place(tick, bottom, top)
        parts.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(_text(left - 8, y + 4, axis.write(tick), class_="tick end"))
    middle = (top + bottom) / 2
    turned = {"transform": f"rotate(-90 10 {middle:.0f})"}
    return [*parts, element("text", axis.name, x=10, y=middle, class_="axis middle", **turned)]


def _svg(height: float, title: str, *parts: Sequence[Element]) -> Element:
    box = f"0 0 {WIDTH} {height:.0f}"
    return element("svg", element("title", title), *parts, viewBox=box, role="img", aria_label=title)


def _text(x: float, y: float, text: str, class_: str | None = None) -> Element:
    return element("text", text, x=round(x, 1), y=round(y, 1), class_=class_)


def _cut(text: str, width: float) -> str:
    most = max(4, int(width / _CHARACTER))
    return text if len(text) <= most else text[: most - 1] + "…"


def _milliseconds(value: float) -> str:
    return f"{value / 1000:g}\u2009s" if value >= 1000 else f"{value:g}\u2009ms"
