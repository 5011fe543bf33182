"""Emacs with lsp-mode's own inline completion: seen in a terminal, taken, counted; and what lsp-mode does besides."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import emacs
from tests.editors.conftest import require
from tests.editors.emacs import Emacs
from tests.editors.polling import until
from tests.editors.project import BEGIN, REST, SOURCE, line_before_body, write_project
from tests.editors.scripted_server import ScriptedServer
from tests.editors.server import Server

TAKE = """
    def take(self, count: int) -> list[Article]:
        return self.articles[:count]
"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emacs, Server]]:
    """A terminal, and the server in it."""
    require(**emacs.needs())
    folder = tmp_path_factory.mktemp("emacs")
    server = Server(data=folder / "data")
    with emacs.running(server.command, server.environment, write_project(folder / "shop")) as editor:
        yield editor, server


@pytest.fixture
def editor(opened: tuple[Emacs, Server]) -> Emacs:
    """The cursor where the body of `Basket.total` has begun."""
    editor = opened[0]
    before = line_before_body(editor.file)
    lines = SOURCE.splitlines()
    editor.replace("\n".join([*lines[:before], f"        {BEGIN}", *lines[before:], ""]), line=before + 1)
    return editor


@pytest.fixture
def server(opened: tuple[Emacs, Server]) -> Server:
    return opened[1]


def test_ghost_text_is_shown_accepted_and_counted(editor: Emacs, server: Server, artefacts: Path) -> None:
    ghost = editor.type_until_ghost(REST)
    completed = editor.line() + ghost
    assert completed not in editor.text()
    server.until_counted(shown=1)
    editor.capture(artefacts / "emacs.svg", title="Emacs")
    editor.keys("Tab")
    until(lambda: completed in editor.text(), "the ghost text to become code")
    editor.keys("C-x", "C-s")
    until(lambda: completed in editor.file.read_text(), "the file to be saved")
    assert server.until_counted(accepted=1)["accepted"] == 1


def test_it_is_refused(editor: Emacs, server: Server) -> None:
    before = server.counts()
    editor.type_until_ghost(REST)
    line = editor.line()
    server.until_counted(before, shown=1)
    editor.keys("C-g")
    until(lambda: not editor.ghost(), "the ghost text to go")
    assert editor.line() == line
    assert server.until_counted(before, dismissed=1)["accepted"] == 0


def test_what_is_typed_over_goes(editor: Emacs, server: Server) -> None:
    before = server.counts()
    editor.type_until_ghost(REST)
    server.until_counted(before, shown=1)
    editor.write("§")
    server.until_counted(before, typed_over=1)


def test_an_assistant_answers_in_a_buffer(editor: Emacs) -> None:
    line = SOURCE.splitlines().index("        self.articles.append(article)") + 1
    editor.replace(SOURCE, line=line)
    choose(editor, "Explain")
    until(lambda: "no model was asked" in editor.answer(), "an explanation")
    assert "def add" in editor.answer()
    editor.lisp('(delete-windows-on "*CodeCompose*")')


def test_the_edit_of_an_assistant_is_made(editor: Emacs) -> None:
    editor.replace(SOURCE + TAKE, line=len((SOURCE + TAKE).splitlines()))
    choose(editor, "Add input checks")
    until(lambda: "if not isinstance(count, int)" in editor.text(), "the edit")


def choose(editor: Emacs, title: str) -> None:
    """Choose a code action by its title."""
    editor.command("lsp-execute-code-action")
    until(lambda: "Select code action" in editor.screen(), "the code actions")
    editor.write(title)
    editor.keys("Enter")


def test_a_killed_server_comes_back_when_the_user_says_so(editor: Emacs) -> None:
    first = editor.server_pid()
    editor.kill_server()
    until(lambda: "Do you want to restart it?" in editor.screen().replace("\\\n", ""), "the question")
    editor.write("y")
    until(lambda: editor.server_pid() not in (0, first), "another server")
    editor.type_until_ghost(REST)


def test_alternatives_are_seen_and_a_key_cancels_what_the_one_before_it_asked(file: Path, tmp_path: Path) -> None:
    require(**emacs.needs())
    server = ScriptedServer(tmp_path / "told.json")
    with emacs.running(server.command, dict(os.environ), file) as editor:
        editor.replace("", line=1)
        editor.write("a")
        until(lambda: "a" in server.told("asked"), "the first request")
        editor.write("b")
        until(lambda: "a" in server.told("cancelled"), "it to be cancelled")
        editor.write("=")
        until(lambda: editor.ghost().startswith("apple pie"), "the first")
        editor.keys("C-n")
        until(lambda: editor.ghost().startswith("apricot jam"), "the second")
        editor.keys("C-p", "C-p")
        until(lambda: editor.ghost().startswith("banana split"), "the last")
        editor.keys("Tab")
        until(lambda: editor.text() == "ab=banana split\nwith cream", "it to be taken")
        until(lambda: server.told("accepted") == ["banana split\nwith cream"], "the server to be told")
        assert server.told("shown") == ["apple pie", "apricot jam", "apple pie", "banana split\nwith cream"]


def test_a_missing_server_is_said(file: Path, tmp_path: Path) -> None:
    require(**emacs.needs())
    with emacs.running([str(tmp_path / "codecompose-ls"), "lsp"], dict(os.environ), file, ready=False) as editor:
        until(lambda: "was not found: install it, or set" in editor.screen(), "a message that helps")
        editor.keys("C-x", "C-f")
        editor.write("other.py")
        editor.keys("Enter")
        until(lambda: editor.lisp("(buffer-name (window-buffer (selected-window)))") == "other.py", "another file")
        assert editor.lisp('(with-current-buffer "*Warnings*" (how-many "was not found" 1))') == 1
