"""Which definition of a Python file the user means: the innermost function or class around the selected text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import libcst as cst
    from libcst.metadata import CodePosition, CodeRange

    Definition: TypeAlias = "cst.FunctionDef | cst.ClassDef"

#: What Python ends a line with; `str.splitlines` also ends one at form feeds and Unicode separators.
NEWLINE = re.compile(r"\r\n?|\n")


class Unparsable(Exception):
    """The text is not Python that parses; `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} does not parse as Python")
        self.line = line


@dataclass(frozen=True, slots=True)
class Selection:
    """A parsed file and the definition around the selection; offsets are code points.

    `enclosing` holds the definitions around `definition`, outermost first.
    """

    source: str
    module: cst.Module
    definition: Definition | None
    enclosing: tuple[Definition, ...]
    positions: Mapping[cst.CSTNode, CodeRange]
    line_starts: tuple[int, ...]

    def offset(self, position: CodePosition) -> int:
        """Return the offset of a position (line from 1, column from 0)."""
        return self.line_starts[position.line - 1] + position.column

    def line_start(self, offset: int) -> int:
        """Return where the line that holds `offset` starts."""
        return self.line_starts[bisect_right(self.line_starts, offset) - 1]

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Return the offsets a node covers, a definition's decorators included."""
        found = self.positions[node]
        first = getattr(node, "decorators", ())
        start = self.positions[first[0]].start if first else found.start
        return self.offset(start), self.offset(found.end)


def one_line(node: cst.CSTNode) -> str:
    """Return a node's source on one line, without its comments."""
    import libcst as cst

    class Joiner(cst.CSTTransformer):
        def leave_ParenthesizedWhitespace(
            self, original_node: cst.ParenthesizedWhitespace, updated_node: cst.ParenthesizedWhitespace
        ) -> cst.BaseParenthesizableWhitespace:
            return cst.SimpleWhitespace(" ")

    joined = node.visit(Joiner())
    return " ".join(cst.Module(body=()).code_for_node(joined).split()) if isinstance(joined, cst.CSTNode) else ""


def select(source: str, start: int, end: int) -> Selection:
    """Parse `source` and find the innermost definition whose lines hold `start` to `end`; raises `Unparsable`."""
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider

    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise Unparsable(error.raw_line) from error
    except (RecursionError, UnicodeEncodeError) as error:
        raise Unparsable(1) from error
    # A byte order mark is no part of a line for the parser, and of the text for everybody else.
    begin = int(source.startswith("\ufeff"))
    if module.code != source[begin:]:
        raise Unparsable(1)  # every offset would be wrong
    positions: Mapping[cst.CSTNode, CodeRange] = MetadataWrapper(module, unsafe_skip_copy=True).resolve(
        PositionProvider
    )
    line_starts = (begin, *(match.end() for match in NEWLINE.finditer(source)))
    start, end = _without_margin(source, *sorted((max(start, begin), max(end, begin))))
    around = _around(module, Selection(source, module, None, (), positions, line_starts), start, end)
    definition = around[-1] if around else None
    return Selection(source, module, definition, tuple(around[:-1]), positions, line_starts)


def _without_margin(source: str, start: int, end: int) -> tuple[int, int]:
    """Leave out the white space at both ends of what is selected, which often is whole lines."""
    text = source[start:end]
    if not text.strip():
        return start, start
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def _around(module: cst.Module, selection: Selection, start: int, end: int) -> list[Definition]:
    """Return the definitions that hold the selection, outermost first."""
    import libcst as cst

    found: list[Definition] = []

    class Visitor(cst.CSTVisitor):
        def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
            return self._enter(node)

        def visit_ClassDef(self, node: cst.ClassDef) -> bool:
            return self._enter(node)

        def _enter(self, node: Definition) -> bool:
            first, last = selection.span(node)
            # Whole lines: a cursor in the indentation or in a trailing comment means this definition too.
            first = selection.line_start(first)
            newline = NEWLINE.search(selection.source, last)
            holds = first <= start and end <= (newline.start() if newline else len(selection.source))
            if holds:
                found.append(node)
            return holds

    module.visit(Visitor())
    return found
