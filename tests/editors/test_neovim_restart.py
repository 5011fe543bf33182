"""The server in Neovim: where it starts, and what is done and said when it is killed, keeps ending or is not there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.editors import neovim
from tests.editors.conftest import require
from tests.editors.neovim import Neovim
from tests.editors.polling import until
from tests.editors.project import BEGIN, REST, line_before_body
from tests.editors.scripted_server import ScriptedServer
from tests.editors.server import Server

every_version = pytest.mark.parametrize("suite", ["trixie", "forky"])
#: What Neovim itself says of a server that is gone does not fit on a line, and would wait for a key.
ROOM = "vim.o.cmdheight = 6"


def until_another(nvim: Neovim, before: int) -> int:
    """Wait until another server than the one before runs."""
    until(lambda: nvim.server_pid() not in (0, before), "another server")
    until(nvim.is_ready, "it to be ready")
    return nvim.server_pid()


@every_version
def test_a_killed_server_comes_back_and_suggests_again(suite: str, server: Server, file: Path) -> None:
    require(**neovim.needs(suite))
    with neovim.running(server.command, server.environment, file, suite=suite) as nvim:
        nvim.lua(ROOM)
        nvim.lua("require('codecompose.restart').waits = { 1000 }")
        nvim.keys(f"{line_before_body(file)}G", "o")
        nvim.write(BEGIN)
        nvim.type_until_ghost(REST)
        first = nvim.server_pid()
        nvim.kill_server()
        # The next server is asked at once, and may well say the same.
        until(lambda: not nvim.ghost(), "what a dead server suggested to go")
        until_another(nvim, first)
        nvim.keys("Escape", "u", "o")
        nvim.write(BEGIN)
        completed = nvim.type_until_ghost(REST) and nvim.line() + nvim.ghost()
        nvim.keys("Tab")
        until(lambda: completed in nvim.text(), "the ghost text to become code")
        server.until_counted(accepted=1)


@every_version
def test_one_that_keeps_ending_is_given_up_until_the_user_restarts_it(suite: str, file: Path, tmp_path: Path) -> None:
    require(**neovim.needs(suite))
    scripted = ScriptedServer(tmp_path / "told.json")
    with neovim.running(scripted.command, dict(os.environ), file, suite=suite) as nvim:
        nvim.lua(ROOM)
        nvim.lua("require('codecompose.restart').waits = { 1 }")
        first = nvim.server_pid()
        nvim.kill_server()
        last = until_another(nvim, first)
        nvim.kill_server()
        until(lambda: nvim.status().endswith("see ':CodeCompose log', then ':CodeCompose restart'."), "the way out")
        assert nvim.messages().count("CodeCompose LS:") == 1
        nvim.command("edit other.py")
        nvim.command("CodeCompose restart")
        running = until_another(nvim, last)
        nvim.command("CodeCompose restart")
        until_another(nvim, running)
        nvim.keys("o", "=")
        until(lambda: nvim.ghost() == "apple pie", "a suggestion")


@every_version
def test_a_missing_server_is_said_once_and_found_when_it_is_there(suite: str, file: Path, tmp_path: Path) -> None:
    require(**neovim.needs(suite))
    program, scripted = tmp_path / "codecompose-ls", ScriptedServer(tmp_path / "told.json")
    with neovim.running([str(program), "lsp"], dict(os.environ), file, suite=suite, ready=False) as nvim:
        until(lambda: "was not found, see :checkhealth codecompose" in nvim.screen(), "a message that helps")
        nvim.keys("Enter")
        for other in ("one.py", "two.py"):
            nvim.command(f"edit {other}")
            until(lambda other=other: str(nvim.lua("return vim.fn.bufname()")) == other, "another file")
        assert nvim.messages().count("was not found") == 1
        nvim.command("checkhealth codecompose")
        until(lambda: "Or give its full path:" in nvim.text(), "a report")
        nvim.command("buffer two.py")
        program.write_text(f"#!/bin/sh\nexec {shlex.join(scripted.command)} lsp\n")
        program.chmod(0o755)
        nvim.command("CodeCompose restart")
        until(nvim.is_ready, "the server")
        nvim.keys("o", "=")
        until(lambda: nvim.ghost() == "apple pie", "a suggestion")


def test_what_is_given_to_vim_lsp_config_counts(file: Path, tmp_path: Path) -> None:
    require(**neovim.needs("forky"))
    scripted = ScriptedServer(tmp_path / "told.json")
    with neovim.running(scripted.command, dict(os.environ), file, suite="forky") as nvim:
        nvim.lua("vim.lsp.config('codecompose', { filetypes = { 'go' } })")
        nvim.command("edit other.py")
        nvim.command("edit main.go")
        until(lambda: nvim.lua(SERVED) == ["basket.py", "main.go"], "Go and what was there before, no more Python")


SERVED = """
local served = {}
for buf in pairs(vim.lsp.get_clients({ name = 'codecompose' })[1].attached_buffers) do
  served[#served + 1] = vim.fs.basename(vim.api.nvim_buf_get_name(buf))
end
table.sort(served)
return served
"""
