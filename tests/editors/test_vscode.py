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

@pytest.fixture
def window(server: Server, file: Path, tmp_path: Path) -> Iterator[VSCode]:
    """A window with the cursor on a new line in the body of `Basket.total`."""
    require(**vscode.needs())
    with vscode.running(server, file, home=tmp_path / "vscode") as opened:
        until(lambda: "model" in opened.status(), "the model to be loaded")
        opened.at_end_of_line(line_before_body(file))
        opened.press("Enter")
        yield opened


def test_ghost_text_is_shown_accepted_and_counted(window: VSCode, server: Server, file: Path, artefacts: Path) -> None:
    before = file.read_text()
    ghost = window.type_until_ghost(BODY)
    server.until_counted(shown=1)
    window.capture(artefacts / "vscode-ghost.png")
    window.press("Tab")
    until(lambda: not window.ghost().strip() or window.ghost() != ghost, "the ghost text to become code")
    window.press("Control+s")
    until(lambda: file.read_text() != before, "the file to be saved")
    assert ghost.strip() in file.read_text()
    window.capture(artefacts / "vscode-accepted.png")
    assert server.until_counted(accepted=1)["accepted"] == 1
