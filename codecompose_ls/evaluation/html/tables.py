"""Numbers as a page shows them, and the tables that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from codecompose_ls.evaluation.html.markup import Child, element
from codecompose_ls.evaluation.metrics import Interval

#: A list of conditions longer than this is shown by its start and its length.
_LONGEST_LIST = 12


def share(value: float) -> str:
    return f"{100 * value:.1f}\u2009%"


def interval(value: Interval) -> list[Child]:
    """Return a share and, smaller, its interval."""
    return [share(value.value), " ", element("small", f"{100 * value.low:.1f}–{100 * value.high:.1f}")]


def bracketed(value: Interval) -> str:
    """Return a share with its interval where no markup can be."""
    return f"{share(value.value)} ({100 * value.low:.1f}–{100 * value.high:.1f})"


def number(value: float | None) -> str | None:
    """Return a number with about three digits; None stays None."""
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def laid_out(heads: Sequence[str], rows: Sequence[Sequence[Child]], *, texts: int | None = None) -> Element:
    """Return a table; the first `texts` columns are text, else those before the first number; empty columns go."""
    kept = [place for place in range(len(heads)) if any(row[place] is not None for row in rows)]
    first = heads.index("n") if texts is None else texts
    sides = ["text" if place < first or not heads[place] else "number" for place in kept]
    head = [element("th", heads[at], scope="col", class_=side) for at, side in zip(kept, sides, strict=True)]
    body = [
        element("tr", [element("td", row[at], class_=side) for at, side in zip(kept, sides, strict=True)])
        for row in rows
    ]
    table = element("table", element("thead", element("tr", head)), element("tbody", body))
    return element("div", table, class_="wide")


def definition_list(values: Mapping[str, Any]) -> Element:
    """Return names and values, those inside others by their names joined with points."""
    pairs = [(element("dt", name), element("dd", text)) for name, text in _flat(values, "")]
    return element("dl", pairs)


def _flat(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            parts = ", ".join(map(str, value[:_LONGEST_LIST]))
            yield name, f"{parts}, … ({len(value)})" if len(value) > _LONGEST_LIST else parts or "none"
        elif value is not None:
            yield name, {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
