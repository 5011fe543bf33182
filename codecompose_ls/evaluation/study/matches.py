"""Perfect and abstracted matches of a line that is suggested with the one that was hidden (P-13, P-14)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.study.syntax import Role, Word, words

_TOKEN = re.compile(r"\w+|[^\w\s]")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where among the candidates, from 1, the first match is; None where there is none.

    `abstracted` is None, too, where the language has no grammar here; `is_abstracted` says which of both it is.
    """

    perfect: int | None
    abstracted: int | None
    is_abstracted: bool


def ranks(case: Case, candidates: Sequence[str]) -> Ranks:
    """Return the first perfect and the first abstracted match of a case among its candidates, best first."""
    wanted, masked = spaced(case, case.hidden), abstracted(case, case.hidden)
    perfect = [spaced(case, text) == wanted for text in candidates]
    if masked is None:
        return Ranks(_first(perfect), None, False)
    alike = [
        is_perfect or abstracted(case, text) == masked for text, is_perfect in zip(candidates, perfect, strict=True)
    ]
    return Ranks(_first(perfect), _first(alike), True)


def spaced(case: Case, text: str) -> str:
    """Return a line with single spaces between its lexical tokens; what indents it stays where that has a meaning."""
    return _indent(case, text) + " ".join(_TOKEN.findall(text))


def abstracted(case: Case, text: str) -> str | None:
    """Return a line with names and literals masked by what they are, in the place of the hidden one; None: no grammar.

    As src2abs (Tufano et al. 2019) without its numbers: the seed does not tell objects of one type from each other.
    """
    found = _words(case, text)
    if found is None:
        return None
    return _indent(case, text) + " ".join(word.text if word.role is Role.TEXT else word.role.value for word in found)


def identifiers(case: Case, text: str) -> list[str]:
    """Return the names of variables and functions in a line, in order; without a grammar, all its words."""
    found = _words(case, text)
    if found is None:
        return _IDENTIFIER.findall(text)
    return [word.text for word in found if word.role in (Role.VARIABLE, Role.METHOD)]


def _words(case: Case, text: str) -> list[Word] | None:
    text = text.rstrip()
    whole = case.text[: case.offset] + text + case.text[case.offset :]
    return words(whole, case.offset, case.offset + len(text), language=case.language)


def _indent(case: Case, text: str) -> str:
    if case.language != "python" or case.kind is not Kind.LINE_START:
        return ""
    return text[: len(text) - len(text.lstrip())]


def _first(matches: Sequence[bool]) -> int | None:
    return next((place for place, match in enumerate(matches, 1) if match), None)
