"""How a text is read by its language's grammar: definitions, errors, and what stands in what.

By tree-sitter, which reads texts that do not parse, too. Offsets are code points. Knows nothing of assistants.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codecompose_ls.completion.scope import parser_for

if TYPE_CHECKING:
    from tree_sitter import Node

#: Nodes that define something with a body, in the grammars we ship.
_FUNCTIONS = frozenset(
    (
        *("function_definition", "function_declaration", "function_item", "method_definition", "method_declaration"),
        *("generator_function_declaration", "constructor_declaration", "arrow_function", "function_expression"),
    )
)
_TYPES = frozenset(
    (
        *("class_definition", "class_declaration", "abstract_class_declaration", "class_specifier", "struct_specifier"),
        *("interface_declaration", "enum_declaration", "record_declaration", "enum_item", "struct_item", "trait_item"),
        *("impl_item", "mod_item", "type_declaration", "namespace_definition"),
    )
)
#: What belongs to the definition in it.
_WRAPPERS = frozenset(
    (
        *("decorated_definition", "export_statement", "template_declaration", "variable_declarator"),
        *("lexical_declaration", "variable_declaration"),
    )
)


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class at text[start:end]; `name` is qualified by the classes around it, as `Account.move`."""

    name: str
    start: int
    end: int
    #: Where its body begins; `end` where it has none.
    body: int


class Syntax:
    """A text and its tree."""

    def __init__(self, text: str, language: str) -> None:
        """Parse; raises `LookupError` for a language without a grammar."""
        parser = parser_for(language)
        if parser is None:
            raise LookupError(language)
        self.text, self.language = text, language
        self._bytes = text.encode("utf-8", "replace")
        # Where each line begins, in bytes and in characters: a short way between the two.
        self._byte_starts, self._starts = [0], [0]
        for line in text.split("\n"):
            self._byte_starts.append(self._byte_starts[-1] + len(line.encode("utf-8", "replace")) + 1)
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._root = parser.parse(self._bytes).root_node

    def definition(self, start: int, end: int) -> Definition | None:
        """Return the innermost definition that holds text[start:end], with its decorators."""
        node: Node | None = self._covering(start, end)
        while node is not None and not _defines(node):
            wrapped = next(_outermost(node, 0, len(self._bytes)), None) if node.type in _WRAPPERS else None
            node = wrapped or node.parent
        return None if node is None else self._definition(node)

    def statement(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the span of the outermost statement that holds text[start:end], if one does."""
        node: Node | None = self._covering(start, end)
        while node is not None and node.parent is not None and node.parent.parent is not None:
            node = node.parent
        if node is None or node.parent is None:
            return None
        return self._offset(node.start_byte), self._offset(node.end_byte)

    def definitions(self, start: int, end: int) -> list[Definition]:
        """Return the outermost definitions in text[start:end] and the members of classes among them, in order."""
        first, last = self._byte(start), self._byte(end)
        return [self._definition(node) for node in _outermost(self._root, first, last)]

    def errors(self) -> list[int]:
        """Return where the text does not parse: the offset of each place, in order."""
        if not self._root.has_error:
            return []
        found = (node for node in _walk(self._root) if node.is_error or node.is_missing)
        return [self._offset(node.start_byte) for node in found]

    def ancestors(self, offset: int) -> tuple[str, ...]:
        """Return the kinds of the nodes around the first thing at or after an offset, from the inside out."""
        byte = self._byte(offset)
        byte += len(self._bytes[byte:]) - len(self._bytes[byte:].lstrip())
        node: Node | None = self._root.descendant_for_byte_range(byte, min(byte + 1, len(self._bytes)))
        kinds = []
        while node is not None:
            kinds.append(node.type)
            node = node.parent
        return tuple(kinds)

    def enclosing(self, start: int, end: int) -> tuple[str, ...]:
        """Return the names of the definitions that text[start:end] is part of, from the inside out."""
        first, last = self._byte(start), self._byte(end)
        node: Node | None = self._root.descendant_for_byte_range(*self._trimmed(first, last))
        names = []
        while node is not None:
            if _defines(node) and (node.start_byte < first or node.end_byte > last):
                names.append(_name(node))
            node = node.parent
        return tuple(names)

    def code(self, start: int, end: int) -> list[str]:
        """Return the tokens of text[start:end] but for comments and docstrings."""
        first, last = self._byte(start), self._byte(end)
        return [
            self._bytes[leaf.start_byte : leaf.end_byte].decode("utf-8", "replace")
            for leaf in _leaves(self._root, docstrings=self.language == "python")
            if first <= leaf.start_byte and leaf.end_byte <= last and leaf.end_byte > leaf.start_byte
        ]

    def in_string(self, offset: int) -> bool:
        """Return whether an offset is in the midst of a string or a comment."""
        byte = self._byte(offset)
        node: Node | None = self._root.descendant_for_byte_range(byte, byte)
        while node is not None:
            if node.start_byte < byte < node.end_byte and any(word in node.type for word in ("string", "comment")):
                return True
            node = node.parent
        return False

    def _trimmed(self, first: int, last: int) -> tuple[int, int]:
        found = self._bytes[first:last]
        if not found.strip():
            return first, first
        return first + len(found) - len(found.lstrip()), last - len(found) + len(found.rstrip())

    def _covering(self, start: int, end: int) -> Node | None:
        return self._root.descendant_for_byte_range(self._byte(start), self._byte(end))

    def _definition(self, node: Node) -> Definition:
        body = node.child_by_field_name("body")
        outer, names = node.parent, [_name(node)]
        while outer is not None:
            if outer.type in _TYPES:
                names.append(_name(outer))
            outer = outer.parent
        outermost = node
        while outermost.parent is not None and outermost.parent.type in _WRAPPERS:
            outermost = outermost.parent
        start, end = self._offset(outermost.start_byte), self._offset(outermost.end_byte)
        return Definition(".".join(reversed(names)), start, end, self._offset(body.start_byte) if body else end)

    def _byte(self, offset: int) -> int:
        line = bisect_right(self._starts, offset) - 1
        start = self._starts[line]
        return min(self._byte_starts[line] + len(self.text[start:offset].encode("utf-8", "replace")), len(self._bytes))

    def _offset(self, byte: int) -> int:
        line = bisect_right(self._byte_starts, byte) - 1
        start = self._byte_starts[line]
        return min(self._starts[line] + len(self._bytes[start:byte].decode("utf-8", "replace")), len(self.text))


def syntax(text: str, language: str) -> Syntax | None:
    """Parse a text; None for a language without a grammar."""
    try:
        return Syntax(text, language)
    except LookupError:
        return None


def _defines(node: Node) -> bool:
    if node.type in ("arrow_function", "function_expression"):
        return node.parent is not None and node.parent.type == "variable_declarator"
    if node.type in _TYPES and node.type != "type_declaration":
        # In C `struct S *` names a type, too.
        return node.child_by_field_name("body") is not None
    return node.type in _FUNCTIONS or node.type == "type_declaration"


def _name(node: Node) -> str:
    if node.type in ("arrow_function", "function_expression") and node.parent is not None:
        node = node.parent
    if node.type == "type_declaration":
        node = next((child for child in node.named_children if child.type == "type_spec"), node)
    found: Node | None = node
    # C names what it declares at the bottom of declarators.
    while found is not None and not found.type.endswith("identifier"):
        inner = None
        for field in ("name", "declarator", "type"):
            inner = inner or found.child_by_field_name(field)
        found = inner
    return found.text.decode("utf-8", "replace") if found is not None and found.text else ""


def _outermost(root: Node, first: int, last: int) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        inside = first <= node.start_byte and node.end_byte <= last
        found = inside and _defines(node)
        if found:
            yield node
        if not found or node.type in _TYPES:
            overlapping = (child for child in node.children if child.end_byte > first and child.start_byte < last)
            pending += reversed(list(overlapping))


def _walk(node: Node) -> Iterator[Node]:
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(node.children)


def _leaves(node: Node, *, docstrings: bool) -> Iterator[Node]:
    """Yield the tokens but for comments and, where there are such, docstrings."""
    pending = [node]
    while pending:
        node = pending.pop()
        if "comment" in node.type or (docstrings and _is_docstring(node)):
            continue
        if node.children:
            pending += reversed(node.children)
        else:
            yield node


def _is_docstring(node: Node) -> bool:
    """Return whether a statement is a string alone; one with code in it (f"{...}") is none."""
    if node.type != "expression_statement" or [child.type for child in node.children] != ["string"]:
        return False
    return all(child.type != "interpolation" for child in node.children[0].children)
