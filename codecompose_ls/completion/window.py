"""What the model sees around a cursor: windows whose edges move in steps, so that a key changes one end of one piece.

Anchored at the text's start, the prefix's far edge stands still for hundreds of keys; the suffix starts after the
cursor and does not change while one types. So an engine that keeps keys and values re-reads only what was typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codecompose_ls.types import Context, Document

#: Share of the characters that belongs to the text before the cursor (CodeCompose: 70 : 30).
PREFIX_SHARE = 0.7
#: An edge moves by this share of the window at a time.
EDGE_STEP = 1 / 16

#: The rest of a line that a completion may go before: closing marks, then at most one sign that ends or opens
#: something.
_TAIL = re.compile(r"[ \t]*[)\]}>'\"`][)\]}>'\"` \t]*[:{;,]?[ \t]*|[ \t]*[:{;,]?[ \t]*")


@dataclass(frozen=True, slots=True)
class Window:
    """The text around a cursor, line breaks as LF.

    `tail` is the rest of the line where it holds nothing but closing marks (`)`, `"]`, `) {`). Editors insert them as
    one types, so the model is not shown them and writes the line to its end; `covered` tells which of them its text
    replaces. Otherwise `tail` is empty. In the document prefix, tail and suffix follow one another.
    """

    prefix: str
    tail: str
    suffix: str
    language: str
    path: str
    kernel: str | None = None
    uri: str = ""
    repository: str = ""
    #: The whole text up to the cursor and from the tail's end on, of which prefix and suffix are the near parts.
    before: str = ""
    after: str = ""

    @property
    def line_prefix(self) -> str:
        """The cursor's line up to the cursor."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def ends_line(self) -> bool:
        """Whether nothing but closing marks follows on the line."""
        return not self.suffix or self.suffix.startswith("\n")

    def context(self, *, multiline: bool) -> Context:
        """Return what a backend is told."""
        return Context(
            self.language,
            self.path,
            self.prefix,
            self.suffix,
            kernel=self.kernel,
            multiline=multiline,
            repository=self.repository,
            uri=self.uri,
            before=self.before,
            after=self.after,
        )


def window(document: Document, offset: int, *, limits: tuple[int, int]) -> Window:
    """Return the window of at most `limits` (prefix, suffix) characters; what one side leaves, the other may use."""
    text, cursor = _with_cells(document, offset)
    rest = text[cursor : _line_end(text, cursor)]
    tail = rest if _TAIL.fullmatch(rest) else ""
    total, after = sum(limits), cursor + len(tail)
    step = max(1, int(total * EDGE_STEP))
    # What is before grows with every key: counted in whole steps, it moves the suffix's edge only now and then.
    grown = -(-cursor // step) * step
    end = _far_end(text, after, limit=max(limits[1], total - grown))
    start = _far_start(text, cursor, limit=total - (end - after), step=step)
    parts = [text[start:cursor], text[after:end], text[:cursor], text[after:]]
    if "\r" in text:
        parts = [part.replace("\r\n", "\n") for part in parts]
    prefix, suffix, whole_before, whole_after = parts
    return Window(
        prefix,
        tail,
        suffix,
        document.language,
        document.path,
        document.kernel,
        uri=document.uri,
        repository=document.repository,
        before=whole_before,
        after=whole_after,
    )


def _with_cells(document: Document, offset: int) -> tuple[str, int]:
    """Return the text with the notebook's other cells around it, and where the cursor is in that."""
    before, after = document.before, document.after
    if before and not before.endswith("\n"):
        before += "\n"
    if after and not document.text.endswith("\n"):
        after = "\n" + after
    return (before + document.text + after if before or after else document.text), len(before) + offset


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def _far_end(text: str, start: int, *, limit: int) -> int:
    """Return where at most `limit` characters end: before a line break, or in the midst of a longer line."""
    if len(text) - start <= limit:
        return len(text)
    end = text.rfind("\n", start + 1, start + limit + 1)
    return end if end > 0 else start + limit


def _far_start(text: str, end: int, *, limit: int, step: int) -> int:
    """Return where at most `limit` characters start: at a line's first or, in longer lines, a multiple of `step`."""
    over = end - limit
    if over <= 0:
        return 0
    start = -(-over // step) * step
    line = text.find("\n", start - 1, min(start + step, end)) + 1
    return line or min(start, end)
