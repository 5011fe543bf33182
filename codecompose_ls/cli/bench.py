"""`codecompose-ls bench typing | index FOLDER`: the budgets of the design, as tables."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from codecompose_ls.errors import InputError

if TYPE_CHECKING:
    from codecompose_ls.index.costs import Costs
    from codecompose_ls.lsp.client.budgets import Measurement

HELP = "measure latencies, and what the index of a folder costs, against the budgets"
EXAMPLE = "codecompose-ls bench typing --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("typing", "index"), help="which table")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="what to index (the current folder)")
    parser.add_argument("--model", default="base", help="a model's folder or name (base)")
    parser.add_argument("--only", metavar="TEXT", help="only the rows whose name holds TEXT")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print; exit status 0 whether or not the budgets hold: machines differ."""
    return _run_index(args) if args.what == "index" else _run_typing(args)


def _run_index(args: argparse.Namespace) -> int:
    from rich.console import Console

    from codecompose_ls.index.costs import measure

    if not args.folder.is_dir():
        raise InputError(f"{args.folder} is no folder; give one with code in it")
    with Console(file=sys.stderr).status(f"bench index {args.folder}"):
        costs = measure(args.folder)
    if args.json:
        print(json.dumps({"machine": _machine(), **asdict(costs)}, indent=2))
    else:
        _print_costs(costs)
    return 0


def _print_costs(costs: Costs) -> None:
    from rich.console import Console
    from rich.table import Table

    def megabytes(size: int | None) -> str:
        return "" if size is None else f"{size / 1e6:.0f} MB"

    code = f"{costs.files:,} files, {costs.code_bytes / 1e6:.1f} MB, {costs.lexemes:,} lexemes"
    cpu = "" if costs.build_cpu_ms is None else f"{costs.build_cpu_ms / 1000:.1f} s of it computing"
    ratio = f"{costs.scan_p95_ms / costs.lookup_p95_ms:.0f} times as long by a plain scan"
    table = Table(title=f"bench index: {code} ({_machine()})")
    for heading, justify in (("what", "left"), ("figure", "right"), ("budget", "right"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_row("build", f"{costs.build_ms / 1000:.1f} s", "10 s for 5 MB", cpu)
    table.add_row("build when nothing has changed", f"{costs.rebuild_ms / 1000:.1f} s")
    table.add_row("memory of the builder, at most", megabytes(costs.build_peak_bytes))
    table.add_row("load", f"{costs.load_ms:.0f} ms", "1000 ms")
    computing = f"{costs.update_cpu_p95_ms:.1f} ms of it computing"
    table.add_row("take a changed file, p95", f"{costs.update_p95_ms:.1f} ms", "50 ms", computing)
    table.add_row("look up, p95", f"{costs.lookup_p95_ms:.2f} ms", "", ratio)
    table.add_row("size on disk", megabytes(costs.disk_bytes))
    table.add_row("memory of the server for it", megabytes(costs.resident_bytes))
    Console().print(table)


def _run_typing(args: argparse.Namespace) -> int:
    measurements = asyncio.run(_measure(args))
    if args.json:
        rows = [_as_json(one, measurements) for one in measurements]
        print(json.dumps({"machine": _machine(), "rows": rows}, indent=2))
    else:
        _print_table(measurements)
    return 0


async def _measure(args: argparse.Namespace) -> list[Measurement]:
    from rich.console import Console
    from rich.progress import Progress

    from codecompose_ls.lsp.client.budgets import ROWS, Bench, Measurement
    from codecompose_ls.lsp.client.session import Session
    from codecompose_ls.models.registry import resolve

    rows = [row for row in ROWS if not args.only or args.only in row.name]
    if not rows:
        raise InputError(
            f"--only {args.only}: no row has that in its name; rows: {'; '.join(row.name for row in ROWS)}"
        )
    model, found = resolve(args.model), []
    with TemporaryDirectory() as folder, Progress(console=Console(file=sys.stderr), transient=True) as progress:
        start = partial(Session.start, options={"model": args.model, "telemetry": False})
        bench = Bench(start, Path(folder), model)
        for row in progress.track(rows, description="bench typing"):
            found.append(Measurement(row, tuple(await row.measure(bench))))
    return found


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _ratio(peer: Measurement, measurements: list[Measurement]) -> float | None:
    """Return how many times as long as ours a peer takes; None for what is no peer, or was not compared."""
    ours = next((one for one in measurements if one.row.name == peer.row.peer_of), None)
    return peer.times(ours) if ours and ours.samples and peer.samples else None


def _as_json(one: Measurement, measurements: list[Measurement]) -> dict[str, object]:
    ratio = _ratio(one, measurements)
    return {
        "name": one.row.name,
        "unit": one.row.unit,
        "budget": one.row.budget,
        "p50": round(one.p50, 1) if one.samples else None,
        "p95": round(one.p95, 1) if one.samples else None,
        "n": len(one.samples),
        "holds": one.holds,
        "peer_of": one.row.peer_of or None,
        "ratio_p50": round(ratio, 2) if ratio else None,
    }


def _print_table(measurements: list[Measurement]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"bench typing ({_machine()})")
    for heading in ("what", "budget p95", "p50", "p95", "n", ""):
        table.add_column(heading, justify="left" if heading in ("what", "") else "right")
    for one in measurements:
        budget = "" if one.row.budget is None else f"{one.row.budget:.0f} {one.row.unit}"
        figures = (budget, f"{one.p50:.1f}", f"{one.p95:.1f}", str(len(one.samples)))
        table.add_row(one.row.name, *figures, _verdict(one, measurements))
    Console().print(table)


def _verdict(one: Measurement, measurements: list[Measurement]) -> str:
    ratio = _ratio(one, measurements)
    if ratio is not None:
        return f"{ratio:.1f} times ours (p50)"
    return {True: "holds", False: "missed", None: ""}[one.holds]
