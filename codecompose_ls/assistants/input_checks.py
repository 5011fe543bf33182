"""Add input checks to a Python function, from its annotations and from what its docstring says plainly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codecompose_ls.assistants.annotations import Accepted, Annotations, literal
from codecompose_ls.assistants.docstring_hints import Hint, hints
from codecompose_ls.assistants.selection import Selection, Unparsable, select

if TYPE_CHECKING:
    import libcst as cst


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `start` to `end` (code points of the source) with `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check: raise `error` with `rule` about `parameter` when `condition` holds."""

    parameter: str
    condition: str
    error: str
    rule: str
    #: What the message says was given: "type", "value" or nothing.
    given: str


def add_input_checks(source: str, start: int, end: int) -> Edit | None:
    """Check the parameters of the innermost function around the selection, right after its docstring.

    Returns None when there is nothing to add: no function, a stub, every parameter checked already, no annotation or
    rule that can be checked, or text that does not parse. Applied twice, the second time adds nothing.
    """
    import libcst as cst

    try:
        selection = select(source, start, end)
        function = selection.definition
        if not isinstance(function, cst.FunctionDef) or _is_stub(function):
            return None
        checks = list(_checks(selection, function))
        edit = _edit(selection, function, checks) if checks else None
        if edit is not None:
            cst.parse_module(source[: edit.start] + edit.text + source[edit.end :])
    except (Unparsable, cst.ParserSyntaxError):
        return None
    return edit


def _is_stub(function: cst.FunctionDef) -> bool:
    """Return whether the body does nothing: `...`, `pass`, a docstring, or raising NotImplementedError."""
    import libcst as cst

    if any("overload" in cst.Module(body=()).code_for_node(decorator) for decorator in function.decorators):
        return True
    for line in function.body.body:
        if not isinstance(line, cst.SimpleStatementLine | cst.BaseSmallStatement):
            return False
        for statement in line.body if isinstance(line, cst.SimpleStatementLine) else (line,):
            if isinstance(statement, cst.Pass):
                continue
            if isinstance(statement, cst.Expr) and isinstance(
                statement.value, cst.Ellipsis | cst.SimpleString | cst.ConcatenatedString
            ):
                continue
            if isinstance(statement, cst.Raise) and _names(statement) <= {"NotImplementedError"}:
                continue
            return False
    return True


def _names(node: cst.CSTNode) -> set[str]:
    """Return every name that is read or written in a node."""
    import libcst as cst

    found: set[str] = set()

    class Visitor(cst.CSTVisitor):
        def visit_Name(self, node: cst.Name) -> None:
            found.add(node.value)

    node.visit(Visitor())
    return found


def _checks(selection: Selection, function: cst.FunctionDef) -> Iterator[Check]:
    annotations = Annotations(selection, function)
    docstring = function.get_docstring() or ""
    checked = _checked(function)
    for parameter in _parameters(selection, function):
        name = parameter.name.value
        if name in checked:
            continue
        accepted = annotations.accepted(parameter.annotation.annotation) if parameter.annotation else None
        if parameter.annotation is not None and accepted is None:
            continue
        for check in _parameter_checks(parameter, accepted, hints(docstring, name)):
            called = re.findall(r"\b(isinstance|len)\(", check.condition)
            if all(annotations.is_builtin(word) for word in (*called, check.error)):
                nameless = check.given == "type" and not annotations.is_builtin("type")
                yield Check(name, check.condition, check.error, check.rule, "" if nameless else check.given)


def _parameters(selection: Selection, function: cst.FunctionDef) -> list[cst.Param]:
    """Return the named parameters, without the `self` or `cls` of a method."""
    import libcst as cst

    positional = [*function.params.posonly_params, *function.params.params]
    is_method = bool(selection.enclosing) and isinstance(selection.enclosing[-1], cst.ClassDef)
    if is_method and not any("staticmethod" in _names(decorator) for decorator in function.decorators):
        positional = positional[1:]
    return [*positional, *function.params.kwonly_params]


def _checked(function: cst.FunctionDef) -> set[str]:
    """Return the names that the body already asks about: in `isinstance`, in `assert`, or in an `if` that raises."""
    import libcst as cst

    found: set[str] = set()

    class Visitor(cst.CSTVisitor):
        def visit_Call(self, node: cst.Call) -> None:
            if isinstance(node.func, cst.Name) and node.func.value in ("isinstance", "issubclass", "callable"):
                found.update(_names(node))

        def visit_Assert(self, node: cst.Assert) -> None:
            found.update(_names(node.test))

        def visit_If(self, node: cst.If) -> None:
            if any(isinstance(inner, cst.Raise) for inner in _descendants(node)):
                found.update(_names(node.test))

        def visit_Match(self, node: cst.Match) -> None:
            found.update(_names(node.subject))

    function.body.visit(Visitor())
    return found


def _descendants(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for child in node.children:
        yield child
        yield from _descendants(child)


def _parameter_checks(parameter: cst.Param, accepted: Accepted | None, rules: list[Hint]) -> Iterator[Check]:
    name = parameter.name.value
    known, default = literal(parameter.default) if parameter.default is not None else (True, None)
    none = parameter.default is not None and known and default is None
    if accepted is not None and (none or accepted.none):
        accepted, none = accepted | Accepted(none=True), True
    if not known:
        return
    has_default = parameter.default is not None
    if accepted is not None and (accepted.classes or accepted.literals):
        if has_default and not accepted.takes(default):
            return
        yield _type_check(name, accepted)
    for hint in rules:
        if not _makes_sense(hint, accepted):
            continue
        if has_default and default is not None and _refuses(hint, default):
            continue
        guard = f"{name} is not None and " if none or hint.none else ""
        yield Check(name, guard + hint.condition.format(name), "ValueError", hint.rule, "value")


def _type_check(name: str, accepted: Accepted) -> Check:
    conditions = [f"{name} is not None"] if accepted.none else []
    said = [spelling for spelling, _ in accepted.classes]
    if accepted.classes:
        kinds = said[0] if len(said) == 1 else f"({', '.join(said)})"
        conditions.append(f"not isinstance({name}, {kinds})")
    values = [spelling for spelling, _ in accepted.literals]
    if values:
        conditions.append(f"{name} not in ({', '.join(values)})" if len(values) > 1 else f"{name} != {values[0]}")
    said += values + (["None"] if accepted.none else [])
    rule = "must be " + (f"{', '.join(said[:-1])} or {said[-1]}" if len(said) > 1 else said[0])
    error, given = ("TypeError", "type") if accepted.classes else ("ValueError", "value")
    return Check(name, " and ".join(conditions), error, rule, given)


def _makes_sense(hint: Hint, accepted: Accepted | None) -> bool:
    """Return whether everything the annotation lets through can be compared as the rule does."""
    if accepted is None:
        return True
    if hint.needs == "any":
        return not accepted.literals
    if hint.needs == "number":
        return bool(accepted.classes) and all(kind in (int, float) for _, kind in accepted.classes)
    return bool(accepted.classes) and all(getattr(kind, "__len__", None) for _, kind in accepted.classes)


def _refuses(hint: Hint, default: object) -> bool:
    try:
        return hint.refuses(default)
    except TypeError:
        return True


def _edit(selection: Selection, function: cst.FunctionDef, checks: list[Check]) -> Edit | None:
    """Put the checks before the first statement after the docstring, and before the comments that lead to it."""
    import libcst as cst

    source, unit, newline = selection.source, selection.module.default_indent, selection.module.default_newline
    above, below = selection.span(function)[0], selection.span(function.body.body[0])[0]
    has_docstring = function.get_docstring(clean=False) is not None
    if not isinstance(function.body, cst.IndentedBlock):
        # `def f(x): return x`: the body moves to a line of its own.
        if has_docstring:
            return None
        indentation = _indentation(selection, above) + unit
        colon = source.rindex(":", 0, below)
        return Edit(colon + 1, below, newline + _source(checks, indentation, unit, newline) + indentation)
    indentation = _indentation(selection, below)
    if has_docstring:
        line, statement = function.body.body[:2]
        if len(getattr(line, "body", ())) > 1:
            return None
        above, below = selection.span(line)[1] - 1, selection.span(statement)[0]
    begin = _first_line(selection, above=above, below=below)
    return Edit(begin, begin, _source(checks, indentation, unit, newline))


def _indentation(selection: Selection, offset: int) -> str:
    line = selection.source[selection.line_start(offset) :]
    return line[: len(line) - len(line.lstrip(" \t\f"))]


def _first_line(selection: Selection, *, above: int, below: int) -> int:
    """Return the start of the line of `below`, or of the topmost comment between the lines of `above` and `below`."""
    stop = selection.line_start(above)
    first = line = selection.line_start(below)
    while line > stop:
        before = selection.line_start(line - 1)
        text = selection.source[before:line].strip()
        if before <= stop or (text and not text.startswith("#")):
            break
        first = before if text else first
        line = before
    return first


def _source(checks: list[Check], indentation: str, unit: str, newline: str) -> str:
    lines = []
    for check in checks:
        lines.append(f"{indentation}if {check.condition}:")
        lines.append(f"{indentation}{unit}raise {check.error}({_message(check)})")
    return "".join(line + newline for line in lines)


def _message(check: Check) -> str:
    given = {"type": f", not {{type({check.parameter}).__name__}}", "value": f", not {{{check.parameter}!r}}"}
    text = f"{check.parameter} {check.rule}".replace("\\", "\\\\").replace('"', "'")
    if not check.given:
        return f'"{text}"'
    return f'f"{text.replace("{", "{{").replace("}", "}}")}{given[check.given]}"'
