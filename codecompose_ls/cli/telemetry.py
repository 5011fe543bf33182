"""`codecompose-ls telemetry`: what the suggestions were worth, from the local database."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codecompose_ls import folders
from codecompose_ls.cli import COMMANDS

if TYPE_CHECKING:
    from codecompose_ls.telemetry.metrics import Metrics

HELP = COMMANDS["telemetry"]
EXAMPLE = "codecompose-ls telemetry summary --by language --since 30d"

#: What `--by` can say; whose events they are is the team service's business.
BY = ("language", "model", "position", "editor", "day", "cohort")
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    figures = actions.add_parser(
        "summary", help="print counts, rates and latencies (docs/metrics.md says what they are)"
    )
    figures.add_argument("--by", choices=BY, help="a row for each language, model, ...")
    figures.add_argument(
        "--since", type=_day, metavar="DAY", help="count from this day on: 2026-01-31, or 7d, 4w, 3m, 1y ago"
    )
    figures.add_argument("--json", action="store_true", help="print them as one JSON object")
    actions.add_parser("export", help="print every event that is still kept as a line of JSON")
    actions.add_parser("purge", help="delete every event, every sum and all feedback")
    actions.add_parser("off", help="count no more: switch the setting 'telemetry' off in your settings file")


def run(args: argparse.Namespace) -> int:
    if args.action == "off":
        return _off()
    from codecompose_ls.telemetry import database

    path = database.default_path()
    if args.action == "purge":
        with database.reading(path):
            count = database.purge(path)
        print(f"{path} was damaged and is deleted" if count is None else f"{count} events deleted")
    elif args.action == "export":
        for event in _events(path):
            print(json.dumps(event))
    else:
        _summary(args, path)
    return 0


def _events(path: Path) -> Iterator[dict[str, Any]]:
    from codecompose_ls.telemetry.database import reading
    from codecompose_ls.telemetry.summary import export

    # What goes wrong while an event is printed has nothing to do with the database.
    with reading(path):
        yield from export(path)


def _off() -> int:
    from codecompose_ls.telemetry.opt_out import opt_out

    opt_out(folders.settings())
    print(f"{folders.settings()}: telemetry = false")
    print(
        "Nothing is counted by servers that start from now on, unless the editor's settings or the environment say so."
    )
    print("'codecompose-ls telemetry purge' deletes what has been counted.")
    return 0


def _summary(args: argparse.Namespace, path: Path) -> None:
    from codecompose_ls.telemetry.buckets import buckets
    from codecompose_ls.telemetry.database import reading
    from codecompose_ls.telemetry.metrics import breakdown, metrics

    with reading(path):
        found = buckets(path, since=args.since)
    figures, rows = metrics(found), breakdown(found, by=args.by) if args.by else {}
    if args.json:
        by = {"by": {args.by: {value: asdict(row) for value, row in rows.items()}}} if args.by else {}
        print(json.dumps({**asdict(figures), **by}, indent=2))
    elif args.by:
        print(_rows(args.by, {**rows, "all": figures}))
    else:
        print(_figures(figures))


def _figures(figures: Metrics) -> str:
    """Return all figures, one a line."""
    lines: list[tuple[str, str]] = []
    for name, value in asdict(figures).items():
        if isinstance(value, dict) and name != "time_to_decision_ms":
            lines += [(f"{name} {key}", _shown(item)) for key, item in value.items()]
        else:
            lines.append((name, _shown(value)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _rows(by: str, rows: dict[str, Metrics]) -> str:
    """Return the main figures, a row for each value."""
    names = ("requested", "coverage", "shown", "accepted", "acceptance_rate", "percent_code_typed", "keystrokes_saved")
    table: list[tuple[str, ...]] = [(by, *names, "95 % interval", "retained after 10 min")]
    for value, row in rows.items():
        low, high, after = row.acceptance_rate_low, row.acceptance_rate_high, row.retained.get(600)
        interval = "-" if low is None or high is None else f"{low:.2f}-{high:.2f}"
        share = after.characters / after.accepted_characters if after and after.accepted_characters else None
        table.append((value or "-", *(_shown(getattr(row, name)) for name in names), interval, _shown(share)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:{'>' if at else '<'}{width}}" for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def _day(text: str) -> date:
    """Read a day (ISO 8601) or how long ago it was; days are UTC's."""
    try:
        if text[-1:] in _DAYS and text[:-1].isascii() and text[:-1].isdecimal():
            return datetime.now(timezone.utc).date() - timedelta(days=int(text[:-1]) * _DAYS[text[-1]])
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no day; say 2026-01-31, or 30d for thirty days ago") from None
