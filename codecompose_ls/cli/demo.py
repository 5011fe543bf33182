"""`codecompose-ls demo`: a person typing real code through the real server, drawn in the terminal."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from codecompose_ls.errors import CodeComposeError, InputError
from codecompose_ls.languages import language_of

if TYPE_CHECKING:
    from rich.console import Console, Group

    from codecompose_ls.lsp.client.session import Session
    from codecompose_ls.lsp.client.typist import Keystroke

HELP = "watch real code being completed as it is typed"
EXAMPLE = "codecompose-ls demo src/app.py --from 10 --lines 20"

#: Our own source: real code that no training data contains.
_DEFAULT_FILE = Path(__file__).parents[1] / "settings.py"
_DEFAULT_LINE = 56
_WINDOW_LINES = 18


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, default=_DEFAULT_FILE, help="source file to type (a file of this project)"
    )
    parser.add_argument("--from", dest="first", type=int, help="first line to type, from 1")
    parser.add_argument("--lines", type=int, default=16, help="how many lines to type (16)")
    parser.add_argument("--model", default="base", help="a model's folder or name (base)")
    parser.add_argument("--pause", type=float, help="seconds between keys (0.06 in a terminal, 0 without one)")


def run(args: argparse.Namespace) -> int:
    """Type, draw, and end with the line `N suggestions, H hits, p95 X ms`; 1 if nothing was suggested."""
    from rich.console import Console

    text = _read(args.file)
    first = args.first or (_DEFAULT_LINE if args.file == _DEFAULT_FILE else 1)
    start, end = _span(text, first, args.lines)
    console = Console()
    keystrokes = asyncio.run(_type(args, text, start, end, console))
    shown = {key.suggestion for key in keystrokes if key.suggestion}
    hits = sum(key.accepted for key in keystrokes)
    latencies = [key.latency_ms for key in keystrokes]
    p95 = statistics.quantiles(latencies, n=20)[-1] if len(latencies) > 1 else sum(latencies)
    print(f"{len(shown)} suggestions, {hits} hits, p95 {p95:.0f} ms")
    return 0 if shown else 1


def _read(path: Path) -> str:
    if language_of(path) is None:
        raise InputError(f"{path}: not a source file of a language we know")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error


def _span(text: str, first: int, lines: int) -> tuple[int, int]:
    """Return the offsets of `lines` lines from line `first` (counted from 1), without the last line break."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    if not 1 <= first < len(starts) or lines < 1:
        raise InputError(f"--from {first} --lines {lines}: the file has lines 1 to {len(starts) - 1}")
    end = starts[min(first - 1 + lines, len(starts) - 1)]
    return starts[first - 1], end - text.endswith("\n", 0, end)


async def _type(args: argparse.Namespace, text: str, start: int, end: int, console: Console) -> list[Keystroke]:
    from codecompose_ls.lsp.client.session import Session

    is_ours = args.file == _DEFAULT_FILE
    options = {"model": args.model, "telemetry": False}
    with TemporaryDirectory() if is_ours else nullcontext(args.file.parent) as folder:
        path = Path(folder).resolve() / args.file.name
        if is_ours:
            _copy_sources(path.parent)
        async with Session.start(root=path.parent, options=options) as session:
            if fault := await session.fault():
                raise CodeComposeError(fault)
            return await _draw(session, path, text, start, end, console, args.pause)


def _copy_sources(folder: Path) -> None:
    """Copy our package: it may be installed where files are ignored, and what is ignored is never completed."""
    shutil.copytree(
        _DEFAULT_FILE.parent, folder, ignore=shutil.ignore_patterns("__pycache__", "base"), dirs_exist_ok=True
    )


async def _draw(
    session: Session, path: Path, text: str, start: int, end: int, console: Console, pause_s: float | None
) -> list[Keystroke]:
    from rich.live import Live

    from codecompose_ls.lsp.client.typist import Typist

    if pause_s is None:
        pause_s = 0.06 if console.is_terminal else 0.0
    keystrokes: list[Keystroke] = []
    typist = Typist(session, pause_s=pause_s)
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        async for key in typist.type(path.as_uri(), text, start=start, end=end, language=language_of(path) or ""):
            keystrokes.append(key)
            if live is not None:
                live.update(_screen(key, keystrokes, path), refresh=True)
            elif key.accepted:
                print(f"{_line_before(key)}[{key.ghost.rstrip()}]  {key.latency_ms:.0f} ms", flush=True)
    return keystrokes


def _line_before(key: Keystroke) -> str:
    return key.text[key.text.rfind("\n", 0, key.offset) + 1 : key.offset]


def _screen(key: Keystroke, keystrokes: list[Keystroke], path: Path) -> Group:
    """Draw the code around the cursor with the ghost text in grey, and one line of figures below."""
    from rich.console import Group
    from rich.syntax import Syntax
    from rich.text import Text

    lines = key.text[: key.offset].count("\n")
    above = key.text.split("\n")
    top = max(0, lines - _WINDOW_LINES + 4)
    before = sum(len(line) + 1 for line in above[:top])
    window = "\n".join(above[top : top + _WINDOW_LINES])
    code = Syntax("", Syntax.guess_lexer(str(path)), theme="ansi_dark").highlight(window)
    cursor = key.offset - before
    ghost = Text(key.ghost, style="black on green" if key.accepted else "bright_black italic")
    drawn = code[:cursor] + Text("▏", style="bold yellow") + ghost + code[cursor:]
    hits = sum(k.accepted for k in keystrokes)
    shown = len({k.suggestion for k in keystrokes if k.suggestion})
    figures = f" {path.name}:{lines + 1}   {shown} suggestions   {hits} hits   {key.latency_ms:5.1f} ms "
    return Group(drawn, Text(figures, style="reverse"))
