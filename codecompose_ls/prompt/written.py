"""A prompt that its author has put together already, sentinels and all: no template is applied to it."""

from __future__ import annotations

import re
from collections.abc import Callable

from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.types import Prompt


def written_prompt(
    text: str, *, template: FimTemplate, encode: Callable[[str], list[int]], token_id: Callable[[str], int]
) -> Prompt:
    """Return the ids of `text`, where a sentinel that is spelled out is one; an empty text begins a new document."""
    marks = sorted(template.sentinels, key=len, reverse=True)
    ids: list[int] = []
    for part in re.split(f"({'|'.join(map(re.escape, marks))})", text):
        ids += [token_id(part)] if part in template.sentinels else encode(part)
    return Prompt(tuple(ids or [token_id(template.stop[0])]), frozenset(token_id(name) for name in template.stop))
