"""Where more than one line may be suggested: a cursor that opens a scope or stands on a blank line at the end of one.

After multi-line CodeCompose (Dunay et al. 2024): only there does a block push no existing code away, and only up to the
scope's end. A half-written statement is finished first, as a single line. Indentation tells where scopes end (so any
language works, also while it does not parse); tree-sitter, where we ship the grammar, tells that the cursor is in code
and not in a string, a comment or a list.
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

#: What opens a scope at the end of a line; `_BRACE` for all languages not named.
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
_CLOSER = re.compile(r"[)\]}]|(?:end|fi|done|esac|until)\b")
#: Lines that go on with the statement above them, and lines that the one below belongs to, at the same indentation.
_CONTINUES = re.compile(r"(?:else|elif|except|finally|catch|case|when|rescue|elsif|ensure)\b")
_LEADS = re.compile(r"@|#|//|/\*|\*")

#: Characters parsed before and after the cursor: a few milliseconds at most.
PARSE_BEFORE, PARSE_AFTER = 12_000, 3_000
TAB_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """The lines a suggestion may span: those indented by at least `column`.

    `closer` is the column of the line that has to close the scope and is not there yet: it may end the suggestion.
    """

    column: int
    closer: int | None = None


def width(line: str) -> int:
    """Return the columns a line is indented by."""
    expanded = line.expandtabs(TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip(" "))


def opens(line: str, *, language: str) -> bool:
    """Say whether a scope begins at the end of this line."""
    return bool(line.strip() and _OPENERS.get(language, _BRACE).search(line.rstrip()))


def scope_at(text: str, offset: int, *, language: str, tail: str = "") -> Scope | None:
    """Return the scope that a suggestion at `offset` may fill, or None for a single line; `tail` is as in Window."""
    end = offset + len(tail)
    if text[end : end + 1].strip():
        return None
    start = text.rfind("\n", 0, offset) + 1
    line, following = text[start:offset], _next_line(text, end)
    if opens(line, language=language):
        scope = _opened(line, following)
    elif line.strip() or tail.strip():
        scope = None
    else:
        scope = _ended(_line_above(text, start), line, following, language=language)
    return scope if scope and _in_code(text, offset, language=language) else None


def _opened(line: str, following: str | None) -> Scope | None:
    """Return the scope a line opens, unless it has a body already."""
    if following is not None and width(following) > width(line):
        return None
    return Scope(width(line) + 1, closer=_missing_closer(line, following))


def _ended(above: str, line: str, following: str | None, *, language: str) -> Scope | None:
    """Return the scope that a blank line stands at the end of, if it does."""
    column = width(line)
    if not above or (following is not None and width(following) >= column and (column or not _CLOSER.match(following))):
        return None
    if opens(above, language=language) and column > width(above):
        return Scope(column, closer=_missing_closer(above, following))
    # Deeper than the line above without a scope being opened there: a continued statement.
    return Scope(column) if width(above) >= column else None


def _missing_closer(opener: str, following: str | None) -> int | None:
    """Return the column where a brace opened at the end of `opener` is to be closed, unless it is in the next line."""
    if not opener.rstrip().endswith("{"):
        return None
    closed = following is not None and width(following) == width(opener) and _CLOSER.match(following.strip())
    return None if closed else width(opener)


def _line_above(text: str, start: int) -> str:
    """Return the last line with anything on it before the one that starts at `start`."""
    before = text[max(0, start - PARSE_BEFORE) : start].rstrip()
    return before[before.rfind("\n") + 1 :]


def _next_line(text: str, offset: int) -> str | None:
    """Return the first line with anything on it after the one that holds `offset`."""
    match = re.search(r"\n([ \t]*[^\s].*)", text[offset : offset + PARSE_AFTER])
    return match.group(1) if match else None


@lru_cache
def parser_for(language: str) -> Parser | None:
    """Return the language's parser, loaded on first use (about 10 ms), or None when there is no grammar for it."""
    known = LANGUAGES.get(language)
    if known is None or known.grammar is None:
        return None
    variants = {"typescript": "language_typescript", "typescriptreact": "language_tsx"}
    try:
        from tree_sitter import Language, Parser

        module = import_module(f"tree_sitter_{known.grammar}")
    except ImportError:
        # No wheel for this machine: indentation does without.
        return None
    return Parser(Language(getattr(module, variants.get(language, "language"))()))


def _in_code(text: str, offset: int, *, language: str) -> bool:
    """Say whether the innermost thing around the cursor is neither a string nor a comment nor a list in brackets."""
    parser = parser_for(language)
    if parser is None:
        return True
    before = text[_parse_start(text, offset) : offset].encode()
    tree = parser.parse(before + text[offset : offset + PARSE_AFTER].encode())
    # From the last character before the cursor: white space after a block's last statement is not in the block's node.
    last = max(0, len(before.rstrip()) - 1)
    node = tree.root_node.descendant_for_byte_range(last, len(before))
    while node is not None:
        if any(word in node.type for word in ("string", "comment", "template")) or _in_list(node, at=len(before)):
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


def _in_list(node: Node, *, at: int) -> bool:
    """Say whether a bracketed list, or what a parse error has left of one, is open at byte `at`."""
    depth = 0
    for child in node.children:
        if child.start_byte >= at:
            break
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(child.type, 0)
    return depth > 0


def leaves(line: str, scope: Scope, *, above: str) -> bool:
    """Say whether a suggested line is outside of its scope; at the top level a scope is one statement."""
    if not line.strip():
        return False
    if scope.column == 0:
        within = width(line) > 0 or _CLOSER.match(line) or _CONTINUES.match(line) or _LEADS.match(above)
        return not within
    return width(line) < scope.column


def closes(line: str, scope: Scope) -> bool:
    """Say whether a suggested line is the closing line that its scope still lacks."""
    return scope.closer == width(line) and bool(_CLOSER.match(line.strip()))
