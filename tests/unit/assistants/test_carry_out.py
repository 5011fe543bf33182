"""A task is carried out by a chat model or by analysis: shown as it comes, checked before it is offered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from codecompose_ls.assistants import silence
from codecompose_ls.assistants.assistant import parse
from codecompose_ls.assistants.carry_out import carry_out, needs_chat
from codecompose_ls.assistants.library import library
from codecompose_ls.assistants.outcome import Outcome, results
from codecompose_ls.assistants.task import Diagnostic, Task
from codecompose_ls.backends.chat import Chat, RemoteChat
from codecompose_ls.backends.connect import connect_chat
from codecompose_ls.errors import BackendError, Cancelled, EngineError, InputError, ModelError
from codecompose_ls.settings import Settings
from codecompose_ls.types import Document, Piece
from tests.http_server import HANG, HttpServer, event, stream, whole
from tests.repositories import Git
from tests.scripted_chat import ScriptedChat

SOURCE = dedent("""\
    def half(number: int) -> float:
        return number / 2


    def send(amount):
        return amount
""")
EDITED = "```python\ndef half(number: int) -> float:\n    return number * 0.5\n```"
KEY = "ghp_" + "a1B2" * 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git = Git(tmp_path / "project")
    git.commit({"half.py": SOURCE})
    return git.root


def task(
    name: str, root: Path | None, *, text: str = SOURCE, path: str = "half.py", at: int = 0, **more: object
) -> Task:
    uri = (root / path).as_uri() if root else f"untitled:{path}"
    return Task(library(root).find(name), Document(uri, path, "python", text), at, at, root=root, **more)  # type: ignore[arg-type]


async def run(asked: Task, chat: Chat | None = None, *, shown: list[str] | None = None, **more: Any) -> Outcome:
    shown = [] if shown is None else shown

    def show(text: str, by: str) -> None:
        shown.append(text)

    return await carry_out(asked, chat=chat, stop=threading.Event(), show=show, **more)


def talk(*texts: str, finish: str | None = "stop") -> list[bytes]:
    said = [event({"choices": [{"delta": {"content": text}, "finish_reason": None}]}) for text in texts]
    ended = [event({"choices": [{"delta": {}, "finish_reason": finish}]}), b"data: [DONE]\n\n"] if finish else []
    return [*said, *ended]


def remote(server: HttpServer) -> RemoteChat:
    chat = connect_chat(Settings(chat="openai", chat_url=f"{server.url}/v1", chat_model="tiny"))
    assert isinstance(chat, RemoteChat)
    return chat


async def test_a_text_is_shown_as_it_comes(root: Path) -> None:
    shown: list[str] = []
    outcome = await run(task("explain", root), ScriptedChat("It halves a number.", piece=5), shown=shown)
    assert shown == ["It ha", "lves ", "a num", "ber.", ""]
    assert outcome == Outcome("It halves a number.", made_by="scripted")


async def test_an_edit_is_checked_and_says_who_made_it(root: Path) -> None:
    outcome = await run(task("improve", root), ScriptedChat(EDITED))
    assert results(outcome.edits) == {root / "half.py": SOURCE.replace("/ 2", "* 0.5")}
    assert (outcome.refusal, outcome.made_by, outcome.description) == ("", "scripted", "Improve: by scripted")


@pytest.mark.parametrize("finish", ["length", None])
async def test_a_cut_off_answer_is_no_edit(root: Path, finish: str | None) -> None:
    outcome = await run(task("improve", root), ScriptedChat(EDITED, finish=finish))
    assert not outcome.edits and outcome.refusal == "the answer was cut off" and outcome.markdown == EDITED
    shown = await run(task("explain", root), ScriptedChat("It", finish=finish))
    assert shown.markdown == "It\n\n*The answer was cut off.*\n"


async def test_what_fails_the_check_is_shown_with_the_reason(root: Path) -> None:
    outcome = await run(task("improve", root), ScriptedChat("```python\ndef other(): ...\n```"))
    assert not outcome.edits and "does not define 'half'" in outcome.refusal and "def other" in outcome.markdown


async def test_an_answer_of_nothing_is_said_so(root: Path) -> None:
    assert (await run(task("explain", root), ScriptedChat(""))).markdown == "*The model has said nothing.*\n"
    assert (await run(task("improve", root), ScriptedChat("<think>hm"))).refusal == "the model has said nothing"


async def test_an_endless_answer_ends(root: Path) -> None:
    outcome = await run(task("improve", root), ScriptedChat("x" * 50_000, piece=1000))
    assert outcome.refusal == "the answer was cut off" and len(outcome.markdown) < 40_000


async def test_a_longer_code_may_have_a_longer_answer(root: Path) -> None:
    chat = ScriptedChat("", context=32_768)
    await run(task("improve", root), chat)
    await run(task("improve", root, text="def half():\n" + "    number()\n" * 500), chat)
    assert chat.sampled[1].max_tokens - chat.sampled[0].max_tokens > 3000


async def test_code_that_does_not_fit_is_said_so(root: Path) -> None:
    long = "def half():\n" + "    number()\n" * 500
    with pytest.raises(InputError, match=r"the code is 6,511 characters long, of which [\d,]+ would fit: select less"):
        await run(task("improve", root, text=long), ScriptedChat(context=2000))


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        (".env.py", SOURCE, "looks like a secret"),
        ("ignored.py", SOURCE, "ignored by .gitignore"),
        ("out/half.py", SOURCE, "ignored by settings"),
        ("half.py", f"{SOURCE}\nKEY = '{KEY}'\n", "holds a secret"),
        ("half.py", SOURCE + "\0", "binary"),
        ("half.py", SOURCE + "#" * 1_000_001, "larger than 1 MB"),
    ],
)
async def test_what_may_not_be_read_reaches_no_prompt(root: Path, path: str, text: str, reason: str) -> None:
    (root / ".gitignore").write_text("ignored.py\n")
    path = path.replace(".env.py", ".ssh/id.py")
    chat = ScriptedChat("no")
    with pytest.raises(InputError, match=reason):
        await run(task("explain", root, text=text, path=path, ignore=("out/",)), chat)
    assert not chat.asked


async def test_a_document_that_was_never_saved_can_be_asked_about() -> None:
    chat = ScriptedChat("Yes.")
    assert (await run(task("explain", None), chat)).markdown == "Yes." and "def half" in chat.asked[0]
    with pytest.raises(InputError, match=r"save half\.py first"):
        await run(task("implement-tests", None), chat)


async def test_a_diff_holds_no_file_that_may_not_be_read(root: Path) -> None:
    (root / "half.py").write_text(SOURCE.replace("/ 2", "* 0.5"))
    git = Git(root)
    git("add", "--force", *git.write({"key.py": f"KEY = '{KEY}'\n", ".env": "A=1\n", "blob.py": b"\0\1"}))
    chat = ScriptedChat("A change.")
    await run(task("document-pull-request", root), chat)
    (prompt,) = chat.asked
    assert "number * 0.5" in prompt and "Left out: 3 files that may not be read." in prompt
    assert KEY not in prompt and "key.py" not in prompt and ".env" not in prompt


async def test_what_is_needed_and_missing_is_said_in_one_line(root: Path, tmp_path: Path) -> None:
    for name, message in {
        "fix-diagnostic": "no problem is reported there",
        "complete-todo": "there is no TODO or FIXME in this code",
        "document-pull-request": "nothing has changed|no changes",
    }.items():
        git = Git(tmp_path / name)
        git.commit({})
        with pytest.raises(InputError, match=message):
            await run(task(name, git.root), ScriptedChat())


async def test_nothing_is_asked_where_no_code_is_meant(root: Path) -> None:
    with pytest.raises(InputError, match="select the code that is meant"):
        await run(task("improve", root, text="\n\n"), ScriptedChat())


# Without a chat model


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


# With a server


async def test_a_server_is_asked_and_sees_no_secret(root: Path, server: HttpServer) -> None:
    server.answers.append(stream(*talk("It ", "fails.")))
    shown: list[str] = []
    said = (Diagnostic(0, 4, f"the token {KEY} is public", "scan"),)
    chat = remote(server)
    outcome = await run(task("potential-problems", root, diagnostics=said), chat, shown=shown)
    await chat.client.aclose()
    assert outcome.markdown == "It fails." and outcome.made_by == f"tiny@{server.url.removeprefix('http://')}"
    assert "".join(shown) == "It fails."
    (asked,) = server.asked
    (message,) = asked.body["messages"]
    assert message["role"] == "user" and "def half" in message["content"]
    assert KEY not in str(asked.body) and "the token ******** is public" in message["content"]


async def test_a_stop_ends_the_answer_and_the_request(root: Path, server: HttpServer) -> None:
    server.answers.append(stream(*talk("It ", finish=None), HANG))
    stop, chat, shown = threading.Event(), remote(server), asyncio.Event()
    asked = asyncio.create_task(
        carry_out(task("explain", root), chat=chat, stop=stop, show=lambda *_: shown.set())  # the first piece
    )
    await asyncio.wait_for(shown.wait(), 10)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.wait_for(server.left.wait(), 10)
    await chat.client.aclose()
    stop.set()
    with pytest.raises(Cancelled):
        await carry_out(task("explain", root), chat=ScriptedChat("x"), stop=stop, show=lambda *_: None)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (whole({"error": {"message": "no such model"}}, status=404), "no such model"),
        (stream(*talk("```python\ndef half(", finish=None)), "stopped in the midst"),
    ],
)
async def test_a_server_that_fails_is_one_line(
    root: Path, server: HttpServer, answer: list[bytes], message: str
) -> None:
    server.answers.append(answer)
    chat = remote(server)
    with pytest.raises(BackendError, match=message):
        await run(task("improve", root), chat)
    await chat.client.aclose()


async def test_a_server_that_answers_nonsense_changes_nothing(root: Path, server: HttpServer) -> None:
    server.answers.append(stream(*talk("def def ```\n", "rm -rf / \x00```")))
    chat = remote(server)
    outcome = await run(task("improve", root), chat)
    await chat.client.aclose()
    assert not outcome.edits and outcome.refusal


# With a model on this machine


async def test_a_model_on_this_machine_is_asked(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from codecompose_ls.backends.torch import TorchBackend
    from tests.torch_models import CHATML, torch_model

    backend = TorchBackend(torch_model(tmp_path / "model", "qwen2", chat_template=CHATML), fim=False)
    # A random model with room for 256 tokens: a short question, and no sense in the answer.
    short = parse("short", '+++\ntitle = "Short"\n+++\n{{code}}', origin="user")
    document = Document("untitled:a.py", "a.py", "python", "x = 1")
    shown: list[str] = []
    try:
        outcome = await run(Task(short, document, 0, 0), backend, shown=shown)
    finally:
        backend.close()
    assert outcome.made_by == "model" and outcome.markdown.strip()
    assert len(shown) > 1 and "".join(shown).lstrip("\n") in outcome.markdown
