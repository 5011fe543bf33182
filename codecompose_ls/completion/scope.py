"""Where more than one line may be suggested: a cursor that opens a scope or stands on a blank line at the end of one.

After multi-line CodeCompose (Dunay et al. 2024): only there does a block push no existing code away, and only up to the
scope's end. A half-written statement is finished first, as a single line. Indentation tells where scopes end (so any
language works, also while it does not parse); tree-sitter, where we ship the grammar, that the cursor is in code and
not in a string, a comment or a list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from codecompose_ls.languages import LANGUAGES

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

#: What opens a scope at the end of a line.
_OPENERS = {
    "python": re.compile(
        r"^\s*(?:async\s+)?(?:def|class|if|elif|else|for|while|with|try|except|finally|match|case)\b.*:$|^\s*\).*:$"
    ),
    "ruby": re.compile(
        r"^\s*(?:def|class|module|if|unless|while|until|case|begin|else|elsif|when|rescue)\b|\bdo(?:\s*\|[^|]*\|)?$"
    ),
    "lua": re.compile(r"\b(?:then|do|else|repeat|function\s*[\w.:]*\s*\([^)]*\))$"),
    "shellscript": re.compile(r"(?:\b(?:then|do|else)|\{)$"),
}
_BRACE = re.compile(r"\{$")
_CLOSER = re.compile(r"[)\]}]|(?:end|fi|done|esac)\b")
#: Lines that go on with the statement above them at the same indentation.
_CONTINUES = re.compile(r"(?:else|elif|except|finally|catch|case|when|rescue|elsif|ensure)\b")

#: Characters parsed before and after the cursor: a few milliseconds at most.
PARSE_BEFORE, PARSE_AFTER = 12_000, 3_000
TAB_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """The lines a suggestion may span: those indented by at least `column`.

    `closes`: the scope is opened here and has no closing line yet, so one may end the suggestion.
    """

    column: int
    closes: bool = False


def width(line: str) -> int:
    """Return the columns a line is indented by."""
    expanded = line.expandtabs(TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip())


def scope_at(text: str, offset: int, *, language: str, tail: str = "") -> Scope | None:
    """Return the scope that a suggestion at `offset` may fill, or None for a single line; `tail` is as in Window."""
    start = text.rfind("\n", 0, offset) + 1
    line = text[start:offset]
    end = offset + len(tail)
    if text[end : end + 1].strip():
        return None
    following = _next_line(text, end)
    opened = _opens(line, language=language)
    scope = _opened(line, following, tail=tail) if opened else _ended(text[:start], line, following, tail=tail)
    return scope if scope and _in_code(text, offset, language=language) else None


def _opens(line: str, *, language: str) -> bool:
    return bool(line.strip() and _OPENERS.get(language, _BRACE).search(line.rstrip()))


def _opened(line: str, following: str | None, *, tail: str) -> Scope | None:
    """Return the scope a line opens, unless it has a body already."""
    if following is not None and width(following) > width(line):
        return None
    closer = following is not None and width(following) == width(line) and bool(_CLOSER.match(following.strip()))
    return Scope(width(line) + 1, closes=line.rstrip().endswith("{") and not tail.strip() and not closer)


def _ended(before: str, line: str, following: str | None, *, tail: str) -> Scope | None:
    """Return the scope whose end a blank line is at, if it is."""
    if line.strip() or tail.strip():
        return None
    column = width(line + "x")
    if following is not None and width(following) >= column:
        return None
    previous = before.rstrip()
    previous = previous[previous.rfind("\n") + 1 :]
    # Deeper than the line above only where that line opens a scope, which is then ours.
    return (
        Scope(column)
        if previous and (width(previous) >= column or previous.endswith((":", "{", "do", "then")))
        else None
    )


def _next_line(text: str, offset: int) -> str | None:
    """Return the first line with anything on it after the one that holds `offset`."""
    for match in re.finditer(r"\n([ \t]*[^\s].*)", text[offset : offset + PARSE_AFTER]):
        return match.group(1)
    return None


@lru_cache
def _parser(grammar: str, variant: str) -> Parser:
    from tree_sitter import Language, Parser

    module = import_module(f"tree_sitter_{grammar}")
    return Parser(Language(getattr(module, variant)()))


def parser_for(language: str) -> Parser | None:
    """Return the language's parser, loaded on first use (about 10 ms), or None when we ship no grammar."""
    known = LANGUAGES.get(language)
    if known is None or known.grammar is None:
        return None
    variants = {"typescript": "language_typescript", "typescriptreact": "language_tsx"}
    return _parser(known.grammar, variants.get(language, "language"))


def _in_code(text: str, offset: int, *, language: str) -> bool:
    """Say whether the innermost thing around the cursor is neither string nor comment nor a list in brackets."""
    parser = parser_for(language)
    if parser is None:
        return True
    start = _parse_start(text, offset)
    before = text[start:offset].encode()
    tree = parser.parse(before + text[offset : offset + PARSE_AFTER].encode())
    # The character before the cursor's white space: right after a node's end, the parser no longer counts it in.
    at = len(before.rstrip()) - 1
    node = tree.root_node.descendant_for_byte_range(max(0, at), len(before))
    while node is not None:
        if any(word in node.type for word in ("string", "comment", "template")):
            return False
        if _open_list(node, before=len(before)):
            return False
        if node.type.endswith(("block", "body", "suite")):
            return True
        node = node.parent
    return True


def _parse_start(text: str, offset: int) -> int:
    """Return where a parse may begin: the text's start, or the first unindented line of the characters parsed."""
    if offset <= PARSE_BEFORE:
        return 0
    match = re.compile(r"^(?=[A-Za-z_@])", re.MULTILINE).search(text, offset - PARSE_BEFORE, offset)
    return match.start() if match else offset - PARSE_BEFORE


def _open_list(node: Node, *, before: int) -> bool:
    """Say whether a bracketed list (or the ruins of one, where the code does not parse) is open at byte `before`."""
    depth = 0
    for child in node.children:
        if child.start_byte >= before:
            break
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(child.type, 0)
    return depth > 0


def leaves(line: str, scope: Scope) -> bool:
    """Say whether a line of a suggestion is outside of its scope."""
    if not line.strip():
        return False
    if scope.column == 0:
        return width(line) == 0 and not _CLOSER.match(line.strip()) and not _CONTINUES.match(line)
    return width(line) < scope.column


def closes(line: str, scope: Scope) -> bool:
    """Say whether a line outside of the scope is the closing line that the scope still lacks."""
    return scope.closes and width(line) == scope.column - 1 and bool(_CLOSER.match(line.strip()))
