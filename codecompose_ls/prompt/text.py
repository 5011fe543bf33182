"""The prompt as text, for servers that tokenise it themselves and read sentinels in it (vLLM, llama.cpp, Ollama's raw).

Text that spells a sentinel is broken with a zero-width space, so that it stays text there, too.
"""

from __future__ import annotations

from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.types import Context

#: Servers put it before every text themselves.
_BEGIN_OF_TEXT = ("<s>", "<bos>", "<|endoftext|>")
#: SentencePiece writes a space as U+2581 and drops the first of a text (README of facebookresearch/codellama).
_AS_TEXT = {"codellama": "<PRE> {prefix} <SUF>{suffix} <MID>"}
BREAK = "\u200b"


def prompt_text(context: Context, template: FimTemplate) -> str:
    """Return the prompt that asks a model of `template`'s family for the middle."""
    fields = {
        "{header}": _header(context, template),
        "{prefix}": escape(context.prefix, template),
        "{suffix}": escape(context.suffix, template),
    }
    parts = template.split(_AS_TEXT.get(template.family, template.order))
    if parts[0] in _BEGIN_OF_TEXT:
        parts = parts[1:]
    return "".join(fields.get(part, part) for part in parts)


def stop_texts(template: FimTemplate) -> tuple[str, ...]:
    """Return the sentinels that end an answer, as text."""
    return tuple(_plain(sentinel) for sentinel in template.stop)


def escape(text: str, template: FimTemplate) -> str:
    """Return a text in which no sentinel is left."""
    for sentinel in map(_plain, template.sentinels):
        text = text.replace(sentinel, sentinel[0] + BREAK + sentinel[1:])
    return text


def _plain(sentinel: str) -> str:
    return sentinel.removeprefix("\u2581")


def _header(context: Context, template: FimTemplate) -> str:
    if not template.header or not (context.language or context.path):
        return ""
    path = f"{context.path} ({context.kernel})" if context.kernel else context.path
    fields = {
        "{language}": escape(context.language, template),
        "{path}": escape(" ".join(path.split("\n")), template),
    }
    return "".join(fields.get(part, part) for part in template.split(template.header))
