"""Code with a cursor in it, for tables of cases: `‸` marks where the cursor is."""

from __future__ import annotations

from codecompose_ls.completion.scope import scope_at
from codecompose_ls.completion.stopping import Place
from codecompose_ls.completion.window import Window, window
from codecompose_ls.types import CompletionRequest, Document, Trigger

MARK = "‸"
LIMITS = (2800, 1200)


def split(marked: str) -> tuple[str, int]:
    """Return the text without its mark, and the mark's offset."""
    assert marked.count(MARK) == 1, marked
    return marked.replace(MARK, ""), marked.index(MARK)


def document(text: str, *, language: str = "python", uri: str = "file:///shop.py") -> Document:
    return Document(uri, "src/shop.py", language, text)


def window_at(marked: str, *, language: str = "python") -> Window:
    text, offset = split(marked)
    return window(document(text, language=language), offset, limits=LIMITS)


def place_at(marked: str, *, language: str = "python") -> Place:
    """Return where a suggestion would stand, and the scope it may fill."""
    text, offset = split(marked)
    seen = window_at(marked, language=language)
    return Place(seen, scope_at(text, offset, language=language, tail=seen.tail))


def request_at(
    marked: str, *, language: str = "python", uri: str = "file:///shop.py", trigger: Trigger = Trigger.AUTOMATIC
) -> CompletionRequest:
    text, offset = split(marked)
    return CompletionRequest(document(text, language=language, uri=uri), offset, trigger)
