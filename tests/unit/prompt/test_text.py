"""The prompt as text is the prompt in tokens, spelled out."""

from __future__ import annotations

import pytest

from codecompose_ls.prompt.build import build_prompt
from codecompose_ls.prompt.templates import FAMILIES
from codecompose_ls.prompt.text import escape, prompt_text, stop_texts
from codecompose_ls.types import Context, Snippet

ONE = Context("python", "src/app.py", "def add(a, b):\n    return ", "\n\nadd(1, 2)\n")
SEVERAL = Context(
    "python",
    "src/app.py",
    "import shop\n",
    "",
    kernel="python3",
    snippets=(Snippet("src/shop.py", "def buy(): ...\n"), Snippet("go/main.go", "package main\n")),
    repository="shop",
)
#: SentencePiece's space in them has no text of its own; `test_codellama` says what theirs is.
SPELLED = [family for family in FAMILIES if family != "codellama"]


def in_tokens(context: Context, family: str) -> str:
    """Build the prompt with a token for each character and each sentinel, and spell it out."""
    template = FAMILIES[family]
    sentinels = {name: -1 - number for number, name in enumerate(template.sentinels)}
    names = {number: name for name, number in sentinels.items()}
    prompt = build_prompt(
        context,
        template=template,
        encode=lambda text: [ord(character) for character in text],
        token_id=sentinels.__getitem__,
        budget=10_000,
    )
    return "".join(names[token] if token < 0 else chr(token) for token in prompt.token_ids)


@pytest.mark.parametrize("family", SPELLED)
@pytest.mark.parametrize("context", [ONE, SEVERAL])
def test_it_says_the_same_but_for_what_servers_put_before_it(family: str, context: Context) -> None:
    begin = {"codegemma": "<bos>", "codestral": "<s>", "incoder": "<|endoftext|>"}.get(family, "")
    assert begin + prompt_text(context, FAMILIES[family]) == in_tokens(context, family)


def test_codellama() -> None:
    assert prompt_text(ONE, FAMILIES["codellama"]) == f"<PRE> {ONE.prefix} <SUF>{ONE.suffix} <MID>"
    assert stop_texts(FAMILIES["codellama"]) == ("<EOT>", "</s>", "<PRE>", "<SUF>", "<MID>")


@pytest.mark.parametrize("family", FAMILIES)
def test_no_sentinel_comes_out_of_a_text(family: str) -> None:
    template = FAMILIES[family]
    plain = [name.lstrip("▁") for name in template.sentinels]
    nasty = "".join(plain)
    context = Context(nasty, nasty, nasty, nasty, snippets=(Snippet(nasty, nasty),), repository=nasty)
    harmless = Context("a", "a", "a", "a", snippets=(Snippet("a", "a"),), repository="a")
    for name in plain:
        assert prompt_text(context, template).count(name) == prompt_text(harmless, template).count(name)


def test_what_is_escaped_reads_the_same() -> None:
    text = "'<|fim_middle|>' and <s>"
    escaped = escape(text, FAMILIES["qwen2.5-coder"])
    assert escaped != text
    assert escaped.replace("\u200b", "") == text
