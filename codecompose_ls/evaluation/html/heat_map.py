"""A heat map as SVG: a square of values between names, blue where they are low and red where they are high."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from codecompose_ls.evaluation.html.charts import WIDTH, percent
from codecompose_ls.evaluation.html.markup import element

_LOW, _MIDDLE, _HIGH = (44, 90, 160), (242, 242, 242), (179, 38, 30)
_LABEL_WIDTH = 170
_CHARACTER = 6.6
#: More rows than this leave no room for a number in each.
_MOST_NUMBERS = 25


def heat_map(names: Sequence[str], values: Sequence[Sequence[float]], *, title: str) -> Element:
    """Draw shares, row by row; colours run from the least to the greatest off the diagonal, which stays plain."""
    others = [value for i, row in enumerate(values) for j, value in enumerate(row) if i != j]
    low, high = min(others, default=0.0), max(others, default=1.0)
    left = min(_LABEL_WIDTH, 14 + max(map(len, names), default=0) * _CHARACTER)
    side = min(56.0, (WIDTH - left) / max(1, len(names)))
    parts: list[Element] = []
    for i, (name, row) in enumerate(zip(names, values, strict=True)):
        y = i * side
        parts.append(_text(left - 8, y + side / 2 + 4, _cut(name, left - 12), class_="end"))
        parts.append(_text(left + (i + 0.5) * side, len(names) * side + 15, str(i + 1), class_="tick middle"))
        for j, value in enumerate(row):
            where = {"x": left + j * side, "y": y, "width": side, "height": side}
            fill = None if i == j else colour((value - low) / (high - low or 1.0))
            parts.append(element("rect", element("title", f"{name}, {names[j]}: {percent(value)}"), fill=fill, **where))
            if len(names) <= _MOST_NUMBERS and i != j:
                tone = "light-ink" if abs((value - low) / (high - low or 1.0) - 0.5) > 0.3 else "dark-ink"
                parts.append(_text(left + (j + 0.5) * side, y + side / 2 + 4, percent(value), class_=f"cell {tone}"))
    box = f"0 0 {WIDTH} {len(names) * side + 24:.0f}"
    return element("svg", element("title", title), parts, viewBox=box, role="img", aria_label=title, class_="heat")


def colour(share: float) -> str:
    """Return the colour of a place between low (0) and high (1)."""
    ends = (_LOW, _MIDDLE) if share < 0.5 else (_MIDDLE, _HIGH)
    place = 2 * share if share < 0.5 else 2 * share - 1
    return "#" + "".join(f"{round(a + (b - a) * place):02x}" for a, b in zip(*ends, strict=True))


def _text(x: float, y: float, text: str, class_: str) -> Element:
    return element("text", text, x=round(x, 1), y=round(y, 1), class_=class_)


def _cut(text: str, width: float) -> str:
    most = max(4, int(width / _CHARACTER))
    return text if len(text) <= most else text[: most - 1] + "…"
