"""`codecompose-ls feedback`: what the user said of suggestions and assistants, from the local database."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone

from codecompose_ls.cli import COMMANDS

HELP = COMMANDS["feedback"]
EXAMPLE = "codecompose-ls feedback list"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="print day, thumb, what it is about and the comment, the latest first")
    actions.add_parser("export", help="print everything that is kept of each, as a line of JSON")


def run(args: argparse.Namespace) -> int:
    from codecompose_ls.telemetry.database import default_path, reading
    from codecompose_ls.telemetry.feedback import Feedback, kept, to_json

    def line(said: Feedback) -> str:
        day = datetime.fromtimestamp(said.at, timezone.utc).date()
        about = ", ".join(part for part in (said.about, said.assistant, said.language, said.model) if part)
        return f"{day}  {said.rating:<4}  {about}  {' '.join(said.comment.split())}".rstrip()

    path = default_path()
    with reading(path):
        found = kept(path)
    for said in found if args.action == "list" else reversed(found):
        print(line(said) if args.action == "list" else json.dumps(to_json(said)))
    if args.action == "list" and not found:
        print("nothing has been said yet")
    return 0
