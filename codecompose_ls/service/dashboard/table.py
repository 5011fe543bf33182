"""Tables: the one shape that a panel's figures have on the page, under its chart and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import TypeAlias

from codecompose_ls.service.dashboard.filters import NONE

Value: TypeAlias = "str | int | float | None"

#: What makes a spreadsheet take a text for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is that of docs/metrics.md. `kind`: text, count, share (a fraction), ms, percent (0 to 100), number;
    when, a time in UTC (ISO 8601)."""

    name: str
    label: str
    kind: str = "count"

    def written(self, value: Value) -> str:
        """Return a value as the page shows it."""
        if value is None:
            return "–"
        if self.kind == "when":
            return str(value)[:16].replace("T", " ")
        if self.kind == "text" or isinstance(value, str):
            return str(value) or NONE
        if self.kind == "share":
            return f"{100 * value:.1f}\u2009%"
        if self.kind == "percent":
            return f"{value:g}\u2009%"
        if self.kind == "ms":
            return f"{value:,.0f}\u2009ms" if value >= 10 else f"{value:.1f}\u2009ms"
        return f"{value:.4g}" if self.kind == "number" else f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the page: its name in URLs, a title, what it says, and its table."""

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...] = field(default=())
    #: What is said where there are no rows.
    empty: str = "Nothing in these days."

    def column(self, name: str) -> list[Value]:
        """Return the values of a column."""
        place = [column.name for column in self.columns].index(name)
        return [row[place] for row in self.rows]

    @property
    def cells(self) -> list[list[tuple[Column, str]]]:
        """The rows as they are shown; an interval stands in brackets beside its rate and has no cell of its own."""
        return [[(column, text) for column, text in self._cells(row)] for row in self.rows]

    @property
    def heads(self) -> list[Column]:
        return [column for column in self.columns if not _is_bound(column)]

    def _cells(self, row: Sequence[Value]) -> list[tuple[Column, str]]:
        named = dict(zip((column.name for column in self.columns), row, strict=True))
        return [
            (column, column.written(named[column.name]) + _interval(named, column.name))
            for column in self.columns
            if not _is_bound(column)
        ]

    @property
    def csv(self) -> str:
        """The table as CSV (RFC 4180): names as in docs/metrics.md, numbers in full, nothing where there is none."""
        out = StringIO()
        writer = csv.writer(out)
        writer.writerow([column.name for column in self.columns])
        writer.writerows([harmless(value) for value in row] for row in self.rows)
        return out.getvalue()


def interval(low: Value, high: Value) -> str:
    """Return an interval of shares in brackets, "" for none."""
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return ""
    return f" ({100 * low:.1f}–{100 * high:.1f})"


def _interval(named: dict[str, Value], name: str) -> str:
    return interval(named.get(f"{name}_low"), named.get(f"{name}_high"))


def _is_bound(column: Column) -> bool:
    return column.name.endswith(("_low", "_high"))


def harmless(value: Value) -> Value:
    """Return a value that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
