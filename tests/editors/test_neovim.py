"""Neovim 0.10 with extmarks of our own, 0.12 with its own inline completion: seen in a terminal, taken, counted."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.editors import neovim
from tests.editors.conftest import require
from tests.editors.neovim import Neovim
from tests.editors.polling import until
from tests.editors.project import BEGIN, REST, line_before_body
from tests.editors.server import Server

EXTMARKS_0_10, NATIVE_0_12, EXTMARKS_0_12 = ("trixie", "auto"), ("forky", "auto"), ("forky", "extmarks")
every_way = pytest.mark.parametrize("way", [EXTMARKS_0_10, NATIVE_0_12, EXTMARKS_0_12], ids="-".join)
two_ways = pytest.mark.parametrize("way", [EXTMARKS_0_10, NATIVE_0_12], ids="-".join)
one_way = pytest.mark.parametrize("way", [NATIVE_0_12], ids="-".join)


@pytest.fixture
def nvim(way: tuple[str, str], server: Server, file: Path) -> Iterator[Neovim]:
    """A terminal, the cursor where the body of `Basket.total` has begun."""
    suite, ghost = way
    require(**neovim.needs(suite))
    with neovim.running(server.command, server.environment, file, suite=suite, ghost=ghost) as opened:
        opened.keys(f"{line_before_body(file)}G", "o")
        opened.write(BEGIN)
        yield opened


@every_way
def test_ghost_text_is_shown_accepted_and_counted(
    nvim: Neovim, way: tuple[str, str], server: Server, file: Path, artefacts: Path
) -> None:
    ghost = nvim.type_until_ghost(REST)
    completed = nvim.line() + ghost
    assert completed not in nvim.text()
    server.until_counted(shown=1)
    nvim.capture(artefacts / f"nvim-{'-'.join(way)}.svg", title="Neovim")
    nvim.keys("Tab")
    until(lambda: completed in nvim.text(), "the ghost text to become code")
    nvim.keys("Escape", ":w", "Enter")
    until(lambda: completed in file.read_text(), "the file to be saved")
    assert server.until_counted(accepted=1)["accepted"] == 1


@two_ways
def test_a_word_of_it_is_taken(nvim: Neovim, server: Server) -> None:
    ghost = nvim.type_until_ghost(REST)
    before = nvim.line()
    nvim.keys("M-Right")
    until(lambda: nvim.line() != before, "a word to be inserted")
    taken = nvim.line().removeprefix(before)
    assert taken.strip() and ghost.startswith(taken)
    server.until_counted(shown=1, **{"accepted" if taken == ghost else "partly_accepted": 1})


@two_ways
def test_what_is_typed_over_goes(nvim: Neovim, server: Server) -> None:
    ghost = nvim.type_until_ghost(REST)
    server.until_counted(shown=1)
    nvim.write("§")
    until(lambda: nvim.line().endswith("§"), "the key to arrive")
    left = nvim.ghost()
    assert not left or left != ghost[1:], "the old text, with a character of it eaten"
    server.until_counted(typed_over=1)


@two_ways
def test_it_is_refused(nvim: Neovim, server: Server) -> None:
    nvim.type_until_ghost(REST)
    before = nvim.line()
    server.until_counted(shown=1)
    nvim.keys("C-]")
    until(lambda: not nvim.ghost(), "the ghost text to go")
    assert nvim.line() == before
    assert server.until_counted(dismissed=1)["accepted"] == 0


@one_way
def test_switched_off_a_key_does_what_it_did_before(nvim: Neovim, server: Server) -> None:
    nvim.lua("vim.cmd.CodeCompose('toggle')")
    until(lambda: "switched off" in nvim.status(), "the server to say that it is switched off")
    before = nvim.line()
    nvim.write(REST)
    nvim.keys("Tab")
    until(
        lambda: nvim.line().startswith(before + REST) and nvim.line().endswith((" ", "\t")),
        "a tab after what was typed",
    )
    assert not nvim.ghost()
    assert server.counts()["requested"] == 0


@two_ways
def test_health_is_good(nvim: Neovim, way: tuple[str, str]) -> None:
    nvim.keys("Escape")
    nvim.lua("vim.cmd.checkhealth('codecompose')")
    until(lambda: "chat model:" in nvim.text(), "a report")
    report = nvim.text()
    assert "ERROR" not in report and "WARNING" not in report
    drawn = "vim.lsp.inline_completion" if way == NATIVE_0_12 else "extmarks"
    for part in ("OK Neovim 0.1", drawn, "codecompose-ls", f"version: {version('codecompose-ls')}", "model 'base'"):
        assert part in report
