"""What a remote server may see of the code: credentials are replaced before it is sent.

They are sought in the document's whole text where it is known: a window may begin in the midst of a private key.
"""

from __future__ import annotations

from dataclasses import replace

from codecompose_ls.index.secrets import Span, find_secrets
from codecompose_ls.types import Context

MASK = "********"


def mask(text: str) -> str:
    """Return a text with every secret in it replaced."""
    return _masked(text, find_secrets(text), start=0, end=len(text))


def mask_context(context: Context) -> Context:
    """Return a context without secrets, in the windows, the whole text and the snippets; one at the cursor is cut."""
    snippets = tuple(replace(snippet, text=mask(snippet.text)) for snippet in context.snippets)
    context = replace(context, snippets=snippets) if snippets != context.snippets else context
    before, after = context.before or context.prefix, context.after or context.suffix
    whole, cursor = before + after, len(before)
    spans = find_secrets(whole)
    if not spans:
        return context
    start, end = cursor - len(context.prefix), cursor + len(context.suffix)
    return replace(
        context,
        prefix=_masked(whole, spans, start=start, end=cursor),
        suffix=_masked(whole, spans, start=cursor, end=end),
        before=_masked(whole, spans, start=0, end=cursor),
        after=_masked(whole, spans, start=cursor, end=len(whole)),
    )


def _masked(text: str, spans: tuple[Span, ...], *, start: int, end: int) -> str:
    """Return text[start:end] with every span that reaches into it replaced."""
    parts, place = [], start
    for span in spans:
        if span.start < end and span.end > start:
            parts += [text[place : max(place, span.start)], MASK]
            place = min(span.end, end)
    return "".join(parts) + text[place:end]
