"""A table of the study: raw numbers for machines (CSV), and the same as people read them (Markdown)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

Value: TypeAlias = "str | int | float | None"


class Kind(str, Enum):
    """How the numbers of a column are written."""

    TEXT = "text"
    COUNT = "count"
    NUMBER = "number"
    #: Of 1, shown in percent.
    SHARE = "share"
    P_VALUE = "p"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and what is below it."""

    name: str
    kind: Kind = Kind.NUMBER
    digits: int = 2

    def write(self, value: Value) -> str:
        """Return a value as people read it; nothing for None."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if self.kind is Kind.COUNT:
            return f"{value:,.0f}"
        if self.kind is Kind.SHARE:
            return f"{100 * value:.1f}\u2009%"
        if self.kind is Kind.P_VALUE:
            return f"{value:.1e}" if value < 0.001 else f"{value:.3f}"
        return f"{value:.{self.digits}f}" if not value or abs(value) >= 0.5 * 10**-self.digits else f"{value:.1e}"


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is the file's; `id` is the seeds' item (docs/seeds.md); `note` says what it takes to read it."""

    name: str
    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""

    @property
    def texts(self) -> int:
        """How many columns from the left are text."""
        kinds = [column.kind for column in self.columns]
        return next((place for place, kind in enumerate(kinds) if kind is not Kind.TEXT), len(kinds))

    def cells(self) -> list[list[str]]:
        """Return the rows as people read them."""
        return [[column.write(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    def csv(self) -> str:
        """Return the table with its numbers as they are."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return out.getvalue()

    def markdown(self) -> str:
        """Return the table with a heading and its note."""
        sides = ["---" if column.kind is Kind.TEXT else "---:" for column in self.columns]
        rows = [[column.name for column in self.columns], sides, *self.cells()]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        return "\n".join([f"## {self.title}", "", *lines, *(["", self.note] if self.note else []), ""])


def columns(kind: Kind, names: Sequence[str], *, digits: int = 2) -> tuple[Column, ...]:
    """Return columns of one kind."""
    return tuple(Column(name, kind, digits) for name in names)
