"""Measure how long ghost text takes in Neovim, from a key to the screen: `python -m scripts.measure_neovim -n 60`.

Opens the Neovims of the tests (`make editors`) in a terminal of its own on the code that measure_vscode types, with the
real server and the shipped model. Ghost text has a colour that nothing else has: a key's time ends when Neovim sends
that colour to the terminal. What the ghost text said already is not drawn again, and not measured. The server's own
figure, from request to answer, is that of its telemetry for the same keys.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.measure_vscode import PATIENCE_MS, Key, Place, prepare, served
from tests.editors import neovim
from tests.editors.neovim import Neovim
from tests.editors.polling import until
from tests.editors.server import Server
from tests.editors.terminal import COLUMNS, LINES

#: Debian's release that Neovim is from, and what draws there.
WAYS = {
    "0.10, extmarks of ours": ("trixie", "extmarks"),
    "0.12, extmarks of ours": ("forky", "extmarks"),
    "0.12, its own drawing": ("forky", "native"),
}
COLOUR = """
for _, name in ipairs({ 'CodeComposeGhost', 'ComplHint' }) do
  vim.api.nvim_set_hl(0, name, { fg = '#010203' })
end
"""
GHOST = re.compile(rb"38[:;]2[:;]+1[:;]2[:;]3m")
MODE_AND_LINE = "return { vim.api.nvim_get_mode().mode, vim.api.nvim_win_get_cursor(0)[1] }"
#: A screen that has not changed for so long is at rest.
REST_S = 0.4
ESCAPE, DISMISS = b"\x1b", b"\x1d"


@dataclass(frozen=True, slots=True)
class Terminal:
    """The terminal's end of Neovim's terminal."""

    fd: int

    def write(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def read(self, seconds: float) -> bytes:
        """Return what comes next; empty if nothing does."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        return os.read(self.fd, 65_536) if ready else b""

    def rest(self) -> None:
        """Wait until the screen does not change any more."""
        while self.read(REST_S):
            pass

    def ms_to_ghost(self, key: str) -> float | None:
        """Press a key and return when ghost text was drawn, in milliseconds; None if it was not."""
        drawn = b""
        start = time.perf_counter()
        self.write(key.encode())
        while (left := start + PATIENCE_MS / 1000 - time.perf_counter()) > 0:
            drawn = drawn[-32:] + self.read(left)
            if GHOST.search(drawn):
                return (time.perf_counter() - start) * 1000
        return None


@contextmanager
def opened(server: Server, file: Path, *, suite: str, ghost: str) -> Iterator[tuple[Neovim, Terminal]]:
    with tempfile.TemporaryDirectory(prefix="nvim", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        neovim.install(home, {"cmd": server.command, "ghost": ghost})
        nvim = Neovim(home, neovim.program(suite))
        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**server.environment, **neovim.user_folders(home), "TERM": "xterm-256color"}
        command = [nvim.program, "--listen", home / "nvim.socket", file.name]
        process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, cwd=file.parent, env=environment, start_new_session=True
        )
        terminal = Terminal(outer)
        try:

            def is_ready() -> bool:
                terminal.rest()  # nobody else reads, and Neovim would wait
                return nvim.is_ready()

            until(is_ready, "the server to be ready")
            nvim.lua(COLOUR)
            yield nvim, terminal
        finally:
            process.kill()
            process.wait()
            os.close(outer)
            os.close(inner)


def type_keys(nvim: Neovim, terminal: Terminal, places: list[Place], n: int) -> Iterator[Key]:
    """Type until the screen has shown `n` suggestions; what a suggestion said already is typed, too, but not told."""
    shown = 0
    for place in places:
        terminal.write(ESCAPE)
        terminal.rest()
        terminal.write(f":{place.line}\rA".encode())
        until(lambda place=place: nvim.lua(MODE_AND_LINE) == ["i", place.line], "the place")  # type: ignore[misc]
        for key in place.typed:
            terminal.rest()
            before = str(nvim.lua(neovim.GHOST) or "")
            if before.startswith(key):
                terminal.write(key.encode())
                continue
            if before:
                terminal.write(DISMISS)
                terminal.rest()
            measured = Key(time.time(), key, "", terminal.ms_to_ghost(key))
            shown += measured.ms is not None
            yield measured
        if shown >= n:
            return


def figures(values: list[float]) -> str:
    """Return median and 95th percentile in milliseconds."""
    if len(values) < 2:
        return f"{'-':>8} {'-':>5}"
    return f"{statistics.median(values):8.0f} {statistics.quantiles(values, n=20, method='inclusive')[-1]:5.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=60, help="suggestions that each Neovim has to show (60)")
    args = parser.parse_args()
    missing = [name for suite, _ in WAYS.values() for name, there in neovim.needs(suite).items() if not there]
    if missing:
        sys.exit(f"{missing[0]} is not installed: run 'make editors'")
    print(f"In a terminal, {os.cpu_count()} cores, load average before {os.getloadavg()[0]:.1f}; milliseconds.")
    print(f"{'':24} {'':>4} {'key to ghost':>14} {'of it server':>14}")
    print(f"{'Neovim':24} {'n':>4} {'p50   p95':>14} {'p50   p95':>14}  silent keys")
    for name, (suite, ghost) in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            file, places = prepare(Path(folder) / "completion")
            server = Server(data=Path(folder) / "data")
            with opened(server, file, suite=suite, ghost=ghost) as (nvim, terminal):
                keys = list(type_keys(nvim, terminal, places, args.n))
            shown = [key for key in keys if key.ms is not None]
            row = f"{figures([key.ms for key in shown if key.ms is not None])} {figures(served(server, shown))}"
        print(f"{name:24} {len(shown):4} {row} {len(keys) - len(shown):6} of {len(keys)}", flush=True)
    print(f"Silent: nothing suggested within {PATIENCE_MS} ms. Neovim's own drawing waits 200 ms before it asks.")


if __name__ == "__main__":
    main()
