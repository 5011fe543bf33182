"""Measure how long ghost text takes in VS Code, from a key to the screen: `python -m scripts.measure_vscode -n 60`.

Opens the editor of the tests (`make editors`) on a copy of this package, real server and shipped model, and goes on
with lines whose rest has been removed, a key at a time. The browser's clock tells the time from a key to the first
frame that shows a suggestion for it; the server's own figure, from request to answer, is that of its telemetry for the
same keys.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.editors import vscode
from tests.editors.polling import seen
from tests.editors.server import ROOT, Server
from tests.editors.vscode import GHOST, VSCode

SEED = 7
#: Keys typed at each place; the first waits for a document that has just been moved in, the others are typing.
KEYS_AT_PLACE = 4
#: What nobody has suggested by then counts as silence.
PATIENCE_MS = 1_500
#: Where a line is cut: after these one is likely to wait for a suggestion. What is typed then brings no bracket along.
CUT, TYPED = re.compile(r"[\s(.,=\[:]"), re.compile(r"[\w .,=]+")
#: Follows each key until a frame with ghost text for it has been painted.
FOLLOW = """
([ghost, patience]) => {
    const text = () => [...document.querySelectorAll(ghost)].map(part => part.textContent).join('');
    window.keys = [];
    addEventListener('keydown', ({ key, timeStamp }) => {
        if (key.length !== 1) return;
        const told = { at: performance.timeOrigin + timeStamp, key, before: text(), ms: null };
        window.keys.push(told);
        const cursor = () => document.querySelector('.monaco-editor.focused .cursor')?.style.left;
        const left = cursor();
        const look = () => {
            if (performance.now() - timeStamp > patience) return told.done = true;
            if (!text() || text() === told.before || cursor() === left) return requestAnimationFrame(look);
            const painted = new MessageChannel();
            painted.port1.onmessage = () => { told.ms = performance.now() - timeStamp; told.done = true; };
            painted.port2.postMessage(null);
        };
        requestAnimationFrame(look);
    }, true);
}
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, in seconds of Unix time and milliseconds; `ms` is None where nothing was suggested."""

    at: float
    key: str
    #: The ghost text on the screen when it went down.
    before: str
    ms: float | None
    #: Whether the cursor had only just come to this place, so that nothing around it had been read.
    landed: bool = False

    @property
    def was_there(self) -> bool:
        """Whether the suggestion on the screen said this key already, so that nobody had to be asked."""
        return self.before.replace("\u00a0", " ").startswith(self.key)


@dataclass(frozen=True, slots=True)
class Place:
    """A line, counted from 1, whose rest was removed; what is typed there of it."""

    line: int
    typed: str


def prepare(folder: Path) -> tuple[Path, list[Place]]:
    """Copy code of this package into a folder and remove the rest of every tenth line of one file."""
    shutil.copytree(ROOT / "codecompose_ls" / "completion", folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "pipeline.py"
    lines, places, random_ = file.read_text(encoding="utf-8").splitlines(), [], random.Random(SEED)
    for number in range(10, len(lines), 5):
        line = lines[number - 1]
        found = [(cut.end(), rest) for cut in CUT.finditer(line) if (rest := TYPED.match(line, cut.end()))]
        found = [(at, rest) for at, rest in found if line[:at].strip() and len(rest[0].strip()) >= KEYS_AT_PLACE]
        if found:
            at, rest = random_.choice(found)
            lines[number - 1] = line[:at]
            places.append(Place(number, rest[0][:KEYS_AT_PLACE]))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    random_.shuffle(places)
    return file, places


def type_keys(window: VSCode, places: list[Place], n: int) -> Iterator[Key]:
    """Type until the screen has shown a suggestion that was not there before `n` times."""
    window.page.evaluate(FOLLOW, [GHOST, PATIENCE_MS])
    shown = 0
    for place in places:
        window.at_end_of_line(place.line)
        for number, key in enumerate(place.typed):
            window.page.evaluate("window.keys = []")
            window.write(key)
            window.page.wait_for_function("window.keys[0]?.done")
            told = window.page.evaluate("window.keys[0]")
            measured = Key(told["at"] / 1000, told["key"], told["before"], told["ms"], landed=number == 0)
            shown += measured.ms is not None and not measured.was_there
            yield measured
        if shown >= n:
            return
        window.press("Escape")


def served(server: Server, keys: list[Key]) -> list[float]:
    """Return the milliseconds from request to answer that the server counted for each of these keys, where it did."""
    events = [json.loads(line) for line in server.run("telemetry", "export").splitlines()]
    answers = [event for event in events if event["kind"] in ("generated", "cached")]
    found = []
    for key in keys:
        assert key.ms is not None
        during = [event["latency_ms"] for event in answers if key.at <= event["at"] <= key.at + key.ms / 1000]
        found += during[-1:]
    return found


def times(keys: Iterable[Key]) -> list[float]:
    return [key.ms for key in keys if key.ms is not None]


def line(name: str, values: list[float]) -> str:
    if len(values) < 2:
        return f"{name}: too few, n = {len(values)}"
    p95 = statistics.quantiles(values, n=20, method="inclusive")[-1]
    return f"{name}: median {statistics.median(values):.0f} ms, p95 {p95:.0f} ms, n = {len(values)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "-n", type=int, default=60, help="suggestions that were not on the screen before their key (60)"
    )
    args = parser.parse_args()
    missing = [name for name, there in vscode.needs().items() if not there]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed: run 'make editors'")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        file, places = prepare(home / "completion")
        server = Server(data=home / "data")
        with vscode.running(server, file, home=home) as window:
            window.until_ready()
            seen(lambda: "index" in window.status(), seconds=30)
            keys = list(type_keys(window, places, args.n))
        shown = [key for key in keys if key.ms is not None]
        kinds = {
            "a key while typing": [key for key in shown if not key.was_there and not key.landed],
            "the first key, at once after the cursor went there": [
                key for key in shown if not key.was_there and key.landed
            ],
        }
        own = {kind: served(server, keys) for kind, keys in kinds.items()}
    print(
        f"VS Code in a headless Chromium, {os.cpu_count()} cores, load average before {load:.1f}, "
        f"{len(keys)} keys typed:"
    )
    for kind, typed in kinds.items():
        print(line(f"{kind}, to ghost text on the screen", times(typed)))
        print(line("  of it the server, request to answer", own[kind]))
    print(line("a key that the ghost text on the screen said already", times(key for key in shown if key.was_there)))
    print("VS Code waits 50 ms after a key before it asks.")
    print(f"nothing suggested within {PATIENCE_MS} ms: {sum(key.ms is None for key in keys)} keys")


if __name__ == "__main__":
    main()
