"""What analysis does without a chat model, and in place of one that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.assistants import silence
from codecompose_ls.assistants.carry_out import needs_chat
from codecompose_ls.assistants.library import library
from codecompose_ls.assistants.outcome import results
from codecompose_ls.assistants.task import Task
from codecompose_ls.errors import BackendError, Cancelled, EngineError, InputError, ModelError
from codecompose_ls.types import Document, Piece
from tests.scripted_chat import ScriptedChat
from tests.unit.assistants.conftest import SOURCE, run, task


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add-input-checks", '    if not isinstance(number, int):\n        raise TypeError(f"number must be int, '),
        (
            "add-docstrings",
            '    """Half.\n\n    Args:\n        number (int): ...\n\n    Returns:\n        float: ...\n    """\n',
        ),
    ],
)
async def test_analysis_edits_python_and_says_how(root: Path, name: str, expected: str) -> None:
    shown: list[str] = []
    outcome = await run(task(name, root), shown=shown)
    (edit,) = outcome.edits
    assert edit.text.startswith(expected) and edit.start == SOURCE.index("    return number")
    assert outcome.made_by == "analysis" and "by static analysis" in outcome.description
    assert "no model was asked" in outcome.markdown and shown == [outcome.markdown]


async def test_analysis_explains_python(root: Path) -> None:
    assert "no model was asked" in (await run(task("explain", root))).markdown


async def test_analysis_that_finds_nothing_to_do_says_so(root: Path) -> None:
    at = SOURCE.index("def send")
    outcome = await run(task("add-input-checks", root, at=at))
    assert not outcome.edits and outcome.refusal.startswith("no parameter here says what it may be")

    for name in ("add-input-checks", "add-docstrings"):
        outcome = await run(task(name, root, text="def f(:\n    pass\n"))
        assert outcome.refusal.endswith("does not parse as Python") and outcome.refusal in outcome.markdown


@pytest.mark.parametrize("at", [0, 1, 40])
async def test_a_byte_order_mark_is_no_part_of_the_code(root: Path, at: int) -> None:
    assert "### `def half(" in (await run(task("explain", root, text="\ufeff" + SOURCE, at=at))).markdown
    for name in ("add-input-checks", "add-docstrings"):
        with_mark = await run(task(name, root, text="\ufeff" + SOURCE, at=at))
        without = await run(task(name, root, text=SOURCE, at=max(at - 1, 0)))
        ((text,), (expected,)) = (results(outcome.edits).values() for outcome in (with_mark, without))
        assert text == "\ufeff" + expected


async def test_anything_else_says_how_to_set_a_chat_model_up(root: Path) -> None:
    for one in library(None).assistants:
        assert bool(needs_chat(one, "python")) != one.analysis and needs_chat(one, "go")
    with pytest.raises(InputError, match="'review' needs a chat model: set 'chat' in your settings"):
        await run(task("review", root))


# Analysis stands in

DOWN = "the model server at http://127.0.0.1:9/v1 cannot be reached (Connection refused): is it running?"


class SilentChat(ScriptedChat):
    """Fails, after its first pieces if it has any."""

    def __init__(self, error: Exception, answer: str = "") -> None:
        super().__init__(answer, finish=None)
        self.error = error

    async def chat(self, *arguments: Any, **more: Any) -> AsyncGenerator[Piece, None]:
        yield Piece("")
        async for piece in super().chat(*arguments, **more):
            yield piece
        raise self.error


@pytest.mark.parametrize("error", [BackendError(DOWN), EngineError(DOWN), ModelError(DOWN)])
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("explain", "outlined by static analysis of this file alone"),
        ("add-input-checks", "made by static analysis of this file, from annotations, defaults and docstring"),
        ("add-docstrings", "made by static analysis of this file, from signature, annotations, defaults, yields and "),
    ],
)
async def test_analysis_stands_in_for_a_chat_model_that_does_not_answer(
    root: Path, name: str, how: str, error: Exception
) -> None:
    shown: list[str] = []
    outcome = await run(task(name, root), SilentChat(error), shown=shown)
    assert f"*The chat model did not answer: {DOWN}; {how}" in outcome.markdown
    assert "no model was asked" not in outcome.markdown
    assert (outcome.made_by, shown) == ("analysis", ["", outcome.markdown])
    assert outcome.notice == f"the chat model did not answer: {DOWN}; done by analysis"
    assert bool(outcome.edits) == (name != "explain")
    assert outcome.description.endswith(f"the chat model did not answer: {DOWN}") == bool(outcome.edits)


async def test_it_stands_in_for_one_that_cannot_even_be_asked(root: Path) -> None:
    why = "the backend 'ollama' needs the setting 'chat_model': the name of a model it serves"
    assert f"*The chat model did not answer: {why}; outlined" in (await run(task("explain", root), absent=why)).markdown
    broken = await run(task("explain", root, text="def f(:\n"), absent=why)
    assert broken.markdown.startswith("Nothing to outline: line 1 does not parse as Python.\n\n*The chat model did not")
    at = SOURCE.index("def send")
    nothing = await run(task("add-input-checks", root, at=at), absent=why)
    assert nothing.refusal.startswith("no parameter here") and why in nothing.markdown and why in nothing.notice


async def test_it_does_not_where_something_was_said_or_a_model_is_needed(root: Path) -> None:
    for name, answer in (("explain", "It halves"), ("add-docstrings", "```python"), ("review", "")):
        with pytest.raises(BackendError, match="cannot be reached"):
            await run(task(name, root), SilentChat(BackendError(DOWN), answer))
    go = Task(library(root).find("explain"), Document((root / "a.go").as_uri(), "a.go", "go", "var x = 1"), 0, 0)
    with pytest.raises(BackendError, match="cannot be reached"):
        await run(go, SilentChat(BackendError(DOWN)))


async def test_it_does_not_for_what_its_user_can_mend_or_has_cancelled(root: Path) -> None:
    long = "def half():\n" + "    number()\n" * 500
    with pytest.raises(InputError, match="select less"):
        await run(task("explain", root, text=long), ScriptedChat(context=2000))
    with pytest.raises(Cancelled):
        await run(task("explain", root), SilentChat(Cancelled()))


# While nothing is said


class SlowChat(ScriptedChat):
    """Says nothing before it has been looked at `looks` times, and is dead if that is more than there ever are."""

    def __init__(self, *, looks: int, alive: bool) -> None:
        super().__init__("It halves.")
        self.looks, self.alive, self.looked = looks, alive, 0
        self.told: list[str] = []
        self.awake = asyncio.Event()
        self.left = False

    async def chat(self, *arguments: Any, **more: Any) -> AsyncGenerator[Piece, None]:
        yield Piece("")
        try:
            await self.awake.wait()
        except asyncio.CancelledError:
            self.left = True
            raise
        async for piece in super().chat(*arguments, **more):
            yield piece

    def tell(self, line: str) -> None:
        self.told.append(line)
        if len(self.told) == self.looks:
            self.awake.set()

    async def look(self) -> None:
        self.looked += 1
        if not self.alive:
            raise BackendError("it gives no sign of life")


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "PAUSE_S", 0.01)


@pytest.mark.usefixtures("pause")
async def test_a_slow_model_is_waited_for_as_long_as_it_is_there(root: Path) -> None:
    chat = SlowChat(looks=4, alive=True)
    assert (await run(task("explain", root), chat, tell=chat.tell)).markdown == "It halves."
    assert chat.looked >= 3
    assert chat.told[:4] == [f"scripted has said nothing for {n} s" for n in (0, 0, 0, 0)]


@pytest.mark.usefixtures("pause")
async def test_analysis_stands_in_soon_for_a_server_that_gives_no_sign_of_life(root: Path) -> None:
    chat = SlowChat(looks=1000, alive=False)
    outcome = await run(task("explain", root), chat, tell=chat.tell)
    assert outcome.made_by == "analysis" and "did not answer: it gives no sign of life; outlined" in outcome.markdown
    assert (chat.looked, chat.left) == (1, True)


@pytest.mark.usefixtures("pause")
async def test_where_a_model_is_needed_it_is_waited_for_without_a_look(root: Path) -> None:
    chat = SlowChat(looks=3, alive=False)
    assert (await run(task("review", root), chat, tell=chat.tell)).markdown == "It halves."
    assert chat.looked == 0 and len(chat.told) >= 3
