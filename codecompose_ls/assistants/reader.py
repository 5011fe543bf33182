"""The visitor that reads what a Python function does. Imports libcst: imported only where something is read."""

from __future__ import annotations

import builtins
from collections.abc import Mapping

import libcst as cst
from libcst.metadata import BuiltinScope, GlobalScope, Scope

from codecompose_ls.assistants.behaviour import Behaviour, Names, callee, dotted, root, text_of

#: What adds one to McCabe's complexity.
_BRANCHES = (
    *(cst.If, cst.IfExp, cst.While, cst.For, cst.CompFor, cst.CompIf, cst.BooleanOperation),
    *(cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase),
)


class Reader(cst.CSTVisitor):
    """Gathers in `found` what a function does; `scopes` are those of its module."""

    def __init__(self, scopes: Mapping[cst.CSTNode, object]) -> None:
        super().__init__()
        self.found = Behaviour()
        self._scopes = scopes
        #: How many functions the place that is read is in.
        self._depth = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        self.found.complexity += isinstance(node, _BRANCHES)
        return super().on_visit(node)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        self._depth += 1
        node.body.visit(self)
        self._depth -= 1
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
        self.found.calls[callee(node.func)] = None
        if dotted(node.func) is None:
            node.func.visit(self)
        for argument in node.args:
            argument.visit(self)
        return False

    def visit_Raise(self, node: cst.Raise) -> bool:
        if node.exc is None:
            self.found.raises["what it caught"] = None
            return False
        call = node.exc if isinstance(node.exc, cst.Call) else None
        self.found.raises[callee(call.func if call else node.exc)] = None
        for argument in call.args if call else ():
            argument.visit(self)
        return False

    def visit_Return(self, node: cst.Return) -> None:
        if self._depth == 1:
            self.found.returns[text_of(node.value)] = None

    def visit_Yield(self, node: cst.Yield) -> None:
        if self._depth == 1:
            value = node.value.item if isinstance(node.value, cst.From) else node.value
            self.found.yields[("from " if isinstance(node.value, cst.From) else "") + text_of(value)] = None

    def visit_Name(self, node: cst.Name) -> None:
        if not hasattr(builtins, node.value) and self._is_from(node, parameters=False):
            self.found.reads[node.value] = None

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        self._touch(node, self.found.reads)
        return False

    def _touch(self, node: cst.Attribute, names: Names) -> None:
        name = dotted(node)
        if name is None:
            node.value.visit(self)
        elif self._is_from(root(node), parameters=True):
            names[name] = None

    def _store(self, node: cst.BaseExpression) -> None:
        if isinstance(node, cst.Tuple | cst.List):
            for element in node.elements:
                self._store(element.value)
        elif isinstance(node, cst.Attribute):
            self._touch(node, self.found.writes)
        elif isinstance(node, cst.Subscript):
            for item in node.slice:
                item.visit(self)
            if self._is_from(root(node.value), parameters=True):
                self.found.writes[f"{text_of(node.value)}[...]"] = None
        elif isinstance(node, cst.Name) and self._is_from(node, parameters=False):
            self.found.writes[node.value] = None

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

    def _is_from(self, name: cst.CSTNode, *, parameters: bool) -> bool:
        """Return whether a name is free in the function or, with `parameters`, also a parameter."""
        scope = self._scopes.get(name)
        if not isinstance(name, cst.Name) or not isinstance(scope, Scope):
            return False
        assignments = scope[name.value]
        if all(isinstance(assignment.scope, GlobalScope | BuiltinScope) for assignment in assignments):
            return True
        return parameters and any(isinstance(getattr(one, "node", None), cst.Param) for one in assignments)
