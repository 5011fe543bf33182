"""Neovim in a real terminal (tmux), with the plugin installed as its help says and no other configuration."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.editors import terminal
from tests.editors.polling import seen, until
from tests.editors.server import ROOT
from tests.editors.terminal import Terminal

PLUGIN = ROOT / "editors" / "nvim"
PACKAGE = Path("nvim/site/pack/codecompose/start/codecompose")
INIT = """
vim.o.swapfile, vim.o.termguicolors, vim.o.shortmess = false, true, vim.o.shortmess .. 'I'
vim.o.number, vim.o.showmode, vim.o.statusline = true, false, "%%f%%=%%{v:lua.require'codecompose'.status()}"
vim.api.nvim_set_hl(0, 'Normal', { fg = '#e0e2ea' }) -- the background is the terminal's
require('codecompose').setup(vim.json.decode(%s))
"""
GHOST = """
local found = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, -1, 0, -1, { details = true })) do
  for _, chunk in ipairs(mark[4].virt_text or {}) do
    found[#found + 1] = chunk[1]
  end
end
return table.concat(found)
"""


PANEL = """
local panel = vim.fn.bufnr('codecompose://answer')
return vim.fn.bufwinid(panel) ~= -1 and table.concat(vim.api.nvim_buf_get_lines(panel, 0, -1, false), '\\n') or ''
"""


def program(suite: str) -> Path:
    """Neovim as a Debian release has it."""
    return ROOT / ".editors" / f"nvim-{suite}" / "bin" / "nvim"


def needs(suite: str) -> dict[str, object]:
    """What must be installed, and whether it is."""
    return {"Neovim": program(suite).exists(), "tmux": shutil.which("tmux")}


@dataclass(frozen=True, slots=True)
class Neovim(Terminal):
    """One Neovim with one file open."""

    program: Path

    def lua(self, code: str) -> object:
        """Run Lua inside and return what it returns; None while it fails, or while a prompt keeps Neovim from it."""
        (self.home / "run.lua").write_text(code, encoding="utf-8")
        expression = f"json_encode(luaeval('dofile(_A)', '{self.home / 'run.lua'}'))"
        call = [self.program, "--server", self.home / "nvim.socket", "--remote-expr", expression]
        try:
            done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=10)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
        return json.loads(done.stdout or done.stderr)

    def ghost(self) -> str:
        """The first line of the ghost text; empty unless the terminal shows it."""
        ghost = str(self.lua(GHOST) or "")
        return ghost if ghost in self.screen() else ""

    def text(self) -> str:
        """The buffer's text."""
        return str(self.lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')"))

    def command(self, line: str) -> None:
        """Type a command line."""
        self.keys("Escape")
        self.write(f":{line}")
        self.keys("Enter")

    def panel(self) -> str:
        """The text of the split that answers appear in; empty unless it is open."""
        return str(self.lua(PANEL) or "")

    def line(self) -> str:
        """The text of the cursor's line."""
        return str(self.lua("return vim.api.nvim_get_current_line()"))

    def type_until_ghost(self, text: str) -> str:
        """Wait, then type key by key, until something is suggested; returns the ghost text."""
        for key in ["", *text]:
            self.write(key)
            if seen(lambda: self.ghost().strip(), seconds=2):
                return self.ghost()
        raise AssertionError(f"nothing was suggested while typing {text!r}; the screen:\n{self.screen()}")

    def is_ready(self) -> bool:
        status = self.lua("return require('codecompose').server_status")
        return isinstance(status, dict) and status["kind"] == "Normal" and not status["busy"]

    def is_attached(self) -> bool:
        """Whether the buffer has its server; one that was read again gets it a moment later."""
        return bool(self.lua("return #vim.lsp.get_clients({ name = 'codecompose', bufnr = 0 }) == 1"))

    def status(self) -> str:
        return str(self.lua("return require('codecompose').status()"))

    def messages(self) -> str:
        """All that Neovim has said."""
        return str(self.lua("return vim.fn.execute('messages')"))

    def server_pid(self) -> int:
        """The process of the server that Neovim has started; 0 while there is none."""
        pid = self.lua("return vim.fn.getpid()")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if pid else []
        return int(children[0]) if children else 0

    def kill_server(self) -> None:
        os.kill(until(self.server_pid, "a server"), signal.SIGKILL)


@contextmanager
def running(
    command: list[str],
    environment: dict[str, str],
    file: Path,
    *,
    suite: str,
    ready: bool = True,
    **setup: object,
) -> Iterator[Neovim]:
    """Open `file` in its folder with a server, and wait for it unless `ready` is false. The rest is for `setup`."""
    with TemporaryDirectory(prefix="nvim", ignore_cleanup_errors=True) as folder:  # short, for the sockets in it
        home = Path(folder)
        install(home, {"cmd": command, **setup})
        nvim = Neovim(home, program(suite))
        start = [str(nvim.program), "--listen", str(home / "nvim.socket"), file.name]
        environment = environment | user_folders(home)
        with terminal.running(start, home=home, folder=file.parent, environment=environment):
            try:
                if ready:
                    until(nvim.is_ready, "the server to be ready")
                yield nvim
            except AssertionError:
                print(nvim.screen())  # for whoever looks into a failure
                raise


def install(home: Path, setup: dict[str, object]) -> None:
    """Install the plugin as a package of Neovim's own."""
    (home / "data" / PACKAGE.parent).mkdir(parents=True)
    shutil.copytree(PLUGIN, home / "data" / PACKAGE)
    (home / "config" / "nvim").mkdir(parents=True)
    (home / "config" / "nvim" / "init.lua").write_text(INIT % json.dumps(json.dumps(setup)), encoding="utf-8")


def user_folders(home: Path) -> dict[str, str]:
    return {f"XDG_{name.upper()}_HOME": str(home / name) for name in ("data", "config", "state", "cache")}
