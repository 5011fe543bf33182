"""A model's answer is data: find the code in it, whatever stands around it, and fit it to the place it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codecompose_ls.languages import LANGUAGES

_OPENS = re.compile(r"(?P<indent>[ \t]*)(?:[-*>][ \t]+)?(?P<fence>`{3,}|~{3,})[ \t]*(?P<tag>[^\s`]*)[^`]*$")
_THOUGHTS = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
#: Names that models give languages, beside our own.
_TAGS = {
    **{language.id: {language.id, *(one[1:] for one in language.extensions)} for language in LANGUAGES.values()},
    "csharp": {"csharp", "cs", "c#"},
    "cpp": {"cpp", "c++", "cc", "hpp"},
    "shellscript": {"shellscript", "sh", "bash", "shell"},
    "python": {"python", "py", "python3", "pyi"},
    "rust": {"rust", "rs"},
    "typescript": {"typescript", "ts"},
    "javascript": {"javascript", "js", "mjs"},
}


class Unfit(Exception):
    """An answer that is no edit; `str` is the one line that says why."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block; `closed` is whether its end has come."""

    text: str
    tag: str
    closed: bool


def without_thoughts(answer: str) -> str:
    """Return an answer without what a reasoning model has said to itself before it."""
    return _THOUGHTS.sub("", answer, count=1).lstrip("\n")


def candidates(answer: str, language: str) -> list[str]:
    """Return the blocks of code in an answer that may be meant: those of the language, or else of any.

    Raises `Unfit` for an answer that breaks off. An answer without fences is a candidate as a whole.
    """
    answer = without_thoughts(answer.replace("\r\n", "\n").replace("\r", "\n"))
    found = list(blocks(answer))
    if found and not found[-1].closed:
        raise Unfit("the answer breaks off in the midst of its code")
    found = [block for block in found if block.text.strip()]
    if not found:
        return [answer.strip("\n")] if answer.strip() else []
    tagged = [block for block in found if block.tag.lower() in _TAGS.get(language, {language})]
    return list(dict.fromkeys(_without_margin(block.text) for block in tagged or found))


def is_fenced(answer: str) -> bool:
    return any(block.text.strip() for block in blocks(without_thoughts(answer.replace("\r\n", "\n"))))


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced code blocks of Markdown (CommonMark 4.5), those in lists and quotes as they stand."""
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        match = _OPENS.match(line)
        if opened is None:
            opened = match
        elif match and _closes(match, opened):
            yield Block("\n".join(lines), opened["tag"], closed=True)
            opened, lines = None, []
        else:
            lines.append(line)
    if opened is not None:
        yield Block("\n".join(lines), opened["tag"], closed=False)


def _closes(line: re.Match[str], opened: re.Match[str]) -> bool:
    """A fence in a docstring is indented deeper than the one that ends the block."""
    return (
        line["fence"][0] == opened["fence"][0]
        and len(line["fence"]) >= len(opened["fence"])
        and line.string.strip() == line["fence"]
        and len(line["indent"].expandtabs(4)) <= len(opened["indent"].expandtabs(4)) + 3
    )


def _without_margin(text: str) -> str:
    """Return a text without the blank lines at its ends."""
    lines = text.split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return "\n".join(lines)
