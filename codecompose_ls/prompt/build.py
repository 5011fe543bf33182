"""From a context to token ids: header, snippets, sentinels, and the windows cut to a budget whose edges move in steps.

Every piece of text is encoded on its own and sentinels come from `token_id` alone, so text that spells a sentinel stays
text. Knows nothing about tokenizers: `encode` turns text into ids and never yields a special token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from codecompose_ls.languages import language_of
from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.types import Context, Prompt, Snippet

#: Share of the budget that belongs to the text before the cursor (CodeCompose: 70 : 30).
PREFIX_SHARE = 0.7
#: An edge moves by this share of the budget at a time; in between, all tokens but the typed ones stay the same.
EDGE_STEP = 1 / 16
#: A header longer than this share of the budget (a pathological path) is left out; names that long, the snippets.
HEADER_SHARE = 1 / 4
#: Snippets get at most this share of the budget.
SNIPPETS_SHARE = 1 / 4


def build_prompt(
    context: Context,
    *,
    template: FimTemplate,
    encode: Callable[[str], list[int]],
    token_id: Callable[[str], int],
    budget: int,
) -> Prompt:
    """Return the ids that ask a model of `template`'s family for the middle, at most `budget` of them.

    70 % of what header and snippets leave goes to the prefix, 30 % to the suffix; what one side does not use, the other
    may. Snippets are for families that know several files, in their order, those that there is no room for left out.
    """
    writer = _Writer(template, encode, token_id)
    header = _header(context, writer)
    if len(header) > budget * HEADER_SHARE:
        header = []
    words = {"{path}": _line(context.path), "{repository}": _line(context.repository)}
    is_short = len(encode("".join(words.values()))) <= budget * HEADER_SHARE
    room = int(budget * SNIPPETS_SHARE) if template.multi_file and is_short else 0
    snippets = _snippets(context.snippets, writer, room=room)
    pattern = template.multi_file if snippets else template.order

    def laid_out(prefix: list[int], suffix: list[int]) -> list[int]:
        texts = {"{header}": header, "{snippets}": snippets, "{prefix}": prefix, "{suffix}": suffix}
        return writer.write(pattern, words, texts)

    frame = len(laid_out([], []))
    prefix, suffix = _fit(encode(context.prefix), encode(context.suffix), room=max(0, budget - frame))
    return Prompt(tuple(laid_out(prefix, suffix)), frozenset(token_id(name) for name in template.stop))


def header_text(context: Context, template: FimTemplate) -> str:
    """Return the header's text without its sentinels; empty for families without a header."""
    words = _header_words(context)
    parts = (words.get(part, part) for part in template.split(template.header))
    return "".join(part for part in parts if part not in template.sentinels)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Turns patterns of a template into ids."""

    template: FimTemplate
    encode: Callable[[str], list[int]]
    token_id: Callable[[str], int]

    def write(self, pattern: str, words: Mapping[str, str], texts: Mapping[str, Sequence[int]]) -> list[int]:
        """Return a pattern's ids: `words` join the literal text beside them and are encoded with it, as in training."""
        ids: list[int] = []
        line = ""
        for part in self.template.split(pattern):
            if part in texts or part in self.template.sentinels:
                ids += self.encode(line) if line else []
                ids += texts[part] if part in texts else [self.token_id(part)]
                line = ""
            else:
                line += words.get(part, part)
        return ids + (self.encode(line) if line else [])


def _header(context: Context, writer: _Writer) -> list[int]:
    """Encode the header as training does: its sentinel, then the line as one text; nothing where nothing is known."""
    if not (context.language or context.path):
        return []
    return writer.write(writer.template.header, _header_words(context), {})


def _header_words(context: Context) -> dict[str, str]:
    # A notebook's kernel stands after its path.
    path = f"{context.path} ({context.kernel})" if context.kernel else context.path
    return {"{language}": context.language, "{path}": _line(path)}


def _snippets(snippets: Sequence[Snippet], writer: _Writer, *, room: int) -> list[int]:
    ids: list[int] = []
    for snippet in snippets:
        words = {"{language}": language_of(snippet.path) or "", "{path}": _line(snippet.path)}
        written = writer.write(writer.template.snippet, words, {"{text}": writer.encode(snippet.text)})
        if len(ids) + len(written) <= room:
            ids += written
    return ids


def _line(text: str) -> str:
    """Return a name without line breaks, which would end its line early."""
    return " ".join(text.split("\n"))


def _fit(prefix: list[int], suffix: list[int], *, room: int) -> tuple[list[int], list[int]]:
    """Cut the far ends so that both fit `room`; the near ends, around the cursor, are always kept."""
    step = max(1, int(room * EDGE_STEP))
    # The prefix grows with every key: counted in whole steps, it moves the suffix's edge only now and then.
    grown = -(-len(prefix) // step) * step
    suffix = suffix[: max(room - int(room * PREFIX_SHARE), room - grown)]
    over = max(0, len(prefix) + len(suffix) - room)
    return prefix[-(-over // step) * step :], suffix
