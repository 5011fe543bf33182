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
        return Context(self.language, self.path, self.prefix, self.suffix, kernel=self.kernel, multiline=multiline)


def window(document: Document, offset: int, *, limits: tuple[int, int]) -> Window:
    """Return the window of at most `limits` (prefix, suffix) characters; what one side leaves, the other may use."""
    end = _line_end(document.text, offset)
    rest = document.text[offset:end]
    tail = rest if _TAIL.fullmatch(rest) else ""
    before = _joined(document.before, document.text[:offset])
    after = _joined(document.text[offset + len(tail) :], document.after)
    prefix, suffix = _cut(before.replace("\r\n", "\n"), after.replace("\r\n", "\n"), limits=limits)
    return Window(prefix, tail, suffix, document.language, document.path, document.kernel)


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def _joined(before: str, after: str) -> str:
    """Join two notebook cells, or a cell and nothing."""
    gap = "\n" if before and after and not before.endswith("\n") else ""
    return before + gap + after if before else after


def _cut(before: str, after: str, *, limits: tuple[int, int]) -> tuple[str, str]:
    total = sum(limits)
    step = max(1, int(total * EDGE_STEP))
    # The text before grows with every key: counted in whole steps, it moves the suffix's edge only now and then.
    grown = -(-len(before) // step) * step
    suffix = _head(after, max(limits[1], total - grown))
    return _last(before, total - len(suffix), step=step), suffix


def _head(text: str, limit: int) -> str:
    """Keep whole lines of at most `limit` characters, or that many characters of a longer line."""
    if len(text) <= limit:
        return text
    end = text.rfind("\n", 0, limit + 1)
    return text[: end if end > 0 else limit]


def _last(text: str, limit: int, *, step: int) -> str:
    """Keep at most `limit` characters, from a line's first or, in longer lines, from a multiple of `step`."""
    over = len(text) - limit
    if over <= 0:
        return text
    start = -(-over // step) * step
    line = text.find("\n", start - 1, start + step) + 1
    return text[line or start :]
