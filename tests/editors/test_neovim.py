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

EXTMARKS_0_10, NATIVE_0_12, EXTMARKS_0_12 = ("trixie", "auto"), ("forky", "auto"), ("forky", "extmarks")
every_way = pytest.mark.parametrize("way", [EXTMARKS_0_10, NATIVE_0_12, EXTMARKS_0_12], ids="-".join)
two_ways = pytest.mark.parametrize("way", [EXTMARKS_0_10, NATIVE_0_12], ids="-".join)
one_way = pytest.mark.parametrize("way", [NATIVE_0_12], ids="-".join)


@pytest.fixture
def nvim(way: tuple[str, str], server: Server, file: Path) -> Iterator[Neovim]:
    """A terminal with the cursor on a new line in the body of `Basket.total`."""
    suite, ghost = way
    require(**neovim.needs(suite))
    with (
        TemporaryDirectory(prefix="nvim") as home,  # short, for the sockets in it
        neovim.running(server, file, suite=suite, ghost=ghost, home=Path(home)) as opened,
    ):
        opened.keys(f"{line_before_body(file)}G", "o")
        yield opened


@every_way
def test_ghost_text_is_shown_accepted_and_counted(
    nvim: Neovim, way: tuple[str, str], server: Server, file: Path, artefacts: Path
) -> None:
    before = file.read_text()
    ghost = nvim.type_until_ghost(BODY)
    server.until_counted(shown=1)
    (artefacts / f"nvim-{'-'.join(way)}.ansi").write_text(nvim.screen(colours=True), encoding="utf-8")
    assert ghost not in nvim.line()
    nvim.keys("Tab")
    until(lambda: ghost.strip() in nvim.line(), "the ghost text to become code")
    nvim.keys("Escape", ":w", "Enter")
    until(lambda: file.read_text() != before, "the file to be saved")
    assert ghost.strip() in file.read_text()
    server.until_counted(shown=1, accepted=1)


@two_ways
def test_a_word_of_it_is_taken(nvim: Neovim, server: Server) -> None:
    ghost = nvim.type_until_ghost(BODY)
    before = nvim.line()
    nvim.keys("M-Right")
    until(lambda: nvim.line() != before, "a word to be inserted")
    taken = nvim.line().removeprefix(before)
    assert taken.strip() and ghost.startswith(taken)
    server.until_counted(shown=1, **{"accepted" if taken == ghost else "partly_accepted": 1})


@two_ways
def test_it_is_refused(nvim: Neovim, server: Server) -> None:
    nvim.type_until_ghost(BODY)
    before = nvim.line()
    server.until_counted(shown=1)
    nvim.keys("C-]")
    until(lambda: not nvim.ghost(), "the ghost text to go")
    assert nvim.line() == before
    server.until_counted(shown=1, dismissed=1, accepted=0)


@one_way
def test_switched_off_a_key_does_what_it_did_before(nvim: Neovim, server: Server) -> None:
    nvim.lua("vim.cmd.CodeCompose('toggle')")
    until(lambda: "switched off" in nvim.status(), "the server to say that it is switched off")
    before = nvim.line()
    nvim.keys("Tab")
    until(lambda: nvim.line() == before + "\t" or nvim.line() == before + " " * 4, "a tab")
    server.until_counted(shown=0)


@one_way
def test_the_selection_is_explained(nvim: Neovim) -> None:
    nvim.keys("Escape")
    nvim.lua("""vim.lsp.buf.code_action({
      apply = true,
      filter = function(action) return action.kind == 'codecompose.explain' end,
    })""")
    until(lambda: "Basket" in str(nvim.lua(FLOATING)), "a window with the explanation")


FLOATING = """
for _, window in ipairs(vim.api.nvim_list_wins()) do
  if vim.api.nvim_win_get_config(window).relative ~= '' then
    return table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false), '\\n')
  end
end
"""


@one_way
def test_health_is_good(nvim: Neovim) -> None:
    nvim.keys("Escape")
    nvim.lua("vim.cmd.checkhealth('codecompose')")
    report = until(
        lambda: nvim.lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')"), "a report"
    )
    assert "server:" in str(report) and "ERROR" not in str(report) and "WARNING" not in str(report)
