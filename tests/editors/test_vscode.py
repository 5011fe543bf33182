"""VS Code: ghost text appears, is taken or refused, and is counted; with stable API alone.

A window takes long to open, so the tests share one. Each has a file of its own, and counts from where it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import vscode
from tests.editors.conftest import require
from tests.editors.polling import until
from tests.editors.project import BEGIN, REST, line_before_body, write_project
from tests.editors.server import Server
from tests.editors.vscode import VSCode


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return Server(data=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def window(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    """A window on a project, ready to suggest."""
    require(**vscode.needs())
    home = tmp_path_factory.mktemp("vscode")
    with vscode.running(server, write_project(home / "shop"), home=home) as opened:
        until(opened.is_ready, "the model to be loaded")
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

    window.profile.configure(command=["codecompose-ls-of-nowhere"])
    until(lambda: "'codecompose-ls-of-nowhere' was not found" in window.notification(), "advice on how to install it")
    assert "not installed" in window.status()
    window.profile.configure()
    until(lambda: "not installed" not in window.status() and window.is_ready(), "the server to come back")
