"""Measure how long the dashboard takes to load: `python scripts/measure_dashboard.py DATABASE --query days=all -n 10`.

Starts the command on a database (fill_telemetry.py makes one), opens the page in a new window of a headless Chromium
each time, and prints the browser's own figures: until the last byte of the page, and until everything is loaded. The
first load, with a server that has drawn nothing yet, is told by itself.
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
from pathlib import Path

TIMES = "() => { const it = performance.getEntriesByType('navigation')[0]; return [it.responseEnd, it.loadEventEnd]; }"


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
                assert found, "the command has not started"
                yield found[0], process.pid
            finally:
                process.terminate()


def processor_s(process: int) -> float:
    """Return the seconds of processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("--query", default="", help="the filters, as in the page's address")
    parser.add_argument("-n", type=int, default=10)
    args = parser.parse_args()
    with serving(args.database) as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        times, used = [], []
        for _ in range(args.n + 1):
            page = browser.new_context().new_page()
            before = processor_s(process)
            page.goto(f"{address}?{args.query}")
            times.append(page.evaluate(TIMES))
            used.append(1000 * (processor_s(process) - before))
            page.close()
        browser.close()
    first, *rest = times
    print(f"load average {os.getloadavg()[0]:.1f}; first: page {first[0]:.0f} ms, loaded {first[1]:.0f} ms")
    print(f"then, n = {len(rest)}:")
    for name, values in (("page", [page for page, _ in rest]), ("loaded", [loaded for _, loaded in rest])):
        p95 = statistics.quantiles(values, n=20, method="inclusive")[-1]
        print(f"{name}: median {statistics.median(values):.0f} ms, p95 {p95:.0f} ms")
    print(f"processor time of the server: median {statistics.median(used[1:]):.0f} ms")


if __name__ == "__main__":
    main()
