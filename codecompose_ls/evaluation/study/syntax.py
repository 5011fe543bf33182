"""What the words of a piece of code are, by tree-sitter: variables, methods, types, literals, comments, keywords."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from codecompose_ls.completion.scope import parser_for
from codecompose_ls.languages import LANGUAGES

if TYPE_CHECKING:
    from tree_sitter import Node


class Role(str, Enum):
    """What a word is; the values stand in its place in abstracted code. `TEXT` is whatever stays as it is."""

    VARIABLE = "VAR"
    METHOD = "METHOD"
    TYPE = "TYPE"
    STRING = "STRING"
    NUMBER = "NUMBER"
    TEXT = "TEXT"


@dataclass(frozen=True, slots=True)
class Word:
    """A leaf of the syntax tree, as far as it is in the span asked for."""

    text: str
    role: Role


_STRING = re.compile(r"string|char(?:acter)?_literal|rune_literal|^regex$")
_NUMBER = re.compile(r"integer|float|number|int_literal|imaginary|decimal|hex_|octal_|binary_.*literal")
_DEFINITION = re.compile(r"function|method|constructor")
#: `a.b`, `a->b`, `a::b`: the last name of it is what is called.
_ACCESS = re.compile(r"attribute|member_expression|selector_expression|field_expression|scoped_identifier|qualified")
_LAST = ("attribute", "property", "field", "name")
_TYPE_PARENTS = frozenset(("type", "generic_type", "superclass", "extends_clause", "class_heritage", "union_type"))
#: Names that other languages have as keywords.
_KEPT = frozenset(("self", "cls"))


def words(text: str, start: int, end: int, *, language: str) -> list[Word] | None:
    """Return the words between two offsets of a file, in order; None where there is no grammar for the language.

    A literal or comment that the span does not hold from its beginning to its end keeps its text.
    """
    parser = parser_for(language)
    if parser is None:
        return None
    source, first = text.encode(errors="replace"), len(text[:start].encode(errors="replace"))
    last = first + len(text[start:end].encode(errors="replace"))
    found = []
    for node in _leaves(parser.parse(source).root_node, first, last):
        inside = source[max(first, node.start_byte) : min(last, node.end_byte)].decode(errors="replace").strip()
        whole = first <= node.start_byte and node.end_byte <= last
        if inside:
            found.append(Word(inside, _role(node) if whole else Role.TEXT))
    return found


def without_comments(text: str, *, language: str) -> str:
    """Return the text without comments; without a grammar, without the lines that are nothing but comment."""
    parser = parser_for(language)
    if parser is None:
        mark = re.escape(LANGUAGES[language].line_comment) if language in LANGUAGES else "#"
        return re.sub(rf"(?m)^[ \t]*{mark}.*$", "", text)
    source, kept, at = text.encode(errors="replace"), [], 0
    for node in filter(_is_comment, _leaves(parser.parse(source).root_node, 0, len(source))):
        kept.append(source[at : node.start_byte])
        at = node.end_byte
    return b" ".join([*kept, source[at:]]).decode(errors="replace")


@lru_cache
def keywords(language: str) -> frozenset[str]:
    """Return the words that the language's grammar spells out, in lower case; none without a grammar."""
    parser = parser_for(language)
    grammar = parser.language if parser is not None else None
    if grammar is None:
        return frozenset()
    spelled = [
        grammar.node_kind_for_id(number)
        for number in range(grammar.node_kind_count)
        if grammar.node_kind_is_visible(number) and not grammar.node_kind_is_named(number)
    ]
    return frozenset(kind.lower() for kind in spelled if kind is not None and kind.isalpha())


def _leaves(root: Node, first: int, last: int) -> Iterator[Node]:
    """Yield the leaves that overlap the bytes from `first` to `last`, in order; strings and comments are leaves."""
    # A stack: an expression of a thousand terms is as many nodes deep.
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.end_byte <= first or node.start_byte >= last:
            continue
        if not node.children or _is_literal(node) or _is_comment(node):
            yield node
        else:
            waiting += reversed(node.children)


def _is_comment(node: Node) -> bool:
    return node.is_named and "comment" in node.type


def _is_literal(node: Node) -> bool:
    return node.is_named and bool(_STRING.search(node.type)) and "identifier" not in node.type


def _role(node: Node) -> Role:
    if not node.is_named:
        return Role.TEXT
    if node.type.endswith("identifier"):
        return _role_of_name(node)
    if _is_literal(node):
        return Role.STRING
    return Role.NUMBER if _NUMBER.search(node.type) else Role.TEXT


def _role_of_name(node: Node) -> Role:
    parent, field = node.parent, _field(node)
    if node.text is not None and node.text.decode(errors="replace") in _KEPT:
        return Role.TEXT
    if parent is None:
        return Role.VARIABLE
    if node.type == "type_identifier" or parent.type in _TYPE_PARENTS or _names_type(parent, field):
        return Role.TYPE
    if (field in ("name", "declarator") and _DEFINITION.search(parent.type)) or field == "macro":
        return Role.METHOD
    if parent.type == "method_invocation" and field == "name":
        return Role.METHOD
    callee = parent if _ACCESS.search(parent.type) and field in _LAST else node
    return Role.METHOD if _field(callee) == "function" else Role.VARIABLE


def _names_type(parent: Node, field: str | None) -> bool:
    """Say whether a name is a class: where it is defined, derived from or made an object of."""
    if parent.type in ("class_definition", "class_declaration", "new_expression") and field in ("name", "constructor"):
        return True
    above = parent.parent
    return parent.type == "argument_list" and above is not None and above.type == "class_definition"


def _field(node: Node) -> str | None:
    """Return the name of the field that a node is of its parent."""
    parent = node.parent
    if parent is None:
        return None
    return next((parent.field_name_for_child(i) for i, child in enumerate(parent.children) if child == node), None)
