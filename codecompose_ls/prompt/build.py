"""From a context to token ids: header, sentinels, and the windows cut to a budget whose edges move in steps.

Every piece of text is encoded on its own and sentinels come from `token_id` alone, so text that spells a sentinel stays
text. Knows nothing about tokenizers: `encode` turns text into ids and never yields a special token.
"""

from __future__ import annotations

from collections.abc import Callable

from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.types import Context, Prompt

#: Share of the budget that belongs to the text before the cursor (CodeCompose: 70 : 30).
PREFIX_SHARE = 0.7
#: An edge moves by this share of the budget at a time; in between, all tokens but the typed ones stay the same.
EDGE_STEP = 1 / 16
#: A header longer than this share of the budget (a pathological path) is left out.
HEADER_SHARE = 1 / 4


def build_prompt(
    context: Context,
    *,
    template: FimTemplate,
    encode: Callable[[str], list[int]],
    token_id: Callable[[str], int],
    budget: int,
) -> Prompt:
    """Return the ids that ask a model of `template`'s family for the middle, at most `budget` of them.

    70 % of what the header leaves goes to the prefix, 30 % to the suffix; what one side does not use, the other may.
    """

    def ids(pattern: str, fields: dict[str, list[int]]) -> list[int]:
        out: list[int] = []
        for part in template.split(pattern):
            if part in fields:
                out += fields[part]
            else:
                out += [token_id(part)] if part in template.sentinels else encode(part)
        return out

    header = _header(context, template=template, encode=encode, token_id=token_id)
    if len(header) > budget * HEADER_SHARE:
        header = []
    frame = len(ids(template.order, {"{header}": header, "{prefix}": [], "{suffix}": []}))
    prefix, suffix = _fit(encode(context.prefix), encode(context.suffix), room=max(0, budget - frame))
    tokens = ids(template.order, {"{header}": header, "{prefix}": prefix, "{suffix}": suffix})
    return Prompt(tuple(tokens), frozenset(token_id(name) for name in template.stop))


def header_text(context: Context, template: FimTemplate) -> str:
    """Return the header's text without its sentinels; empty for families without a header."""
    return "".join(part for part in _header_parts(context, template) if part not in template.sentinels)


def _header_parts(context: Context, template: FimTemplate) -> list[str]:
    # A notebook's kernel stands after its path; line breaks would end the header early.
    path = f"{context.path} ({context.kernel})" if context.kernel else context.path
    fields = {"{language}": context.language, "{path}": " ".join(path.split("\n"))}
    return [fields.get(part, part) for part in template.split(template.header)]


def _header(
    context: Context, *, template: FimTemplate, encode: Callable[[str], list[int]], token_id: Callable[[str], int]
) -> list[int]:
    """Encode the header as training does: its sentinel, then the line as one text; nothing where nothing is known."""
    if not template.header or not (context.language or context.path):
        return []
    sentinels = [token_id(part) for part in template.split(template.header) if part in template.sentinels]
    return sentinels + encode(header_text(context, template))


def _fit(prefix: list[int], suffix: list[int], *, room: int) -> tuple[list[int], list[int]]:
    """Cut the far ends so that both fit `room`; the near ends, around the cursor, are always kept."""
    step = max(1, int(room * EDGE_STEP))
    # The prefix grows with every key: counted in whole steps, it moves the suffix's edge only now and then.
    grown = -(-len(prefix) // step) * step
    suffix = suffix[: max(room - int(room * PREFIX_SHARE), room - grown)]
    over = max(0, len(prefix) + len(suffix) - room)
    return prefix[-(-over // step) * step :], suffix
