"""Assistants in Neovim 0.10 and 0.12: an answer streams into a split, an edit waits to be confirmed, `q` cancels."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.editors import neovim
from tests.editors.conftest import require
from tests.editors.neovim import Neovim
from tests.editors.polling import until
from tests.editors.server import Server
from tests.http_server import HANG, HttpServer, Step, said, stream, talk

every_version = pytest.mark.parametrize("suite", ["trixie", "forky"])
newest = pytest.mark.parametrize("suite", ["forky"])
DONE: Sequence[Step] = (b"data: [DONE]\n\n",)


class Chat:
    """A chat model server whose answers the test scripts, on a thread: the test waits for an editor."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._loop = server, loop
        self.settings = {"chat": "openai", "chatUrl": f"{server.url}/v1", "chatModel": "chatty"}

    def answers(self, answer: Sequence[Step]) -> None:
        self._server.answers.append(answer)

    def go_on(self, event: asyncio.Event) -> None:
        self._loop.call_soon_threadsafe(event.set)

    @property
    def is_left(self) -> bool:
        """Whether a client hung up in the midst of an answer."""
        return self._server.left.is_set()


@contextmanager
def scripted_chat() -> Iterator[Chat]:
    started: Future[Chat] = Future()
    end = asyncio.Event()

    async def serve() -> None:
        async with HttpServer() as server:
            started.set_result(Chat(server, asyncio.get_running_loop()))
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    chat = started.result(timeout=10)
    try:
        yield chat
    finally:
        chat.go_on(end)
        thread.join(timeout=10)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with scripted_chat() as chat:
        yield chat


@pytest.fixture
def file(file: Path) -> Path:
    """The project's file, with a method at its end whose parameter can be checked."""
    file.write_text(file.read_text() + TAKE)
    return file


TAKE = """
    def take(self, count: int) -> list[Article]:
        return self.articles[:count]
"""


@contextmanager
def opened(suite: str, server: Server, file: Path, **setup: object) -> Iterator[Neovim]:
    """A terminal, the cursor in the body of `Basket.add`."""
    require(**neovim.needs(suite))
    with neovim.running(server.command, server.environment, file, suite=suite, **setup) as nvim:
        line = file.read_text().splitlines().index("        self.articles.append(article)") + 1
        nvim.keys(f"{line}G")
        yield nvim


@pytest.fixture
def nvim(suite: str, server: Server, file: Path) -> Iterator[Neovim]:
    """Without a chat model."""
    with opened(suite, server, file) as nvim:
        yield nvim


@pytest.fixture
def talking(suite: str, server: Server, file: Path, chat: Chat) -> Iterator[Neovim]:
    """With a chat model."""
    with opened(suite, server, file, settings=chat.settings) as nvim:
        yield nvim


def name(nvim: Neovim) -> str:
    """The file or split that the cursor is in."""
    return str(nvim.lua("return vim.api.nvim_buf_get_name(0)"))


# Texts.


@every_version
def test_the_function_at_the_cursor_is_explained_by_analysis(
    nvim: Neovim, suite: str, file: Path, artefacts: Path
) -> None:
    nvim.command("CodeCompose explain")
    until(lambda: "no model was asked" in nvim.panel(), "an explanation")
    assert "def add" in nvim.panel() and "def total" not in nvim.panel()
    assert nvim.lua("return { vim.bo.filetype, vim.bo.buftype, vim.bo.modifiable }") == ["markdown", "nofile", False]
    until(lambda: "Explain, by analysis" in nvim.screen(), "the heading")
    nvim.capture(artefacts / f"nvim-{suite}-explain.svg", title="Neovim")
    split = nvim.lua("return vim.api.nvim_get_current_buf()")
    nvim.keys("q")
    until(lambda: name(nvim) == str(file), "the way back to the code")
    assert nvim.panel() == ""
    # Lines that are selected, and the same split again.
    nvim.keys("6G", "V", "6j")
    nvim.write(":CodeCompose explain")
    nvim.keys("Enter")
    until(lambda: "no model was asked" in nvim.panel(), "another explanation")
    assert "class Article" in nvim.panel() and "def add" not in nvim.panel()
    assert nvim.lua("return vim.api.nvim_get_current_buf()") == split


@every_version
def test_an_answer_streams_in_pieces(talking: Neovim, chat: Chat) -> None:
    go_on = asyncio.Event()
    chat.answers(stream(said("It puts "), go_on, said("an article\n\ninto the **basket**."), *DONE))
    talking.command("CodeCompose explain")
    until(lambda: talking.panel() == "It puts ", "the first piece")
    assert "explain …" in str(talking.lua("return require('codecompose').statusline()"))
    chat.go_on(go_on)
    until(lambda: talking.panel() == "It puts an article\n\ninto the **basket**.", "the rest")
    until(lambda: "Explain, by chatty" in talking.screen(), "who said it")
    assert talking.lua("return require('codecompose').statusline()") == "CodeCompose"


@newest
def test_the_split_follows_the_end_unless_the_user_has_moved(talking: Neovim, chat: Chat) -> None:
    more, most = asyncio.Event(), asyncio.Event()
    lines = "".join(f"line {number}\n" for number in range(50))
    chat.answers(stream(said(lines), more, said(lines), most, said("the end"), *DONE))
    talking.command("CodeCompose explain")
    until(lambda: row(talking) == 51, "the end of the first piece")
    chat.go_on(more)
    until(lambda: row(talking) == 101, "the end of the second piece")
    talking.keys("gg")
    until(lambda: row(talking) == 1, "the cursor to move")
    chat.go_on(most)
    until(lambda: talking.panel().endswith("the end"), "the last piece")
    assert row(talking) == 1


def row(nvim: Neovim) -> object:
    return nvim.lua("return vim.api.nvim_win_get_cursor(0)[1]")


@every_version
def test_closing_the_split_cancels_the_answer(talking: Neovim, chat: Chat, file: Path) -> None:
    chat.answers(stream(said("It goes on"), HANG))
    talking.command("CodeCompose explain")
    until(lambda: talking.panel() == "It goes on", "the first piece")
    assert not chat.is_left
    talking.keys("q")
    until(lambda: chat.is_left, "the server to hang up on the model")
    until(lambda: name(talking) == str(file), "the way back to the code")
    chat.answers(talk("It adds."))
    talking.command("CodeCompose explain")
    until(lambda: talking.panel() == "It adds.", "another answer")


@newest
def test_what_fails_is_said_in_the_split(nvim: Neovim) -> None:
    nvim.command("CodeCompose review")
    until(lambda: "**Error:** 'review' needs a chat model" in nvim.panel(), "the reason")
    nvim.keys("q")
    nvim.command("CodeCompose nonsense")
    until(lambda: "**Error:** no assistant 'nonsense'" in nvim.panel(), "the reason")


@newest
def test_an_assistant_is_chosen_from_a_list(nvim: Neovim) -> None:
    nvim.command("CodeCompose assist")
    until(lambda: "Ask an assistant" in nvim.screen(), "the list")
    assert "Review (not now: needs a chat model" in nvim.screen()
    (explain,) = (line for line in nvim.screen().splitlines() if line.endswith(": Explain"))
    nvim.keys(explain.split(":")[0].strip(), "Enter")
    until(lambda: "no model was asked" in nvim.panel(), "an explanation")


@newest
def test_a_code_action_uses_the_split(nvim: Neovim) -> None:
    nvim.lua("""vim.lsp.buf.code_action({
      apply = true,
      filter = function(action) return action.kind == 'codecompose.explain' end,
    })""")
    until(lambda: "def add" in nvim.panel(), "an explanation")


# Edits.


@every_version
def test_an_edit_is_made_when_it_is_confirmed(nvim: Neovim, suite: str, file: Path, artefacts: Path) -> None:
    nvim.keys("G")
    nvim.command("CodeCompose add-input-checks")
    until(lambda: "make this edit?" in nvim.screen(), "the question")
    screen = nvim.screen()
    # All of the difference, above the question.
    assert "+        if not isinstance(count, int)" in screen and "+            raise TypeError" in screen
    nvim.capture(artefacts / f"nvim-{suite}-edit.svg", title="Neovim")
    nvim.keys("1", "Enter")
    until(lambda: nvim.panel().endswith("**Applied.**"), "the edit to be made")
    until(lambda: "by analysis: applied" in nvim.screen(), "the heading to say so")
    nvim.keys("q")
    until(lambda: name(nvim) == str(file), "the way back to the code")
    assert "        if not isinstance(count, int)" in nvim.text()
    nvim.command("w")
    until(lambda: "isinstance(count, int)" in file.read_text(), "the file to be saved")


@every_version
def test_an_edit_that_is_refused_leaves_the_buffer_alone(nvim: Neovim, file: Path) -> None:
    before = nvim.lua("return vim.b.changedtick")
    nvim.keys("G")
    nvim.command("CodeCompose add-input-checks")
    until(lambda: "make this edit?" in nvim.screen(), "the question")
    nvim.keys("2", "Enter")
    until(lambda: "**Not applied:**" in nvim.panel(), "the refusal")
    nvim.keys("q")
    until(lambda: name(nvim) == str(file), "the way back to the code")
    assert nvim.lua("return vim.b.changedtick") == before
    assert nvim.text() + "\n" == file.read_text()


# Other commands.


@newest
def test_commands_are_completed(nvim: Neovim) -> None:
    def completed(begun: str) -> object:
        return nvim.lua(f"return vim.fn.getcompletion('CodeCompose {begun}', 'cmdline')")

    # The server is asked for the assistants, and on a busy machine a key does not wait for it.
    until(lambda: completed("d") == ["dashboard", "document-pull-request"], "the names")
    until(lambda: completed("assist exp") == ["explain"], "an assistant's name")


@every_version
def test_tuning_runs_in_a_terminal(nvim: Neovim) -> None:
    nvim.command("CodeCompose tune --help")
    until(lambda: "usage: codecompose-ls tune" in nvim.text(), "the program's help")
    assert nvim.lua("return vim.bo.buftype") == "terminal"


@newest
def test_the_log_and_the_state_are_shown(nvim: Neovim) -> None:
    nvim.command("CodeCompose status")
    until(lambda: "CodeCompose: model 'base'" in nvim.screen().splitlines()[-1], "the state")
    nvim.command("CodeCompose toggle")
    until(lambda: nvim.lua("return require('codecompose').statusline()") == "CodeCompose: off", "it to be off")
    nvim.command("CodeCompose log")
    until(lambda: name(nvim).endswith("lsp.log"), "the log")
