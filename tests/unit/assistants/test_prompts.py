"""What each built-in assistant asks, word for word; UPDATE_PROMPTS=1 writes the prompts anew."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from codecompose_ls.assistants.assistant import parse
from codecompose_ls.assistants.context import gather
from codecompose_ls.assistants.library import library
from codecompose_ls.assistants.prompt import fenced, fill
from codecompose_ls.assistants.task import Diagnostic, Task
from codecompose_ls.types import Context, Document, Snippet
from tests.repositories import Git

PROMPTS = Path(__file__).parent / "prompts"
NAMES = (
    "add-docstrings",
    "add-input-checks",
    "complete-todo",
    "document-pull-request",
    "explain",
    "fix-diagnostic",
    "implement-tests",
    "improve",
    "potential-problems",
    "review",
)
SOURCE = dedent('''\
    """Money, kept safe."""

    from decimal import Decimal


    def fee(amount: Decimal) -> Decimal:
        """Return what a transfer costs."""
        return amount / 100


    class Account:
        def __init__(self, total: Decimal) -> None:
            self.total = total

        def send(self, amount: Decimal, to: "Account") -> None:
            # TODO: refuse what is not there
            self.total -= amount + fee(amount)
            to.receive(amount)

        def receive(self, amount: Decimal) -> None:
            self.total += amount
''')
SELECTED = "# TODO: refuse what is not there\n        self.total -= amount + fee(amount)\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git = Git(tmp_path / "bank")
    git.commit({"money.py": SOURCE, "tests/test_money.py": "from money import fee\n\n\ndef test_fee(): ...\n"})
    git.write({"money.py": SOURCE.replace("/ 100", "/ 50")})
    return git.root


def ask(name: str, root: Path, *, selected: str = SELECTED, budget: int = 16_000) -> str:
    start = SOURCE.index(selected)
    document = Document((root / "money.py").as_uri(), "money.py", "python", SOURCE)
    assert start > 0
    bad = SOURCE.index("to.receive")
    diagnostics = (Diagnostic(bad, bad + 10, "Cannot access attribute\n`receive`", "checker"),)
    end = bad + 3 if name == "fix-diagnostic" else start + len(selected)
    task = Task(library(None).find(name), document, start, end, diagnostics, root)

    def find(context: Context, limit: int) -> tuple[Snippet, ...]:
        assert limit > 0 and "self.total" in context.before
        return (Snippet("ledger.py", "class Ledger:\n    total: int"),)

    return fill(task.assistant, gather(task, find=find, budget=budget).values)


@pytest.mark.parametrize("name", NAMES)
def test_what_each_assistant_asks(name: str, root: Path) -> None:
    prompt = ask(name, root) + "\n"
    kept = PROMPTS / f"{name}.txt"
    if os.environ.get("UPDATE_PROMPTS"):
        kept.write_text(prompt, encoding="utf-8")
    assert prompt == kept.read_text(encoding="utf-8")


def test_every_built_in_assistant_is_here() -> None:
    assert tuple(one.name for one in library(None).assistants) == NAMES


def test_the_code_stays_whole_and_the_rest_gives_way(root: Path) -> None:
    whole, narrow = ask("review", root), ask("review", root, budget=900)
    code = "        self.total -= amount + fee(amount)"
    assert len(narrow) < len(whole) and "Money, kept safe" in whole and "Money, kept safe" not in narrow
    assert "# TODO: refuse" in narrow and code.strip() in narrow


def test_what_the_code_holds_comes_through_as_it_is() -> None:
    assistant = parse("a", '+++\ntitle = "A"\n+++\nLook:\n\n{{code}}\n\n{{ path }}', origin="user")
    code = 'x = "{{path}} {{code}} {a}"\n```\n~~~\n````md\n'
    prompt = fill(assistant, {"code": fenced(code, "python"), "path": "\\1 {{code}}"})
    assert prompt.startswith(f"Look:\n\n`````python\n{code}`````\n\n\\1 {{{{code}}}}\n\n")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{code}}\n\nBe brief.", "x\n\nBe brief.\n\nUse {{file}}."),
        ("{{instructions}}\n\n{{code}}", "Use {{file}}.\n\nx"),
    ],
)
def test_what_the_user_adds_comes_last_or_where_it_is_wanted(template: str, expected: str) -> None:
    assistant = parse("a", f'+++\ntitle = "A"\n+++\n{template}', origin="user")
    prompt = fill(assistant, {"code": "x", "instructions": "Use {{file}}."})
    assert prompt.startswith(f"{expected}\n\nWhatever")


@pytest.mark.parametrize(
    ("text", "fence"), [("x", "```"), ("```", "````"), ("a ``` b", "```"), ("  `````py\n```", "``````"), ("``", "```")]
)
def test_a_fence_is_longer_than_any_in_the_text(text: str, fence: str) -> None:
    assert fenced(text, "md") == f"{fence}md\n{text}\n{fence}"
