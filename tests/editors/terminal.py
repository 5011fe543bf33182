"""A real terminal (tmux) with one program in it: keys go in, what is on its screen comes out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

COLUMNS, LINES = 86, 34
TMUX = "set -g default-terminal 'tmux-256color'\nset -sg escape-time 10\nset -as terminal-features ',*:RGB'\n"


@dataclass(frozen=True, slots=True)
class Terminal:
    """`home` is a folder of the program's own; its path must be short, for sockets are in it."""

    home: Path

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux' names for them."""
        self._tmux("send-keys", "-t", "editor", *keys)

    def write(self, text: str) -> None:
        self._tmux("send-keys", "-t", "editor", "-l", text)

    def screen(self, *, colours: bool = False) -> str:
        """What the terminal shows."""
        return self._tmux("capture-pane", "-t", "editor", "-p", *(["-e"] if colours else []))

    def capture(self, path: Path, *, title: str) -> None:
        """Write what the terminal shows as a picture (SVG)."""
        from rich.console import Console
        from rich.text import Text

        console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
        console.print(Text.from_ansi(self.screen(colours=True)), end="")
        picture = console.export_svg(title=title)
        # A picture should not fetch fonts: without them it has the viewer's own.
        path.write_text(re.sub(r"@font-face {.*?}", "", picture, flags=re.DOTALL), encoding="utf-8")

    def _tmux(self, *arguments: str) -> str:
        call = ["tmux", "-S", str(self.home / "tmux.socket"), *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout


@contextmanager
def running(program: list[str], *, home: Path, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a program in a terminal, in a folder; it is killed in the end."""
    (home / "tmux.conf").write_text(TMUX, encoding="utf-8")
    tmux = ["tmux", "-S", str(home / "tmux.socket")]
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    session = ["-f", str(home / "tmux.conf"), "new-session", "-d", "-s", "editor", *size, "-c", str(folder)]
    subprocess.run([*tmux, *session, *program], env=environment, check=True)
    try:
        yield
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
