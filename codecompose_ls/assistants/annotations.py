"""What a Python annotation lets through, as far as it can be checked with `isinstance` or by value.

An annotation with one unknown name in it says nothing: a wrong check is worse than none.
"""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from codecompose_ls.assistants.behaviour import dotted
from codecompose_ls.assistants.selection import Selection

if TYPE_CHECKING:
    import libcst as cst
    from libcst.metadata import Scope

_BUILTINS: dict[str, type] = {
    kind.__name__: kind
    for kind in (int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, range)
}
#: Names in `typing` that stand for a builtin; the check is spelled with the builtin.
_ALIASES: dict[str, type] = {
    "List": list,
    "Dict": dict,
    "Set": set,
    "FrozenSet": frozenset,
    "Tuple": tuple,
    "Text": str,
}
_ABSTRACT = [name for name in abc.__all__ if name != "ByteString"]  # deprecated: to touch it is a warning
_CONCRETE = {
    "collections": ("OrderedDict", "defaultdict", "deque", "Counter"),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "os": ("PathLike",),
    "pathlib": ("Path", "PurePath"),
    "uuid": ("UUID",),
}

#: Classes whose check has to be spelled as the file spells the annotation, by qualified name.
_CLASSES: dict[str, type] = {
    **{f"{module}.{name}": getattr(import_module(module), name) for module in _CONCRETE for name in _CONCRETE[module]},
    **{f"{module}.{name}": getattr(abc, name) for module in ("typing", "collections.abc") for name in _ABSTRACT},
    "typing.AbstractSet": abc.Set,
}
_NUMERIC_TOWER: dict[type, tuple[type, ...]] = {float: (int, float), complex: (int, float, complex)}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is let through: instances of classes, None, some values.

    `classes` maps how a class is spelled in the file to the class; `literals` maps source to value.
    """

    classes: tuple[tuple[str, type], ...] = ()
    none: bool = False
    literals: tuple[tuple[str, Any], ...] = ()

    def __or__(self, other: Accepted) -> Accepted:
        classes = dict.fromkeys((*self.classes, *other.classes))
        literals = dict.fromkeys((*self.literals, *other.literals))
        return Accepted(tuple(classes), self.none or other.none, tuple(literals))

    def takes(self, value: object) -> bool:
        """Return whether a value passes."""
        kinds = tuple(kind for _, kind in self.classes)
        return (self.none and value is None) or isinstance(value, kinds) or value in [v for _, v in self.literals]


class Annotations:
    """Reads annotations in the scope of one function's body, where the checks will stand."""

    def __init__(self, selection: Selection, function: cst.FunctionDef) -> None:
        from libcst.metadata import MetadataWrapper, Scope, ScopeProvider

        scopes = MetadataWrapper(selection.module, unsafe_skip_copy=True).resolve(ScopeProvider)
        scope = scopes[function.body.body[0]]
        assert isinstance(scope, Scope)
        self._scope: Scope = scope
        self._for_typing_only = _imports_for_typing_only(selection.module)

    def is_builtin(self, name: str) -> bool:
        """Return whether a name means the builtin, not something the file calls by the same name."""
        return self._qualified(name) == f"builtins.{name}"

    def accepted(self, annotation: cst.BaseExpression) -> Accepted | None:
        """Return what an annotation lets through, or None when that cannot be told."""
        import libcst as cst

        if isinstance(annotation, cst.SimpleString):
            try:
                return self.accepted(cst.parse_expression(str(annotation.evaluated_value)))
            except cst.ParserSyntaxError:
                return None
        if isinstance(annotation, cst.BinaryOperation) and isinstance(annotation.operator, cst.BitOr):
            return self._union([annotation.left, annotation.right])
        if isinstance(annotation, cst.Subscript):
            return self._subscript(annotation)
        return Accepted(none=True) if dotted(annotation) == "None" else self._class(annotation)

    def _subscript(self, annotation: cst.Subscript) -> Accepted | None:
        import libcst as cst

        arguments = [item.slice.value for item in annotation.slice if isinstance(item.slice, cst.Index)]
        form = self._qualified(dotted(annotation.value) or "")
        if form == "typing.Optional":
            return self._union([*arguments, cst.Name("None")])
        if form == "typing.Union":
            return self._union(arguments)
        if form == "typing.Annotated":
            return self.accepted(arguments[0])
        if form == "typing.Literal":
            return _literals(arguments)
        # What the elements are would cost a loop over all of them.
        return self._class(annotation.value)

    def _union(self, members: list[cst.BaseExpression]) -> Accepted | None:
        whole = Accepted()
        for member in members:
            part = self.accepted(member)
            if part is None:
                return None
            whole |= part
        return whole

    def _class(self, annotation: cst.BaseExpression) -> Accepted | None:
        spelling = dotted(annotation) or ""
        name = self._qualified(spelling) or ""
        module, _, last = name.rpartition(".")
        kind = {"typing": _ALIASES, "builtins": _BUILTINS}.get(module, {}).get(last)
        if kind is not None:
            kinds = _NUMERIC_TOWER.get(kind, (kind,))
            known = all(self.is_builtin(one.__name__) for one in kinds)
            return Accepted(tuple((one.__name__, one) for one in kinds)) if known else None
        if name in _CLASSES and not self._is_for_typing_only(spelling):
            return Accepted(((spelling, _CLASSES[name]),))
        return None

    def _qualified(self, name: str) -> str | None:
        """Return the one qualified name that `name` has in the body's scope, or None."""
        found = {
            one.name.replace("typing_extensions.", "typing.", 1)
            for one in (self._scope.get_qualified_names_for(name) if name else ())
        }
        return found.pop() if len(found) == 1 else None

    def _is_for_typing_only(self, spelling: str) -> bool:
        assignments = self._scope[spelling.split(".")[0]]
        return any(getattr(one, "node", None) in self._for_typing_only for one in assignments)


def _imports_for_typing_only(module: cst.Module) -> frozenset[cst.CSTNode]:
    """Return the imports under `if TYPE_CHECKING:`, whose names do not exist when the code runs."""
    import libcst as cst

    found: set[cst.CSTNode] = set()

    class Visitor(cst.CSTVisitor):
        inside = False

        def visit_If(self, node: cst.If) -> bool:
            before, self.inside = self.inside, self.inside or (dotted(node.test) or "").endswith("TYPE_CHECKING")
            node.body.visit(self)
            self.inside = before
            if node.orelse is not None:
                node.orelse.visit(self)
            return False

        def visit_Import(self, node: cst.Import) -> None:
            found.update({node} if self.inside else ())

        def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
            found.update({node} if self.inside else ())

    module.visit(Visitor())
    return frozenset(found)


def _literals(arguments: list[cst.BaseExpression]) -> Accepted | None:
    values: dict[str, Any] = {}
    for argument in arguments:
        known, value = literal(argument)
        if not known:
            return None
        values[_spelled(value)] = value
    none = values.pop("None", 0) is None
    return Accepted(none=none, literals=tuple(values.items()))


def literal(node: cst.BaseExpression) -> tuple[bool, Any]:
    """Return whether an expression is a literal, and its value."""
    import ast

    import libcst as cst

    try:
        return True, ast.literal_eval(cst.Module(body=()).code_for_node(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def _spelled(value: object) -> str:
    """Return a literal's source with double quotes where that needs no escapes."""
    text = repr(value)
    return f'"{text[1:-1]}"' if isinstance(value, str) and text[0] == "'" and '"' not in text else text
