"""Docstring skeletons for Python, from what the code says: signature, annotations, defaults, yields, raises.

Nothing is invented: the summary is the name in words, and what the code does not tell is "...". The style is that of
the file's other docstrings: Google's, NumPy's, reST's, or plain.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codecompose_ls.assistants.behaviour import behaviour
from codecompose_ls.assistants.docstring_styles import UNKNOWN, Facts, Parameter, docstring, style_among
from codecompose_ls.assistants.input_checks import Edit
from codecompose_ls.assistants.selection import Selection, Unparsable, one_line, select

if TYPE_CHECKING:
    import libcst as cst

    from codecompose_ls.assistants.selection import Definition

#: What a generator is annotated with; its first argument is what it yields.
_ITERATED = re.compile(r"(?:\w+\.)*(?:Async)?(?:Iterator|Iterable|Generator)\[(.*)\]")
_LONGEST_DEFAULT = 40


def add_docstrings(source: str, start: int, end: int) -> tuple[Edit, ...]:
    """Return an edit for each definition that lacks a docstring: those selected, or else the innermost one around.

    Empty where there is none, and for text that does not parse.
    """
    import libcst as cst

    try:
        selection = select(source, start, end)
        style, quote = style_among(list(_docstrings(selection.module)))
        undocumented = _undocumented(selection, *sorted((start, end)))
        found = tuple(_edit(selection, one, style, quote, is_method=is_method) for one, is_method in undocumented)
        after = source
        for edit in reversed(found):
            after = after[: edit.start] + edit.text + after[edit.end :]
        cst.parse_module(after)
    except (Unparsable, cst.ParserSyntaxError):
        return ()
    return found


def _docstrings(module: cst.Module) -> Iterator[str]:
    """Yield the source of the docstrings of all functions and classes."""
    import libcst as cst

    found: list[str] = []

    class Visitor(cst.CSTVisitor):
        def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
            self._take(node)

        def visit_ClassDef(self, node: cst.ClassDef) -> None:
            self._take(node)

        def _take(self, node: Definition) -> None:
            first = node.body.body[0] if node.body.body else None
            statement = first.body[0] if isinstance(first, cst.SimpleStatementLine) else None
            if isinstance(statement, cst.Expr) and isinstance(statement.value, cst.SimpleString):
                found.append(statement.value.value)

    module.visit(Visitor())
    yield from found


def _undocumented(selection: Selection, start: int, end: int) -> list[tuple[Definition, bool]]:
    """Return the definitions without a docstring that are wholly selected, or else the innermost one.

    And of each whether it is a method.
    """
    import libcst as cst

    text = selection.source[start:end]
    start, end = start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
    selected: list[tuple[Definition, bool]] = []

    class Visitor(cst.CSTVisitor):
        classes = 0

        def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
            self._take(node)
            # What is nested in a function is its own affair.
            return False

        def visit_ClassDef(self, node: cst.ClassDef) -> None:
            self._take(node)
            self.classes += 1

        def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
            self.classes -= 1

        def _take(self, node: Definition) -> None:
            first, last = selection.span(node)
            if start <= first and last <= end:
                selected.append((node, bool(self.classes)))

    selection.module.visit(Visitor())
    if not selected and selection.definition is not None:
        outer = selection.enclosing[-1] if selection.enclosing else None
        selected = [(selection.definition, isinstance(outer, cst.ClassDef))]
    return [one for one in selected if one[0].get_docstring() is None and not _is_overload(one[0])]


def _is_overload(node: Definition) -> bool:
    return any(one_line(decorator.decorator).rpartition(".")[2] == "overload" for decorator in node.decorators)


def _edit(selection: Selection, node: Definition, style: str, quote: str, *, is_method: bool) -> Edit:
    """Put the docstring before the first statement; a body on the line of its header moves to one of its own."""
    import libcst as cst

    source, unit, newline = selection.source, selection.module.default_indent, selection.module.default_newline
    line = selection.line_start(selection.span(node)[0])
    indentation = source[line : len(source) - len(source[line:].lstrip(" \t\f"))] + unit
    if isinstance(node.body, cst.IndentedBlock):
        indentation = indentation[: -len(unit)] + (node.body.indent or unit)
    facts = _facts(node, is_method=is_method)
    text = newline.join(docstring(facts, style, quote, indentation=indentation, unit=unit))
    first = node.body.body[0]
    below = selection.span(first)[0]
    if not isinstance(node.body, cst.IndentedBlock):
        colon = source.rindex(":", 0, below)
        return Edit(colon + 1, below, f"{newline}{text}{newline}{indentation}")
    # Right below the header: comments above the first statement stay with that.
    above = len(getattr(first, "leading_lines", ()))
    begin = selection.line_starts[bisect_right(selection.line_starts, below) - 1 - above]
    return Edit(begin, begin, f"{text}{newline}")


def _facts(node: Definition, *, is_method: bool) -> Facts:
    import libcst as cst

    summary = _in_words(node.name.value)
    if not isinstance(node, cst.FunctionDef):
        return Facts(summary)
    found = behaviour(node)
    annotated = _annotation(node.returns)
    yields = UNKNOWN if found.yields else ""
    if found.yields and (item := _ITERATED.fullmatch(annotated)):
        yields = _first_argument(item[1])
    returns = annotated if annotated not in ("None", "NoReturn", "Never") else ""
    if not annotated and any(value != "None" for value in found.returns):
        returns = UNKNOWN
    raises = tuple(name for name in found.raises if re.fullmatch(r"[\w.]*[A-Z]\w*", name))
    return Facts(summary, tuple(_parameters(node, is_method=is_method)), "" if yields else returns, yields, raises)


def _in_words(name: str) -> str:
    """Return a name as the first line of a docstring."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+|\d+", {"__init__": "initialize"}.get(name, name)) or [name]
    text = " ".join(word if len(word) > 1 and word.isupper() else word.lower() for word in words)
    return f"{text[0].upper()}{text[1:]}."


def _annotation(node: cst.Annotation | None) -> str:
    """Return an annotation's source, without the quotes around all of it."""
    import libcst as cst

    if node is None:
        return ""
    inner = node.annotation
    return inner.raw_value if isinstance(inner, cst.SimpleString) else one_line(inner)


def _first_argument(arguments: str) -> str:
    depth = 0
    for at, char in enumerate(arguments):
        depth += (char in "[(") - (char in "])")
        if char == "," and depth == 0:
            return arguments[:at].strip()
    return arguments.strip()


def _parameters(function: cst.FunctionDef, *, is_method: bool) -> Iterator[Parameter]:
    import libcst as cst

    params = function.params
    positional = [*params.posonly_params, *params.params]
    is_static = any(one_line(one.decorator) == "staticmethod" for one in function.decorators)
    if is_method and not is_static:
        positional = positional[1:]
    star = [params.star_arg] if isinstance(params.star_arg, cst.Param) else []
    double = [params.star_kwarg] if params.star_kwarg else []
    for param in (*positional, *star, *params.kwonly_params, *double):
        stars = "*" * (param in star) + "**" * (param in double)
        kind = _annotation(param.annotation)
        default = one_line(param.default) if param.default is not None else ""
        yield Parameter(stars + param.name.value, kind, default if len(default) <= _LONGEST_DEFAULT else "")
