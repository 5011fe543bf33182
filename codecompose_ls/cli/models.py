"""`codecompose-ls models`: what is in the registry, what answers where, and models on their way in and out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codecompose_ls.cli import COMMANDS

if TYPE_CHECKING:
    from codecompose_ls.models.registry import Entry

HELP = COMMANDS["models"]
EXAMPLE = "codecompose-ls models promote shop-lora --workspace ~/shop"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _json(actions.add_parser("list", help="list the models, what they were tuned for and where they answer"))
    _json(_named(actions.add_parser("show", help="print what is known of one: provenance, evaluation, size")))
    promote = _named(actions.add_parser("promote", help="let one answer in a workspace from now on"))
    _json(_workspace(_forced(promote, "even if it has failed its gate")))
    _json(_workspace(actions.add_parser("rollback", help="take the last promotion in a workspace back")))
    _forced(_named(actions.add_parser("remove", help="delete one")), "even if it answers somewhere or is a base")
    export = _named(actions.add_parser("export", help="write one to a new folder or zip"))
    export.add_argument("destination", type=Path, help="a folder that does not exist yet, or a file NAME.zip")
    formats = "folder: as it is, for import; hf: with LoRA merged, for transformers and vLLM"
    export.add_argument("--format", choices=("folder", "hf"), default="folder", help=formats)
    take = actions.add_parser("import", help="take in what was exported, with every file checked by its hash")
    take.add_argument("source", type=Path, help="an exported folder or zip")
    take.add_argument("--name", default="", help="its name here (the name of the folder or zip)")
    take.add_argument("--unverified", action="store_true", help="take a folder that has no manifest.json")


def run(args: argparse.Namespace) -> int:
    actions: dict[str, Callable[[argparse.Namespace], None]] = {
        "list": _list,
        "show": _show,
        "promote": _promote,
        "rollback": _roll_back,
        "remove": _remove,
        "export": _export,
        "import": _import,
    }
    actions[args.action](args)
    return 0


def _list(args: argparse.Namespace) -> None:
    from codecompose_ls.models.registry import entries

    found = entries()
    if args.json:
        print(json.dumps([_as_json(one) for one in found], indent=2))
    else:
        _print_table(found)


def _show(args: argparse.Namespace) -> None:
    from codecompose_ls.models.registry import entry

    one = entry(args.name)
    if args.json:
        print(json.dumps({**_as_json(one), "metadata": dict(one.metadata)}, indent=2))
        return
    for name, value in _as_json(one).items():
        print(f"{name:<12} {', '.join(value) if isinstance(value, list) else value}")
    for part in ("provenance", "evaluation"):
        print(f"{part}\n{json.dumps(one.metadata.get(part, {}), indent=2)}")


def _promote(args: argparse.Namespace) -> None:
    from codecompose_ls.models.registry import promote

    promote(args.name, args.workspace, force=args.force)
    _say_in_force(args, args.name)


def _roll_back(args: argparse.Namespace) -> None:
    from codecompose_ls.models.registry import roll_back

    _say_in_force(args, roll_back(args.workspace))


def _say_in_force(args: argparse.Namespace, name: str) -> None:
    workspace = str(args.workspace.resolve())
    if args.json:
        print(json.dumps({"workspace": workspace, "model": name}, indent=2))
    else:
        print(f"'{name}' answers in {workspace}; a running server has it in some seconds")


def _remove(args: argparse.Namespace) -> None:
    from codecompose_ls.models.registry import remove

    remove(args.name, force=args.force)
    print(f"'{args.name}' removed")


def _export(args: argparse.Namespace) -> None:
    from codecompose_ls.models.transfer import export

    export(args.name, args.destination, format=args.format)
    print(f"'{args.name}' written to {args.destination}")


def _import(args: argparse.Namespace) -> None:
    from codecompose_ls.models.transfer import import_

    name = import_(args.source, name=args.name, unverified=args.unverified)
    print(f"'{name}' is in the registry; codecompose-ls models promote {name} --workspace DIR lets it answer")


def _as_json(one: Entry) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "strategy": one.strategy,
        "base": one.base,
        "project": one.project,
        "gate": one.gate,
        "size_bytes": one.size_bytes,
        "promoted": [str(workspace) for workspace in one.promoted],
        "outdated": one.outdated,
        "fault": one.fault,
        "folder": str(one.folder),
    }


def _print_table(found: Sequence[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("model", "kind", "strategy", "base", "project", "gate", "size", "answers in"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for one in found:
        gate = {True: "passed", False: "failed", None: ""}[one.gate]
        base = f"{one.base} (older)" if one.outdated else one.base
        where = one.fault or "\n".join(map(str, one.promoted))
        size = f"{one.size_bytes / 1e6:.1f} MB"
        table.add_row(one.name, one.kind or "damaged", one.strategy, base, one.project, gate, size, where)
    Console().print(table)


def _named(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name", help="the model's name, as in models list")
    return parser


def _workspace(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    where = "the folder that the editor opens, or one around it (the current one)"
    parser.add_argument("--workspace", type=Path, default=Path(), metavar="DIR", help=where)
    return parser


def _forced(parser: argparse.ArgumentParser, when: str) -> argparse.ArgumentParser:
    parser.add_argument("--force", action="store_true", help=when)
    return parser


def _json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
