"""How docstrings are written: Google's style, NumPy's, reST's, or plain prose; and which of them a file has.

Knows nothing of source code: facts in, lines out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GOOGLE, NUMPY, REST, PLAIN = "Google", "NumPy", "reST", "plain"
#: What a docstring of each style cannot do without.
_MARKS = {
    GOOGLE: re.compile(r"^\s*(?:Args|Arguments|Returns|Yields|Raises|Attributes):\s*$", re.MULTILINE),
    NUMPY: re.compile(r"^\s*(?:Parameters|Returns|Yields|Raises|Attributes)\s*\n\s*-{3,}\s*$", re.MULTILINE),
    REST: re.compile(r"^\s*:(?:param|type|returns?|rtype|raises?|yields?)\b[^:\n]*:", re.MULTILINE),
}
UNKNOWN = "..."


@dataclass(frozen=True, slots=True)
class Parameter:
    """`name` with its stars; `kind` and `default` are source, empty where there is none."""

    name: str
    kind: str
    default: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a definition says about itself."""

    summary: str
    parameters: tuple[Parameter, ...] = ()
    returns: str = ""
    yields: str = ""
    raises: tuple[str, ...] = ()


def style_among(docstrings: Sequence[str]) -> tuple[str, str]:
    """Return the style of most docstrings, as source, and their quotes; Google's where they show none."""
    styles = Counter(style for text in docstrings for style, mark in _MARKS.items() if mark.search(text))
    quotes = Counter("'''" if text.lstrip("rRuU").startswith("'''") else '"""' for text in docstrings)
    quote = quotes.most_common(1)[0][0] if quotes else '"""'
    if styles:
        return styles.most_common(1)[0][0], quote
    # Docstrings of several lines without any marks are prose.
    return (PLAIN if any("\n" in text.strip() for text in docstrings) else GOOGLE), quote


def docstring(facts: Facts, style: str, quote: str, *, indentation: str, unit: str) -> Iterator[str]:
    """Yield the docstring's lines, indented and between quotes."""
    lines = [facts.summary, *_BODIES[style](facts, unit)]
    text = "\n".join(lines).replace(quote, quote[0])
    prefix = "r" if "\\" in text else ""
    first, *rest = text.split("\n")
    if not rest:
        yield f"{indentation}{prefix}{quote}{first}{quote}"
        return
    yield f"{indentation}{prefix}{quote}{first}"
    yield from (f"{indentation}{line}" if line else "" for line in rest)
    yield f"{indentation}{quote}"


def _google(facts: Facts, unit: str) -> Iterator[str]:
    if facts.parameters:
        yield from ("", "Args:")
        for one in facts.parameters:
            kind = f" ({one.kind})" if one.kind else ""
            yield f"{unit}{one.name}{kind}: {UNKNOWN}{_default(one)}"
    for title, kind in (("Returns", facts.returns), ("Yields", facts.yields)):
        if kind:
            yield from ("", f"{title}:", f"{unit}{UNKNOWN}" if kind == UNKNOWN else f"{unit}{kind}: {UNKNOWN}")
    if facts.raises:
        yield from ("", "Raises:", *(f"{unit}{name}: {UNKNOWN}" for name in facts.raises))


def _numpy(facts: Facts, unit: str) -> Iterator[str]:
    if facts.parameters:
        yield from ("", "Parameters", "----------")
        for one in facts.parameters:
            kind = ", ".join(part for part in (one.kind, f"default {one.default}" if one.default else "") if part)
            yield f"{one.name} : {kind}" if kind else one.name
            yield f"{unit}{UNKNOWN}"
    for title, kind in (("Returns", facts.returns), ("Yields", facts.yields)):
        if kind:
            yield from ("", title, "-" * len(title), kind, *([f"{unit}{UNKNOWN}"] if kind != UNKNOWN else []))
    if facts.raises:
        yield from ("", "Raises", "------")
        for name in facts.raises:
            yield from (name, f"{unit}{UNKNOWN}")


def _rest(facts: Facts, unit: str) -> Iterator[str]:
    if facts.parameters or facts.returns or facts.yields or facts.raises:
        yield ""
    for one in facts.parameters:
        name = one.name.replace("*", r"\*")
        yield f":param {name}: {UNKNOWN}{_default(one)}"
        if one.kind:
            yield f":type {name}: {one.kind}"
    if facts.returns or facts.yields:
        yield f":{'returns' if facts.returns else 'yields'}: {UNKNOWN}"
    if facts.returns not in ("", UNKNOWN):
        yield f":rtype: {facts.returns}"
    for name in facts.raises:
        yield f":raises {name}: {UNKNOWN}"


def _plain(facts: Facts, unit: str) -> Iterator[str]:
    said = []
    if facts.parameters:
        taken = [one.name + (f" ({one.kind})" if one.kind else "") for one in facts.parameters]
        said.append(f"Takes {_listed(taken)}.")
    for verb, kind in (("Returns", facts.returns), ("Yields", facts.yields)):
        if kind and kind != UNKNOWN:
            said.append(f"{verb} {kind}.")
    if facts.raises:
        said.append(f"Raises {_listed(facts.raises)}.")
    if said:
        yield from ("", *said)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _default(parameter: Parameter) -> str:
    return f" Defaults to {parameter.default}." if parameter.default else ""


_BODIES = {GOOGLE: _google, NUMPY: _numpy, REST: _rest, PLAIN: _plain}
