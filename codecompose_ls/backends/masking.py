"""What a remote server may see of the code: credentials are replaced before it is sent.

They are sought a little beyond the windows, too: one of these may begin in the midst of a private key.
"""

from __future__ import annotations

from dataclasses import replace

from codecompose_ls.backends.credentials import find_credentials
from codecompose_ls.index.secrets import Span
from codecompose_ls.types import Context

MASK = "********"
#: Characters; a private key of 4096 bits has some 3,300.
BEYOND = 4096


def mask(text: str) -> str:
    """Return a text with every secret in it replaced."""
    return _masked(text, find_credentials(text), start=0, end=len(text))


def mask_context(context: Context) -> Context:
    """Return what of a context may be sent: windows and snippets without secrets, one at the cursor in two parts.

    The whole text is left out.
    """
    before, after = context.before or context.prefix, context.after or context.suffix
    before, after = before[-len(context.prefix) - BEYOND :], after[: len(context.suffix) + BEYOND]
    text, cursor = before + after, len(before)
    spans = find_credentials(text)
    return replace(
        context,
        prefix=_masked(text, spans, start=cursor - len(context.prefix), end=cursor),
        suffix=_masked(text, spans, start=cursor, end=cursor + len(context.suffix)),
        snippets=tuple(replace(snippet, text=mask(snippet.text)) for snippet in context.snippets),
        before="",
        after="",
    )


def _masked(text: str, spans: tuple[Span, ...], *, start: int, end: int) -> str:
    """Return text[start:end] with every span that reaches into it replaced."""
    parts, place = [], start
    for span in spans:
        if span.start < end and span.end > start:
            parts += [text[place : max(place, span.start)], MASK]
            place = min(span.end, end)
    return "".join(parts) + text[place:end]
