"""`codecompose-ls telemetry`: what the suggestions were worth, from the local database."""

from __future__ import annotations

import argparse
import json
import sqlite3
from dataclasses import asdict

from codecompose_ls.cli import COMMANDS
from codecompose_ls.errors import InputError
from codecompose_ls.telemetry import database
from codecompose_ls.telemetry.metrics import Metrics
from codecompose_ls.telemetry.summary import export, summary

HELP = COMMANDS["telemetry"]
EXAMPLE = "codecompose-ls telemetry summary --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    figures = actions.add_parser("summary", help="print counts, rates and latencies")
    figures.add_argument("--json", action="store_true", help="print them as one JSON object")
    actions.add_parser("export", help="print every event as a line of JSON")
    actions.add_parser("purge", help="delete every event")


def run(args: argparse.Namespace) -> int:
    path = database.default_path()
    try:
        if args.action == "export":
            for event in export(path):
                print(json.dumps(event))
        elif args.action == "purge":
            print(f"{database.purge(path)} events deleted")
        else:
            figures = summary(path)
            print(json.dumps(asdict(figures), indent=2) if args.json else _table(figures))
    except BrokenPipeError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); 'codecompose-ls telemetry purge' deletes a damaged one"
        ) from error
    return 0


def _table(figures: Metrics) -> str:
    rows: list[tuple[str, str]] = []
    for name, value in asdict(figures).items():
        if isinstance(value, dict):
            rows += [(f"{name} {key}", _shown(item)) for key, item in value.items()]
        else:
            rows.append((name, _shown(value)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
