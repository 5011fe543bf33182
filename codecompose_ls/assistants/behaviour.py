"""What a Python function does as far as its text shows: calls, raises, results, reads, writes, complexity."""

from __future__ import annotations

import builtins
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
    from libcst.metadata import BuiltinScope, GlobalScope, MetadataWrapper, Scope, ScopeProvider

    # Alone in a module of its own, whatever the function does not bind is global or built in.
    wrapper = MetadataWrapper(cst.Module(body=[function.with_changes(decorators=())]), unsafe_skip_copy=True)
    scopes = wrapper.resolve(ScopeProvider)
    found = Behaviour()

    def is_from(name: cst.CSTNode, *, parameters: bool) -> bool:
        """Return whether a name is free in the function or, with `parameters`, also a parameter."""
        scope = scopes.get(name)
        if not isinstance(name, cst.Name) or not isinstance(scope, Scope):
            return False
        assignments = scope[name.value]
        if all(isinstance(assignment.scope, GlobalScope | BuiltinScope) for assignment in assignments):
            return True
        return parameters and any(isinstance(getattr(one, "node", None), cst.Param) for one in assignments)

    branches = (
        *(cst.If, cst.IfExp, cst.While, cst.For, cst.CompFor, cst.CompIf, cst.BooleanOperation),
        *(cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase),
    )

    class Visitor(cst.CSTVisitor):
        depth = 0

        def on_visit(self, node: cst.CSTNode) -> bool:
            found.complexity += isinstance(node, branches)
            return super().on_visit(node)

        def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
            self.depth += 1
            node.body.visit(self)
            self.depth -= 1
            return False

        def visit_Lambda(self, node: cst.Lambda) -> bool:
            node.body.visit(self)
            return False

        def visit_Annotation(self, node: cst.Annotation) -> bool:
            return False

        def visit_Arg(self, node: cst.Arg) -> bool:
            node.value.visit(self)
            return False

        def visit_Call(self, node: cst.Call) -> bool:
            found.calls[callee(node.func)] = None
            if dotted(node.func) is None:
                node.func.visit(self)
            for argument in node.args:
                argument.visit(self)
            return False

        def visit_Raise(self, node: cst.Raise) -> bool:
            if node.exc is None:
                found.raises["what it caught"] = None
                return False
            call = node.exc if isinstance(node.exc, cst.Call) else None
            found.raises[callee(call.func if call else node.exc)] = None
            for argument in call.args if call else ():
                argument.visit(self)
            return False

        def visit_Return(self, node: cst.Return) -> None:
            if self.depth == 1:
                found.returns[_text(node.value)] = None

        def visit_Yield(self, node: cst.Yield) -> None:
            if self.depth == 1:
                value = node.value.item if isinstance(node.value, cst.From) else node.value
                found.yields[("from " if isinstance(node.value, cst.From) else "") + _text(value)] = None

        def visit_Name(self, node: cst.Name) -> None:
            if not hasattr(builtins, node.value) and is_from(node, parameters=False):
                found.reads[node.value] = None

        def visit_Attribute(self, node: cst.Attribute) -> bool:
            self._touch(node, found.reads)
            return False

        def _touch(self, node: cst.Attribute, names: Names) -> None:
            name = dotted(node)
            if name is None:
                node.value.visit(self)
            elif is_from(_root(node), parameters=True):
                names[name] = None

        def _store(self, node: cst.BaseExpression) -> None:
            if isinstance(node, cst.Tuple | cst.List):
                for element in node.elements:
                    self._store(element.value)
            elif isinstance(node, cst.Attribute):
                self._touch(node, found.writes)
            elif isinstance(node, cst.Subscript):
                for item in node.slice:
                    item.visit(self)
                if is_from(_root(node.value), parameters=True):
                    found.writes[f"{_text(node.value)}[...]"] = None
            elif isinstance(node, cst.Name) and is_from(node, parameters=False):
                found.writes[node.value] = None

        def visit_AssignTarget(self, node: cst.AssignTarget) -> bool:
            self._store(node.target)
            return False

        def visit_AnnAssign(self, node: cst.AnnAssign) -> bool:
            self._store(node.target)
            if node.value is not None:
                node.value.visit(self)
            return False

        def visit_AugAssign(self, node: cst.AugAssign) -> bool:
            self._store(node.target)
            node.value.visit(self)
            return False

        def visit_NamedExpr(self, node: cst.NamedExpr) -> bool:
            self._store(node.target)
            node.value.visit(self)
            return False

        def visit_AsName(self, node: cst.AsName) -> bool:
            self._store(node.name)
            return False

        def visit_Del(self, node: cst.Del) -> bool:
            self._store(node.target)
            return False

        def visit_For(self, node: cst.For) -> bool:
            self._store(node.target)
            for part in (node.iter, node.body, node.orelse):
                if part is not None:
                    part.visit(self)
            return False

    wrapper.module.visit(Visitor())
    return found


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
    return dotted(node) or _text(node)


def _root(node: cst.CSTNode) -> cst.CSTNode:
    import libcst as cst

    while isinstance(node, cst.Attribute | cst.Subscript):
        node = node.value
    return node


def _text(node: cst.CSTNode | None) -> str:
    return one_line(node) if node is not None else "None"
