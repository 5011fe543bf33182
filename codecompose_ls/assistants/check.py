"""What must hold of an edit before it is offered: the file is still read as before, all around the edit.

the file parses wherever it did, what stands before and after the edit is still what it was, and every name that
the edited code defined is still defined
"""

from __future__ import annotations

import re

from codecompose_ls.assistants.reply import Unfit
from codecompose_ls.assistants.syntax import Syntax, syntax
from codecompose_ls.backends.masking import MASK
from codecompose_ls.completion.brackets import balance

#: What no code needs, and what makes code look like other code (CVE-2021-42574).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_INDENTATION = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)


def check(text: str, start: int, end: int, new: str, *, language: str, comments_only: bool = False) -> None:
    """Check that `new` may take the place of text[start:end]. Raises `Unfit` with the reason."""
    given = text[start:end]
    if not new.strip():
        raise Unfit("the answer holds no code")
    if _lines(new) == _lines(given):
        raise Unfit("the answer changes nothing")
    if found := set(_CONTROL.findall(new)).difference(given):
        raise Unfit(f"the answer holds the control character U+{ord(min(found)):04X}")
    if MASK in new and MASK not in given:
        raise Unfit("the answer holds asterisks in place of a secret that was masked")
    _check_indentation(given, new)
    after = text[:start] + new + text[end:]
    old_tree, new_tree = syntax(text, language), syntax(after, language)
    if old_tree is None or new_tree is None:
        _check_brackets(given, new, language)
        if comments_only:
            raise Unfit(f"nothing but comments may change, which cannot be checked for {language}")
        return
    _check_trees(old_tree, new_tree, (start, end), (start, start + len(new)))
    if language == "python" and _is_python(text) and not _is_python(after):
        raise Unfit("the file would not parse as Python any more")
    if comments_only and old_tree.code(start, end) != new_tree.code(start, start + len(new)):
        raise Unfit("the answer changes code, and not only comments and docstrings")


def check_file(text: str, *, language: str) -> None:
    """Check that a new file parses. Raises `Unfit`."""
    if _CONTROL.search(text):
        raise Unfit("the answer holds control characters")
    tree = syntax(text, language)
    if tree is not None and tree.errors():
        raise Unfit(f"the answer does not parse as {language}")
    if language == "python" and not _is_python(text):
        raise Unfit("the answer does not parse as Python")
    if tree is None:
        _check_brackets("", text, language)


def _check_trees(old: Syntax, new: Syntax, given: tuple[int, int], made: tuple[int, int]) -> None:
    before, after = old.errors(), new.errors()
    inside_before = sum(given[0] <= place <= given[1] for place in before)
    inside_after = sum(made[0] <= place <= made[1] for place in after)
    if inside_after > inside_before or len(after) - inside_after > len(before) - inside_before:
        raise Unfit("the file would not parse any more where it did")
    followed = bool(old.text[given[1] :].strip()) and not before
    if followed and old.ancestors(given[1]) != new.ancestors(made[1]):
        raise Unfit("what follows the edit would be read in another way")
    if not before and old.enclosing(*given) != new.enclosing(*made):
        raise Unfit("the answer leaves the block that the code is in")
    if old.language == "python" and _depth(new, *made) < _depth(old, *given):
        raise Unfit("the answer leaves the block that the code is in")
    defined = {one.name for one in new.definitions(*made)}
    lost = [one.name for one in old.definitions(*given) if one.name not in defined and _is_public(one.name)]
    if lost:
        raise Unfit(f"the answer does not define '{lost[0]}' any more")


def _depth(tree: Syntax, start: int, end: int) -> int:
    """Return the indentation of the line that is indented least, lines within strings aside."""
    depths, at = [], start
    for line in tree.text[start:end].split("\n"):
        if line.strip() and not tree.in_string(at):
            depths.append(len(line.expandtabs()) - len(line.expandtabs().lstrip(" ")))
        at += len(line) + 1
    return min(depths, default=0)


def _is_public(name: str) -> bool:
    """Return whether others may use a name: dunder methods are called by the language."""
    last = name.rpartition(".")[2]
    return bool(last) and (not last.startswith(("_", "#")) or last.endswith("__") or "." not in name)


def _check_indentation(given: str, new: str) -> None:
    old, now = _first_indentation(given), _first_indentation(new)
    if old != now:
        raise Unfit("the answer is indented in another way than the code")
    kinds = [{"\t" in found for found in _INDENTATION.findall(text)} for text in (given, new)]
    if len(kinds[0]) == 1 and kinds[1] - kinds[0] and kinds[1] & kinds[0]:
        raise Unfit("the answer mixes tabs and spaces")


def _first_indentation(text: str) -> str:
    line = next((line for line in text.split("\n") if line.strip()), "")
    return line[: len(line) - len(line.lstrip(" \t"))]


def _check_brackets(given: str, new: str, language: str) -> None:
    """Without a grammar: the answer opens and closes what the code did."""
    old, now = balance(given, language=language), balance(new, language=language)
    if old.open != now.open or [mark.char for mark in old.stray] != [mark.char for mark in now.stray]:
        raise Unfit("the answer leaves brackets or quotes open")


def _is_python(text: str) -> bool:
    import libcst as cst

    try:
        cst.parse_module(text)
    except (cst.ParserSyntaxError, RecursionError, UnicodeEncodeError):
        return False
    return True


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").strip("\n").split("\n")
