"""The prompt as text, for servers that tokenise it themselves and read sentinels in it (vLLM, llama.cpp, Ollama's raw).

Text that spells a sentinel is broken with a zero-width space, so that it stays text there, too. Nothing is cut: whoever
asks knows how much the server's model takes.
"""

from __future__ import annotations

from codecompose_ls.languages import language_of
from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.types import Context, Snippet

#: Servers put it before every text themselves.
_BEGIN_OF_TEXT = ("<s>", "<bos>", "<|endoftext|>")
#: SentencePiece writes a space as U+2581 and drops the first of a text (README of facebookresearch/codellama).
_AS_TEXT = {"codellama": "<PRE> {prefix} <SUF>{suffix} <MID>"}
BREAK = "\u200b"


def prompt_text(context: Context, template: FimTemplate) -> str:
    """Return the prompt that asks a model of `template`'s family for the middle, with the snippets that it knows."""
    snippets = "".join(_snippet(snippet, template) for snippet in context.snippets) if template.multi_file else ""
    pattern = template.multi_file if snippets else _AS_TEXT.get(template.family, template.order)
    fields = {
        "{header}": _header(context, template),
        "{snippets}": snippets,
        "{prefix}": escape(context.prefix, template),
        "{suffix}": escape(context.suffix, template),
        "{path}": escape(_line(context.path), template),
        "{repository}": escape(_line(context.repository), template),
    }
    text = _filled(pattern, template, fields)
    return text.removeprefix(next((mark for mark in _BEGIN_OF_TEXT if text.startswith(mark)), ""))


def stop_texts(template: FimTemplate) -> tuple[str, ...]:
    """Return the sentinels that end an answer, as text."""
    return tuple(_plain(sentinel) for sentinel in template.stop)


def escape(text: str, template: FimTemplate) -> str:
    """Return a text in which no sentinel is left."""
    for sentinel in map(_plain, template.sentinels):
        text = text.replace(sentinel, sentinel[0] + BREAK + sentinel[1:])
    return text


def _filled(pattern: str, template: FimTemplate, fields: dict[str, str]) -> str:
    return "".join(fields.get(part, part) for part in template.split(pattern))


def _header(context: Context, template: FimTemplate) -> str:
    if not (context.language or context.path):
        return ""
    path = f"{context.path} ({context.kernel})" if context.kernel else context.path
    return _filled(template.header, template, _words(context.language, path, template))


def _snippet(snippet: Snippet, template: FimTemplate) -> str:
    words = _words(language_of(snippet.path) or "", snippet.path, template)
    return _filled(template.snippet, template, words | {"{text}": escape(snippet.text, template)})


def _words(language: str, path: str, template: FimTemplate) -> dict[str, str]:
    return {"{language}": escape(language, template), "{path}": escape(_line(path), template)}


def _line(text: str) -> str:
    return " ".join(text.split("\n"))


def _plain(sentinel: str) -> str:
    return sentinel.removeprefix("\u2581")
