"""What is asked of which code, and which assistants make sense there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codecompose_ls.assistants.assistant import FUNCTION, Assistant
from codecompose_ls.assistants.library import Library
from codecompose_ls.types import Document

#: A comment that says what is missing.
TODO = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b[^\n]*")
#: What a definition begins with, in any of the languages; a glance that may be wrong.
_DEFINITION = re.compile(
    r"^[ \t]*(?:[\w@\[\]<>*&:,]+[ \t]+)*(?:def|class|function|func|fn|struct|impl|interface|trait|enum)\b"
    r"|\)[^;{}()]{0,80}\{",
    re.MULTILINE,
)
_PLAIN = frozenset(("csharp", "ruby", "shellscript", "lua"))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What a checker says of document.text[start:end]."""

    start: int
    end: int
    message: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One assistant asked about a document's text from `start` to `end` (code points; equal: at a cursor).

    `root` is the workspace (None: a lone file), `ignore` the settings' patterns of what is never read.
    """

    assistant: Assistant
    document: Document
    start: int
    end: int
    diagnostics: tuple[Diagnostic, ...] = ()
    root: Path | None = None
    ignore: tuple[str, ...] = ()
    #: What the user wants beside what the assistant asks for.
    instructions: str = ""


def offers(
    document: Document, start: int, end: int, diagnostics: Sequence[Diagnostic], library: Library
) -> list[Assistant]:
    """Return the assistants that make sense for a selection, by a glance at the text: nothing is parsed or read."""
    lines = touched_lines(document.text, start, end)
    return [
        assistant
        for assistant in library.assistants
        if assistant.knows(document.language) and _fits(assistant, document, lines, diagnostics, library.root)
    ]


def _fits(
    assistant: Assistant,
    document: Document,
    lines: tuple[int, int],
    diagnostics: Sequence[Diagnostic],
    root: Path | None,
) -> bool:
    text, (first, last) = document.text, lines
    if "diff" in assistant.needs and (root is None or not (root / ".git").exists()):
        return False
    if not assistant.about_code:
        return True
    if "diagnostics" in assistant.needs and not touching(diagnostics, first, last):
        return False
    if "todo" in assistant.needs and not TODO.search(text, first, last):
        return False
    if assistant.scope == FUNCTION and document.language not in _PLAIN and not _DEFINITION.search(text, 0, last):
        return False
    return bool(text.strip())


def touching(diagnostics: Sequence[Diagnostic], start: int, end: int) -> tuple[Diagnostic, ...]:
    """Return the diagnostics that reach into a stretch of text, the ends included."""
    return tuple(one for one in diagnostics if one.start <= end and one.end >= start)


def touched_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the whole lines that a selection touches, without the last one's end; a last one at its very start is not.

    Lines end as editors see them: after a line feed, a carriage return or both.
    """
    start, end = sorted((max(0, min(start, len(text))), max(0, min(end, len(text)))))
    if end > start and text[end - 1] in "\r\n":
        end -= 2 if text[max(start, end - 2) : end] == "\r\n" else 1
    first = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    ends = [place for place in (text.find("\n", end), text.find("\r", end)) if place >= 0]
    return first, max(min(ends, default=len(text)), first)
