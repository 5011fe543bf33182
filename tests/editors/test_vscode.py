"""VS Code: ghost text appears, is taken or refused, and is counted; with stable API alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import vscode
from tests.editors.conftest import BODY, line_before_body, require
from tests.editors.polling import until
from tests.editors.server import Server
from tests.editors.vscode import VSCode


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of extensions with ours in it."""
    require(**vscode.needs())
    folder = tmp_path_factory.mktemp("extensions")
    vscode.install_extension(folder)
    return folder


@pytest.fixture
def window(server: Server, file: Path, tmp_path: Path, extensions: Path) -> Iterator[VSCode]:
    """A window with the cursor on a new line in the body of `Basket.total`."""
    with vscode.running(server, file, home=tmp_path / "vscode", extensions=extensions) as opened:
        until(opened.is_ready, "the model to be loaded")
        opened.at_end_of_line(line_before_body(file))
        opened.press("Enter")
        yield opened


def test_ghost_text_is_shown_accepted_and_counted(window: VSCode, server: Server, file: Path, artefacts: Path) -> None:
    ghost = window.type_until_ghost(BODY)
    completed = window.line() + ghost
    server.until_counted(shown=1)
    window.capture(artefacts / "vscode-ghost.png")
    window.press("Tab")
    until(lambda: window.line() == completed, "the ghost text to become code")
    window.press("Control+s")
    until(lambda: completed in file.read_text(), "the file to be saved")
    window.capture(artefacts / "vscode-accepted.png")
    assert server.until_counted(accepted=1)["accepted"] == 1


def test_a_word_is_taken_and_moving_away_dismisses(window: VSCode, server: Server) -> None:
    ghost = window.type_until_ghost(BODY)
    before = window.line()
    window.press("Control+ArrowRight")
    until(lambda: len(window.line()) > len(before), "a word to be inserted")
    taken = window.line().removeprefix(before)
    server.until_counted(shown=1, **{"accepted" if taken == ghost else "partly_accepted": 1})

    window.press("End", "Enter")
    window.type_until_ghost(BODY)
    shown = server.until_counted(shown=2)
    window.press("ArrowLeft")
    server.until_counted(dismissed=shown["dismissed"] + 1)


def test_the_selection_is_explained(window: VSCode, artefacts: Path) -> None:
    window.press("Control+a")
    window.command("CodeCompose: Explain Selection")
    preview = window.page.frame_locator("iframe.webview").frame_locator("iframe#active-frame")
    preview.get_by_text("Basket").first.wait_for()
    window.capture(artefacts / "vscode-explain.png")


def test_the_status_says_why_nothing_is_suggested(window: VSCode) -> None:
    window.command("CodeCompose: Turn Suggestions On or Off")
    until(lambda: "switched off" in window.status(), "the server to say that it is switched off")

    window.profile.configure(command=["codecompose-ls-of-nowhere"])
    until(lambda: "'codecompose-ls-of-nowhere' was not found" in window.notification(), "advice on how to install it")
    assert "not installed" in window.status()
    window.profile.configure()
    until(lambda: "not installed" not in window.status() and window.is_ready(), "the server to come back")
