"""`codecompose-ls bench typing`: the latency budgets of the design as a table."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from codecompose_ls.errors import InputError

if TYPE_CHECKING:
    from codecompose_ls.lsp.client.budgets import Measurement

HELP = "measure latencies against the budgets"
EXAMPLE = "codecompose-ls bench typing --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("typing",), help="which table")
    parser.add_argument("--model", default="base", help="a model's folder or name (base)")
    parser.add_argument("--only", metavar="TEXT", help="only the rows whose name holds TEXT")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print; exit status 0 whether or not the budgets hold: machines differ."""
    measurements = asyncio.run(_measure(args))
    if args.json:
        print(json.dumps({"machine": _machine(), "rows": [_row(row) for row in measurements]}, indent=2))
    else:
        _print_table(measurements)
    return 0


async def _measure(args: argparse.Namespace) -> list[Measurement]:
    from rich.console import Console
    from rich.progress import Progress

    from codecompose_ls.lsp.client.budgets import ROWS, Bench, Measurement
    from codecompose_ls.lsp.client.session import Session

    rows = [row for row in ROWS if not args.only or args.only in row[0]]
    if not rows:
        raise InputError(f"--only {args.only}: no row has that in its name; rows: {'; '.join(row[0] for row in ROWS)}")
    found = []
    with TemporaryDirectory() as folder, Progress(console=Console(file=sys.stderr), transient=True) as progress:
        bench = Bench(partial(Session.start, options={"model": args.model, "telemetry": False}), Path(folder))
        for name, budget, unit, measure in progress.track(rows, description="bench typing"):
            found.append(Measurement(name, budget, unit, tuple(await measure(bench))))
    return found


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _row(row: Measurement) -> dict[str, object]:
    return {
        "name": row.name,
        "unit": row.unit,
        "budget": row.budget,
        "p50": round(row.p50, 1) if row.samples else None,
        "p95": round(row.p95, 1) if row.samples else None,
        "n": len(row.samples),
        "holds": row.holds,
    }


def _print_table(measurements: list[Measurement]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"bench typing ({_machine()})")
    for heading in ("what", "budget p95", "p50", "p95", "n", ""):
        table.add_column(heading, justify="left" if heading in ("what", "") else "right")
    for row in measurements:
        figures = (f"{row.budget:.0f} {row.unit}", f"{row.p50:.1f}", f"{row.p95:.1f}", str(len(row.samples)))
        table.add_row(row.name, *figures, "holds" if row.holds else "missed")
    Console().print(table)
