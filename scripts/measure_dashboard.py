"""Measure how long the dashboard takes to load; prints the table of docs/how-to/dashboard.md.

    python -m scripts.measure_dashboard                              # 10 k events, 1 M, and 1 M of the worst mix
    python -m scripts.measure_dashboard --folder /tmp/filled         # the same, databases kept for the day
    python -m scripts.measure_dashboard --database FILE --query days=all

Starts the command on a database that fill_telemetry.py has filled (minutes for a million events), opens the page in a
new window of a headless Chromium each time, and prints the browser's own figure, until everything is loaded, and the
processor time that the server took (Linux). The first load, by a server that has drawn nothing yet, is told apart.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codecompose_ls.telemetry.buckets import buckets
from scripts.fill_telemetry import events, fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAYS = 90
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


class Filled(NamedTuple):
    """A database to measure: what it is called, its events, whether they are mixed evenly, and the periods to show."""

    name: str
    events: int
    mixed: bool
    queries: tuple[str, ...]


FILLED = (
    Filled("10 k", 10_000, False, ("days=28",)),
    Filled("1 M, one person", 1_000_000, False, ("days=28", "days=all")),
    Filled("1 M, every language, model, editor and cohort mixed each day", 1_000_000, True, ("days=28", "days=all")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", type=Path, help="measure this one alone")
    parser.add_argument("--query", action="append", help="with --database: the filters, as in the page's address")
    parser.add_argument("--folder", type=Path, help="where to fill databases, and to find those filled before")
    parser.add_argument("-n", type=int, default=10, help="loads beside the first (10)")
    args = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sys.exit("playwright is not installed: run 'make editors'")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        print(f"{os.cpu_count()} cores; milliseconds; n = {args.n} loads in new windows, after the first")
        print("| events | shown | sums read | loaded, median (p95) | first | processor time | load average |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        if args.database:
            for query in args.query or ["days=28"]:
                print(row(browser, args.database, name=args.database.name, query=query, n=args.n), flush=True)
        else:
            for one in FILLED:
                path = filled(one, folder=args.folder or Path(temporary))
                for query in one.queries:
                    print(row(browser, path, name=one.name, query=query, n=args.n), flush=True)
        browser.close()


def filled(one: Filled, *, folder: Path) -> Path:
    """Return a database in a folder, filled unless it is there."""
    # Its days end today.
    path = folder / f"{date.today()}-{one.events}{'-mixed' if one.mixed else ''}.sqlite3"
    if not path.exists():
        print(f"filling {path.name}: {one.name} events in {DAYS} days ...", file=sys.stderr, flush=True)
        # Under its own name only when it is whole.
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        fill(partial, islice(events(days=DAYS, number=one.events, mixed=one.mixed), one.events))
        partial.rename(path)
    return path


def row(browser: Browser, database: Path, *, name: str, query: str, n: int) -> str:
    """Load the page n times and once before; return a row of the table."""
    times, used = [], []
    with serving(database) as (address, process):
        for _ in range(n + 1):
            page = browser.new_context().new_page()
            before = processor_s(process)
            page.goto(f"{address}?{query}", timeout=300_000)
            times.append(page.evaluate(LOADED))
            used.append(1000 * (processor_s(process) - before))
            page.context.close()
    first, *rest = times
    p95 = statistics.quantiles(rest, n=20, method="inclusive")[-1] if len(rest) > 1 else first
    sums = len(buckets(database, tell_positions=False))
    loaded = f"{statistics.median(rest or [first]):,.0f} ({p95:,.0f})"
    processor = f"{statistics.median(used[1:] or used):,.0f}"
    load = f"{os.getloadavg()[0]:.1f}"
    return f"| {name} | {query} | {sums:,} in all | {loaded} | {first:,.0f} | {processor} | {load} |"


@contextmanager
def serving(database: Path) -> Iterator[tuple[str, int]]:
    """Run the command on a database; the values are the page's address and the process."""
    command = [sys.executable, "-m", "codecompose_ls", "dashboard", "--port", "0", "--no-browser"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "telemetry.sqlite3").symlink_to(database.resolve())
        environment = {**os.environ, "CODECOMPOSE_DATA": folder}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                found = re.search(r"http://\S+", process.stdout.readline())
                if found is None:
                    sys.exit("the command has not started: pip install -e '.[serve]'")
                yield found[0], process.pid
            finally:
                process.terminate()


def processor_s(process: int) -> float:
    """Return the seconds of processor time that a process has used (Linux); 0 elsewhere."""
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
