"""What a Python function does as far as its text shows: calls, raises, results, reads, writes, complexity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codecompose_ls.assistants.selection import one_line

if TYPE_CHECKING:
    import libcst as cst

#: A set that keeps its order.
Names = dict[str, None]


@dataclass(slots=True)
class Behaviour:
    """Names and expressions in order of appearance, each once."""

    calls: Names = field(default_factory=dict)
    raises: Names = field(default_factory=dict)
    returns: Names = field(default_factory=dict)
    yields: Names = field(default_factory=dict)
    #: Globals, and attributes of globals and parameters; what is called is in `calls` alone.
    reads: Names = field(default_factory=dict)
    writes: Names = field(default_factory=dict)
    #: McCabe: 1, and one for each if, loop, except, case, and/or, conditional expression and comprehension.
    complexity: int = 1


def behaviour(function: cst.FunctionDef) -> Behaviour:
    """Read a function. Functions nested in it count as part of it, except for what they return and yield."""
    import libcst as cst
    from libcst.metadata import MetadataWrapper, ScopeProvider

    from codecompose_ls.assistants.reader import Reader

    # Alone in a module of its own, whatever the function does not bind is global or built in.
    wrapper = MetadataWrapper(cst.Module(body=[function.with_changes(decorators=())]), unsafe_skip_copy=True)
    reader = Reader(wrapper.resolve(ScopeProvider))
    wrapper.module.visit(reader)
    return reader.found


def dotted(node: cst.CSTNode) -> str | None:
    """Return `a.b.c` for a chain of names, or None for anything else."""
    import libcst as cst

    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr.value}" if base else None
    return None


def callee(node: cst.CSTNode) -> str:
    """Name what is called; where it hangs on an expression, only the last name is said: `"".join` is `....join`."""
    import libcst as cst

    if isinstance(node, cst.Attribute):
        return dotted(node) or f"....{node.attr.value}"
    return dotted(node) or text_of(node)


def root(node: cst.CSTNode) -> cst.CSTNode:
    """Return what a chain of attributes and items hangs on."""
    import libcst as cst

    while isinstance(node, cst.Attribute | cst.Subscript):
        node = node.value
    return node


def text_of(node: cst.CSTNode | None) -> str:
    """Return a value's source on one line; nothing returned is None."""
    return one_line(node) if node is not None else "None"
