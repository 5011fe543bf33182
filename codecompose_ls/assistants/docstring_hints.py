"""Rules that a docstring states about a parameter: "must be positive", "must not be empty", "must be one of ..."

Only plain statements count. A sentence with a condition in it ("positive, unless ...") says nothing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any


@dataclass(frozen=True, slots=True)
class Hint:
    """One rule. `condition` is the source of what is refused, with `{}` for the parameter's name."""

    condition: str
    rule: str
    #: "number", "sized" or "any": what the parameter has to be for the condition to make sense.
    needs: str
    refuses: Callable[[Any], bool]
    #: The sentence also lets None through.
    none: bool = False


_CONDITIONAL = re.compile(
    r"(?i)\b(?:if|unless|when|whenever|otherwise|except|depending|only for|or zero|zero or|or 0|or -1|or an?|default"
    # Said of what the parameter holds, not of the parameter.
    r"|values|elements?|items?|entries|each|all)\b"
)
_OR_NONE = re.compile(r"(?i),?\s+or\s+`*None`*")
#: Who must be so: the parameter itself, which leads the sentence or is an "it"; never another name.
_WHO = r"(?:^\s*|[,;:(-]\s*|\b(?:it|this|which|and|value|number|parameter|argument)\s+)"
_MUST = r"(?:must|should|shall|has to|needs? to|is required to)\s+(?:always\s+)?be\s+"
_BE = rf"{_WHO}{_MUST}(?:an?\s+|the\s+)?(?:strictly\s+)?"
_NOT = rf"{_WHO}(?:must\s+not|should\s+not|may\s+not|can\s*not|can't|mustn't)\s+be\s+(?:an?\s+)?"
_A = r"^\s*(?:an?\s+)?(?:strictly\s+)?"
_NUMBER = r"(-?\d+(?:\.\d+)?|zero)"
#: A number with more after it may count something else: "at least 5 characters".
_END = r"(?=\s*(?:$|[,)]|\(?inclusive))"
#: "A positive number means ..." tells what some values do, not which are allowed.
_NO_VERB = (
    r"\b(?!\s+(?:means|will|is|are|indicates|implies|disables|enables|makes|gives|would|can|number\s+(?:means|is)))"
)
_NUMERIC = rf"(?:int|integer|number|float|value){_NO_VERB}"
_SIZED = rf"(?:str|string|list|tuple|dict|mapping|sequence|set|bytes|text|collection){_NO_VERB}"
_QUOTED = r"[`\[({]*(?:'[^'\\]*'|\"[^\"\\]*\")[`\])}]*"

_POSITIVE = re.compile(rf"(?i){_BE}positive\b|{_A}positive\s+{_NUMERIC}")
_NOT_NEGATIVE = re.compile(rf"(?i){_BE}non-?negative\b|{_NOT}negative\b|{_A}non-?negative\s+{_NUMERIC}")
_NOT_EMPTY = re.compile(rf"(?i){_BE}non-?empty\b|{_NOT}empty\b|{_A}non-?empty\s+{_SIZED}")
_BETWEEN = re.compile(
    rf"(?i){_BE}(?:between\s+{_NUMBER}\s+and\s+{_NUMBER}{_END}|in\s+(?:the\s+range\s+)?\[{_NUMBER},\s*{_NUMBER}\])"
)
_ONE_OF = re.compile(rf"(?i){_BE}(?:either|one\s+of)\s*:?\s*({_QUOTED}(?:[,\s]+(?:or\s+|and\s+)?{_QUOTED})+)\s*$")

_GREATER, _LESS = r"(?:greater|larger|more|higher)\s+than", r"(?:less|smaller|fewer|lower)\s+than"
#: Words, the comparison that refuses, and how the message says it; the longer words come first.
_BOUNDS: tuple[tuple[str, str, Callable[[Any, Any], bool], str], ...] = (
    (rf"{_GREATER}\s+or\s+equal\s+to|at\s+least|>=|no\s+less\s+than", "<", operator.lt, "at least"),
    (rf"{_LESS}\s+or\s+equal\s+to|at\s+most|<=|no\s+more\s+than", ">", operator.gt, "at most"),
    (rf"{_GREATER}|above|>", "<=", operator.le, "greater than"),
    (rf"{_LESS}|below|<", ">=", operator.ge, "less than"),
)


def hints(docstring: str, parameter: str) -> list[Hint]:
    """Return the rules a docstring (cleaned of its indentation) states about a parameter."""
    found: dict[str, Hint] = {}
    for sentence in _sentences(docstring, parameter):
        plain = _OR_NONE.sub("", sentence)
        if _CONDITIONAL.search(plain):
            continue
        for hint in _read(plain):
            found.setdefault(hint.condition, replace(hint, none=plain != sentence))
    return list(found.values())


def _sentences(docstring: str, parameter: str) -> Iterator[str]:
    """Yield what is said about a parameter: its description, and sentences that begin with its name."""
    for text in _descriptions(docstring, parameter):
        yield from re.split(r"[.;](?:\s+|$)", text)
    name = rf"[`*'\"]{{0,2}}{re.escape(parameter)}[`*'\"]{{0,2}}"
    verb = r"(?:must|should|shall|has|needs?|is|may|can)"
    about = rf"(?m)(?:^|\.\s+)(?:The\s+)?{name}\s+({verb}n?\b(?:[^.;]|\.(?=\d))*)"
    for found in re.finditer(about, docstring):
        yield " ".join(found[1].split())


def _descriptions(docstring: str, parameter: str) -> Iterator[str]:
    """Yield a parameter's description in the Sphinx, Google and NumPy styles: the lines indented below its name."""
    name = re.escape(parameter)
    head = re.compile(
        rf"(\s*)(?::param(?:eter)?\s+(?:[^:]*\s)?{name}:|{name}(?P<numpy>\s+:)|{name}\s*(?:\([^)]*\))?:)(.*)"
    )
    lines = docstring.splitlines()
    for number, line in enumerate(lines):
        match = head.fullmatch(line)
        if not match:
            continue
        # After NumPy's colon stands a type.
        parts = [] if match["numpy"] else [match[3].strip()]
        for below in lines[number + 1 :]:
            if not below.strip() or len(below) - len(below.lstrip()) <= len(match[1]):
                break
            parts.append(below.strip())
        yield " ".join(parts)


def _read(sentence: str) -> Iterator[Hint]:
    if _POSITIVE.search(sentence):
        yield Hint("{} <= 0", "must be positive", "number", lambda value: bool(value <= 0))
    if _NOT_NEGATIVE.search(sentence):
        yield Hint("{} < 0", "must not be negative", "number", lambda value: bool(value < 0))
    if _NOT_EMPTY.search(sentence):
        yield Hint("len({}) == 0", "must not be empty", "sized", lambda value: len(value) == 0)
    yield from _bounds(sentence)
    if between := _BETWEEN.search(sentence):
        low, high = (_number(text) for text in between.groups() if text)
        rule = f"must be between {low} and {high}"
        yield Hint(f"not {low} <= {{}} <= {high}", rule, "number", partial(_outside, float(low), float(high)))
    if one_of := _ONE_OF.search(sentence):
        values = [quoted.strip("`[](){}")[1:-1] for quoted in re.findall(_QUOTED, one_of[1])]
        spelled = ", ".join(f'"{value}"' if '"' not in value else f"'{value}'" for value in values)
        yield Hint(f"{{}} not in ({spelled})", f"must be one of {spelled}", "any", lambda value: value not in values)


def _outside(low: float, high: float, value: Any) -> bool:
    return not low <= value <= high


def _bounds(sentence: str) -> Iterator[Hint]:
    for words, refused, compare, said in _BOUNDS:
        match = re.search(rf"(?i){_BE}(?:{words})\s*{_NUMBER}{_END}", sentence)
        if match:
            bound = _number(match[1])
            refuses = partial(_compares, compare, float(bound))
            yield Hint(f"{{}} {refused} {bound}", f"must be {said} {bound}", "number", refuses)
            return


def _compares(compare: Callable[[Any, Any], bool], bound: float, value: Any) -> bool:
    return bool(compare(value, bound))


def _number(text: str) -> str:
    return "0" if text.lower() == "zero" else text
