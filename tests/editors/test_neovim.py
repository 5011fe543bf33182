"""Neovim 0.10 with extmarks of our own, 0.12 with its own inline completion: seen in a terminal, taken, counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.editors import neovim
from tests.editors.conftest import BODY, line_before_body, require
from tests.editors.neovim import Neovim
from tests.editors.polling import until
from tests.editors.server import Server


@pytest.fixture(params=[("trixie", "auto"), ("forky", "auto"), ("forky", "extmarks")], ids="-".join)
def nvim(request: pytest.FixtureRequest, server: Server, file: Path) -> Iterator[Neovim]:
    """A terminal with the cursor on a new line in the body of `Basket.total`."""
    suite, ghost = request.param
    require(**neovim.needs(suite))
    with (
        TemporaryDirectory(prefix="nvim") as home,
        neovim.running(server, file, suite=suite, ghost=ghost, home=Path(home)) as opened,
    ):
        opened.keys(f"{line_before_body(file)}G", "o")
        yield opened


def test_ghost_text_is_shown_accepted_and_counted(nvim: Neovim, server: Server, file: Path, artefacts: Path) -> None:
    before = file.read_text()
    ghost = nvim.type_until_ghost(BODY)
    server.until_counted(shown=1)
    (artefacts / "nvim-ghost.ansi").write_text(nvim.screen(colours=True), encoding="utf-8")
    assert ghost not in nvim.line()
    nvim.keys("Tab")
    until(lambda: ghost.strip() in nvim.line(), "the ghost text to become code")
    nvim.keys("Escape", ":w", "Enter")
    until(lambda: file.read_text() != before, "the file to be saved")
    assert ghost.strip() in file.read_text()
    assert server.until_counted(accepted=1)["accepted"] == 1
