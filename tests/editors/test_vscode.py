"""VS Code: ghost text appears, is taken or refused, and is counted; with stable API alone.

A window takes long to open, so the tests share one. Each has a file of its own, and counts from where it begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import vscode
from tests.editors.conftest import require
from tests.editors.model import ModelServer, model_server
from tests.editors.polling import until
from tests.editors.project import line_before_body, write_project
from tests.editors.scripted_server import ScriptedServer
from tests.editors.server import Server
from tests.editors.vscode import VSCode
from tests.http_server import HANG, openai, stream

#: How a person might begin in the missing body, and go on if nothing is suggested.
BEGIN, REST = "self.articles.", "append(the_last_article)"
#: A file whose fourth line is to be completed, by two lines that a model on a server suggests.
LOOP = "def total(articles):\n    price = 0\n    for article in articles:\n        \n    return price\n"
FIRST, SECOND = "price += article.price", "count += 1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return Server(data=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def window(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    """A window on a project, ready to suggest."""
    require(**vscode.needs())
    home = tmp_path_factory.mktemp("vscode")
    with vscode.running(server, write_project(home / "shop"), home=home) as opened:
        opened.until_ready()
        yield opened


@pytest.fixture
def file(window: VSCode) -> Path:
    """A file open in the window, the cursor where the body of `Basket.total` has begun."""
    number = len(list(window.file.parent.glob("*.py")))
    copy = window.file.with_name(f"basket{number}.py")
    copy.write_text(window.file.read_text(), encoding="utf-8")
    window.open(copy.name)
    window.at_end_of_line(line_before_body(copy))
    window.press("Enter")
    window.write(BEGIN)
    return copy


@pytest.fixture
def loop(window: VSCode) -> Path:
    """A file open in the window, the cursor on the empty line in its loop."""
    file = window.file.with_name("loop.py")
    file.write_text(LOOP, encoding="utf-8")
    window.open(file.name)
    window.at_end_of_line(4)
    window.press("Escape")  # what may have been suggested there
    until(lambda: not window.ghost(), "nothing to be suggested")
    return file


@pytest.fixture
def model(window: VSCode) -> Iterator[ModelServer]:
    """A model on a server that is asked instead of the one on this machine."""
    with model_server() as model:
        window.profile.configure(
            backend="openai", backendUrl=f"{model.url}/v1", backendModel="far", backendFallback=False, speculate=False
        )
        # Until the server has reached it, the one on this machine answers.
        until(lambda: "'far@" in window.status() and window.is_ready(), "the server to know of the model")
        yield model
        window.profile.configure()
        until(lambda: "'base'" in window.status(), "the model on this machine to answer again")


@pytest.fixture
def before(server: Server) -> dict[str, int]:
    """The counts when the test begins."""
    return server.counts()


def test_ghost_text_is_shown_accepted_and_counted(
    before: dict[str, int], window: VSCode, server: Server, file: Path, artefacts: Path
) -> None:
    ghost = window.type_until_ghost(REST)
    completed = window.line() + ghost
    server.until_counted(before, shown=1)
    window.capture(artefacts / "vscode-ghost.png")
    window.press("Tab")
    until(lambda: window.line() == completed, "the ghost text to become code")
    window.press("Control+s")
    until(lambda: completed in file.read_text(), "the file to be saved")
    window.capture(artefacts / "vscode-accepted.png")
    assert server.until_counted(before, accepted=1)["accepted"] == 1


@pytest.mark.usefixtures("file")
def test_a_word_of_it_is_taken(before: dict[str, int], window: VSCode, server: Server) -> None:
    ghost = window.type_until_ghost(REST)
    server.until_counted(before, shown=1)
    taken = word = ""
    # A word of one character looks like a key: the editor does not say which it was.
    while len(word) <= 1 and taken != ghost:
        until(window.ghost, "the rest of it")
        word = take_word(window)
        taken += word
    assert ghost.startswith(taken)
    if len(word) > 1:
        server.until_counted(before, **{"accepted" if taken == ghost else "partly_accepted": 1})


def take_word(window: VSCode) -> str:
    typed = window.line()
    window.press("Control+ArrowRight")
    until(lambda: len(window.line()) > len(typed), "a word to be inserted")
    return window.line().removeprefix(typed)


@pytest.mark.usefixtures("file")
def test_moving_away_dismisses_it(before: dict[str, int], window: VSCode, server: Server) -> None:
    window.type_until_ghost(REST)
    server.until_counted(before, shown=1)
    window.press("ArrowLeft")
    assert server.until_counted(before, dismissed=1)["accepted"] == 0


@pytest.mark.usefixtures("loop")
def test_asked_for_by_hand_it_is_taken_by_line(
    before: dict[str, int], window: VSCode, server: Server, model: ModelServer
) -> None:
    model.will_answer(openai(f"{FIRST}\n        {SECOND}\n"))
    window.press("Alt+\\")
    until(lambda: window.ghost() == FIRST, "what was asked for")
    server.until_counted(before, shown=1)
    window.press("Control+Alt+ArrowRight")
    until(lambda: f"        {FIRST}\n" in window.code(), "the first line")
    assert SECOND not in window.line()
    assert server.until_counted(before, partly_accepted=1)["accepted"] == 0
    until(lambda: SECOND in window.ghost(), "the second to be left")
    window.press("Control+Alt+ArrowRight")
    until(lambda: window.line().strip() == SECOND, "the second line")
    assert server.until_counted(before, accepted=1)["shown"] == 1


def test_the_next_key_cancels_what_runs(
    before: dict[str, int], window: VSCode, server: Server, loop: Path, model: ModelServer
) -> None:
    model.will_answer(stream(HANG), openai("ice += article.price"))
    window.write("p")
    model.until_asked(1)
    until(lambda: "thinking" in window.status(), "the status to say that it thinks")
    window.write("r")
    model.until_left()
    until(lambda: window.ghost() == "ice += article.price", "the answer to the second key")
    until(lambda: "thinking" not in window.status(), "the status to say that it does not think any more")
    counted = server.until_counted(before, shown=1, cancelled=1)
    assert (counted["shown"], counted["cancelled"]) == (1, 1)


@pytest.mark.usefixtures("loop")
def test_alternatives_are_seen_one_after_another(window: VSCode, tmp_path: Path) -> None:
    several = ScriptedServer(tmp_path / "told.json")
    window.profile.configure(command=several.command)
    until(lambda: window.status().endswith("ready"), "a server that has several")
    window.write("total =")
    until(lambda: window.ghost() == "apple pie", "the first")
    for key, word in {"Alt+]": "apricot jam", "Alt+[": "apple pie"}.items():
        window.press(key)
        until(lambda word=word: window.ghost() == word, "the next, or the one before")
    window.profile.configure()
    until(lambda: "'base'" in window.status(), "our server to come back")


@pytest.mark.usefixtures("file")
def test_killed_it_is_started_again(window: VSCode, server: Server) -> None:
    window.press("Escape")
    until(lambda: not window.ghost(), "nothing to be suggested")
    server.kill()
    assert window.type_until_ghost(REST)
    assert "stopped" not in window.notification()


def test_killed_again_and_again_it_waits_for_a_click(window: VSCode, server: Server) -> None:
    while "has stopped" not in window.status():
        server.kill()
        until(lambda: "Starting" in window.status() or "has stopped" in window.status(), "the client to notice")
        until(lambda: "Starting" not in window.status(), "the server to start, or not")
    until(lambda: "stopped again and again" in window.notification(), "a way out")
    window.click_status()
    until(lambda: "'base'" in window.status() and window.is_ready(), "the server to start")
    window.clear_notifications()


def test_a_cell_of_a_notebook_is_completed(before: dict[str, int], window: VSCode, server: Server) -> None:
    file = window.file.with_name("circle.ipynb")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    cells = ["import math\n\nradius = 2", "perimeter = 2 * math.pi * radius\n"]
    nbformat = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": list(map(cell, cells))}
    file.write_text(json.dumps(nbformat), encoding="utf-8")
    window.open(file.name)
    window.press("Control+End")
    window.write("area = math.")
    ghost = window.type_until_ghost("pi * radius ** 2")
    completed = window.line() + ghost
    server.until_counted(before, shown=1)
    window.press("Tab")
    until(lambda: window.line() == completed, "the ghost text to become code")
    window.press("Control+s")
    until(lambda: completed in "".join(json.loads(file.read_text())["cells"][1]["source"]), "the notebook to be saved")
    assert server.until_counted(before, accepted=1)["accepted"] == 1


def cell(source: str) -> dict[str, object]:
    """A cell of code, of the notebook's format."""
    return {"cell_type": "code", "id": f"cell-{len(source)}", "metadata": {}, "outputs": [], "source": source}


def test_a_document_without_a_file_is_completed(before: dict[str, int], window: VSCode, server: Server) -> None:
    window.command("New Untitled Text File")
    window.page.locator(".tab.active", has_text="Untitled-").wait_for()
    window.command("Change Language Mode")
    window.choices().first.wait_for()
    window.fill("Python")
    window.page.locator(".statusbar-item", has_text="Python").wait_for()
    window.write("def total(prices):")
    window.press("Enter")
    assert window.type_until_ghost("return sum(price for price in prices)")
    server.until_counted(before, shown=1)


@pytest.mark.usefixtures("file")
def test_thumbs_go_up_with_a_comment_and_not_down_without_a_yes(window: VSCode, server: Server) -> None:
    window.type_until_ghost(REST)
    window.command("CodeCompose: Bad Suggestion...")
    window.page.get_by_placeholder("What should have been there?").press("Escape")
    window.box().wait_for(state="hidden")
    window.command("CodeCompose: Good Suggestion...")
    window.page.get_by_placeholder("What was good about it?").wait_for()
    window.fill("just what I meant")
    until(lambda: "Thank you" in window.notification(), "the server to keep it")
    (kept,) = server.feedback()
    assert (kept["rating"], kept["about"], kept["comment"]) == ("up", "suggestion", "just what I meant")
    assert (kept["language"], kept["editor"]) == ("python", "vscode")


def test_the_status_menu_opens_the_dashboard_in_a_terminal(window: VSCode) -> None:
    window.from_status_menu("Open Dashboard")
    until(lambda: "codecompose-ls dashboard" in window.terminal(), "the program to run in a terminal")


def test_the_status_says_why_nothing_is_suggested(window: VSCode) -> None:
    window.from_status_menu("Pause Suggestions")
    until(lambda: "switched off" in window.status(), "the server to say that it is switched off")
    window.from_status_menu("Resume Suggestions")
    until(lambda: "switched off" not in window.status(), "suggestions to go on")
    window.from_status_menu("Turn Off for 'python'")
    until(lambda: "switched off for python" in window.status(), "the server to say so")
    window.profile.configure()
    until(lambda: "switched off" not in window.status(), "suggestions to go on")
