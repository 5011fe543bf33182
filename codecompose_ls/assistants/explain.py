"""Explain selected Python by analysis: an outline in Markdown, with nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from codecompose_ls.assistants.behaviour import Behaviour, behaviour, dotted
from codecompose_ls.assistants.outcome import origin
from codecompose_ls.assistants.selection import Selection, Unparsable, one_line, select

if TYPE_CHECKING:
    import libcst as cst

    from codecompose_ls.assistants.selection import Definition

#: Longer lists end in "and N more", longer expressions in "...".
_MOST_ITEMS = 12
_MOST_CHARACTERS = 60
_HOW = "outlined by static analysis of this file alone"


def explain(source: str, start: int, end: int, *, why: str = "") -> str:
    """Outline the innermost function or class around the selection, or else the selected part of the module.

    Offsets are code points. Text that does not parse is answered with the line where the parser stopped. `why` is what
    kept a chat model from it.
    """
    import libcst as cst

    try:
        selection = select(source, start, end)
    except Unparsable as error:
        return f"Nothing to outline: {error}.\n" + f"\n{origin('by static analysis', why=why)}\n" * bool(why)
    if isinstance(selection.definition, cst.FunctionDef):
        lines = _function(selection, selection.definition)
    elif isinstance(selection.definition, cst.ClassDef):
        lines = _class(selection, selection.definition)
    else:
        lines = _module(selection, *sorted((start, end)))
    return "\n".join([*lines, "", origin(_HOW, why=why), ""])


def _function(selection: Selection, function: cst.FunctionDef) -> list[str]:
    found = behaviour(function)
    return [
        f"### {_code(_signature(function))}",
        *_docstring(function),
        "",
        *_place(selection, function),
        *_item("Calls", found.calls),
        *_item("Raises", found.raises),
        *_results(selection, function, found),
        *_item("Reads", found.reads),
        *_item("Writes", found.writes),
        f"- **Complexity**: {found.complexity} (McCabe)",
    ]


def _results(selection: Selection, function: cst.FunctionDef, found: Behaviour) -> list[str]:
    if found.yields:
        return _item("Yields", found.yields) + _item("Returns", found.returns)
    return _item("Returns", found.returns or {"None": None})


def _class(selection: Selection, definition: cst.ClassDef) -> list[str]:
    import libcst as cst

    methods = [node for node in definition.body.body if isinstance(node, cst.FunctionDef)]
    inner = [node.name.value for node in definition.body.body if isinstance(node, cst.ClassDef)]
    behaviours = [behaviour(method) for method in methods]
    complexities = [found.complexity for found in behaviours]
    arguments = ", ".join(one_line(argument).rstrip(", ") for argument in (*definition.bases, *definition.keywords))
    lines = [
        f"### {_code(f'class {definition.name.value}' + (f'({arguments})' if arguments else ''))}",
        *_docstring(definition),
        "",
        *_place(selection, definition),
        *_item("Attributes", _attributes(definition, behaviours)),
        *_item("Classes", inner),
    ]
    if methods:
        lines.append("- **Methods**:")
        lines += [
            f"  - {_code(_signature(method))}, complexity {complexity}{_summary(method)}"
            for method, complexity in zip(methods, complexities, strict=True)
        ]
        highest = methods[complexities.index(max(complexities))].name.value
        lines.append(f"- **Complexity**: {sum(complexities)} (McCabe), the highest {max(complexities)} in `{highest}`")
    return lines


def _attributes(definition: cst.ClassDef, behaviours: Iterable[Behaviour]) -> list[str]:
    """Return what the class body binds, then what its methods bind on `self` and `cls`."""
    import libcst as cst

    names: dict[str, None] = {}
    for line in definition.body.body:
        for statement in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(statement, cst.AnnAssign):
                names[dotted(statement.target) or ""] = None
            elif isinstance(statement, cst.Assign):
                names.update(dict.fromkeys(dotted(target.target) or "" for target in statement.targets))
    for found in behaviours:
        names.update({name.split(".")[1]: None for name in found.writes if re.fullmatch(r"(?:self|cls)\.\w+", name)})
    return [name for name in names if name]


def _module(selection: Selection, start: int, end: int) -> list[str]:
    """Outline the statements the selection touches; an empty one means all of them."""
    import libcst as cst

    imports: dict[str, None] = {}
    names: dict[str, None] = {}
    definitions: list[Definition] = []
    whole = not selection.source[start:end].strip()

    def is_selected(node: cst.CSTNode) -> bool:
        first, last = selection.span(node)
        return whole or (first < end and start < last)

    class Visitor(cst.CSTVisitor):
        def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
            return self._define(node)

        def visit_ClassDef(self, node: cst.ClassDef) -> bool:
            return self._define(node)

        def _define(self, node: Definition) -> bool:
            if is_selected(node):
                definitions.append(node)
            return False

        def visit_Import(self, node: cst.Import) -> None:
            if is_selected(node):
                imports.update(dict.fromkeys(dotted(alias.name) or "" for alias in node.names))

        def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
            if is_selected(node):
                imports["." * len(node.relative) + (dotted(node.module) or "" if node.module else "")] = None

        def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
            if is_selected(node) and (name := dotted(node.target)):
                names[name] = None

        def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
            if is_selected(node) and (name := dotted(node.target)):
                names[name] = None

    selection.module.visit(Visitor())
    first, last = (0, len(selection.source)) if whole else (start, end)
    lines = [f"### Module, {_lines(selection.source, first, last)}"]
    lines += [*(_docstring(selection.module) if whole else ()), "", *_item("Imports", imports), *_item("Names", names)]
    for title, kind in (("Classes", cst.ClassDef), ("Functions", cst.FunctionDef)):
        found = [node for node in definitions if isinstance(node, kind)]
        if found:
            lines.append(f"- **{title}**:")
            lines += [f"  - {_code(_heading(node))}{_summary(node)}" for node in found]
    return lines


def _heading(node: Definition) -> str:
    import libcst as cst

    return _signature(node) if isinstance(node, cst.FunctionDef) else f"class {node.name.value}"


def _signature(function: cst.FunctionDef) -> str:
    asynchronous = "async " if function.asynchronous else ""
    parameters = one_line(function.params).rstrip(", ")
    returns = f" -> {one_line(function.returns.annotation)}" if function.returns else ""
    return f"{asynchronous}def {function.name.value}({parameters}){returns}"


def _place(selection: Selection, node: Definition) -> list[str]:
    where = _lines(selection.source, *selection.span(node))
    if selection.enclosing:
        where += f", in {_code('.'.join(outer.name.value for outer in selection.enclosing))}"
    decorators = [f"@{one_line(decorator.decorator)}" for decorator in node.decorators]
    return [f"- **Where**: {where}", *_item("Decorators", decorators)]


def _lines(source: str, start: int, end: int) -> str:
    first = source.count("\n", 0, start) + 1
    last = source.count("\n", 0, max(start, end - 1)) + 1
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _docstring(node: cst.Module | Definition) -> list[str]:
    first = _first_line(node)
    return ["", f"> {first}"] if first else []


def _summary(node: Definition) -> str:
    first = _first_line(node)
    return f": {first}" if first else ""


def _first_line(node: cst.Module | Definition) -> str:
    return next(iter((node.get_docstring() or "").strip().splitlines()), "").strip()


def _item(title: str, entries: Iterable[str]) -> list[str]:
    entries = list(entries)
    if not entries:
        return []
    more = f" and {len(entries) - _MOST_ITEMS} more" if len(entries) > _MOST_ITEMS else ""
    return [f"- **{title}**: {', '.join(_code(_short(entry)) for entry in entries[:_MOST_ITEMS])}{more}"]


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 3]}..."


def _code(text: str) -> str:
    """Quote code for Markdown; text that has backticks in it takes a longer fence (CommonMark 6.1)."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"
