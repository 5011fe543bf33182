"""`codecompose-ls evaluate study`: tune and measure projects x strategies x folds, and write the seeds' tables."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codecompose_ls.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from codecompose_ls.evaluation.study.plan import Plan

HELP = "tune projects with every strategy and fold, measure all alike, and write the studies' tables and figures"
EXAMPLE = "codecompose-ls evaluate study repos/* --language-from repos/ruby --preset small --output study"
#: What it takes, by extra.
_NEEDS = {"tune": ("torch", "transformers", "peft"), "evaluate": ("scipy", "sklearn", "sacrebleu")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="a project's folder")
    parser.add_argument("--each", action="store_true", help="every folder in FOLDER is a project of its own")
    parser.add_argument(
        "--preset",
        choices=("small", "full"),
        default="full",
        help="small: six projects, one fold, 60,000 tokens, about an hour on two cores; full: all of it (full)",
    )
    parser.add_argument("--model", default="base", metavar="NAME", help="the base: a model's folder or name (base)")
    parser.add_argument("--output", type=Path, default=Path("study-report"), metavar="DIR", help="(study-report)")
    parser.add_argument("--workers", type=int, metavar="N", help="cells at a time (as cores and memory allow)")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run of the same has found")
    group = parser.add_argument_group("what a preset sets; each can be overridden")
    group.add_argument("--strategies", type=_names, metavar="LIST", help="custom,l_eo,l_ldb,prefix,lora,lora_autodev")
    group.add_argument("--objective", choices=("fim", "cm", "lcm"), help="what the strategies learn (lcm)")
    group.add_argument("--objectives", type=_names, metavar="LIST", help="compared by language (cm,lcm); - for none")
    for name, metavar, text in (
        ("folds", "K", "parts of a project: one tests, one validates, the others train (4)"),
        ("rotations", "K", "how many folds take their turn as the test (full: all; small: 1)"),
        ("projects", "N", "the first N projects (full: all; small: 6)"),
        ("tokens", "N", "train on N tokens of each project (full: all; small: 60,000)"),
        ("objective-tokens", "N", "train CM and LCM on N tokens of all projects (full: all; small: 120,000)"),
        ("patience", "N", "stop after N measurements without a better validation loss (3)"),
        ("validations", "N", "measurements of the validation loss (full: 20; small: 6)"),
        ("validation-tokens", "N", "tokens of each (8192)"),
        ("length", "N", "tokens of a training row (512)"),
        ("language-tokens", "N", "train on N tokens of the new language (full: all; small: 120,000)"),
        ("language-validations", "N", "measurements of its perplexity (full: 12; small: 8)"),
        ("cases", "N", "lines hidden of each kind in a project's test fold (full: 100; small: 20)"),
        ("candidates", "K", "beams, and so the top k (5)"),
        ("prompt-tokens", "N", "longest prompt (512)"),
        ("seed", "N", "another seed splits and draws otherwise (0)"),
    ):
        group.add_argument(f"--{name}", type=int, metavar=metavar, help=text)
    for name, text in (
        ("epochs", "passes over what is trained on, if it is not stopped earlier (full: 10; small: 2)"),
        ("language-epochs", "passes over the new language (full: 4; small: 2)"),
        ("learning-rate", "one for all strategies (each its own)"),
    ):
        group.add_argument(f"--{name}", type=float, metavar="X", help=text)
    group.add_argument("--language-from", type=Path, metavar="DIR", help="code in a language the base has not seen")
    group.add_argument("--language-strategies", type=_names, metavar="LIST", help="(custom,lora,lora_autodev)")


def run(args: argparse.Namespace) -> int:
    """Lay the study out, do its cells, write what came of it."""
    _check_extras()
    # Before torch is imported: threads that wait for each other would keep all cores busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from rich.console import Console

    from codecompose_ls.evaluation.output import prepare
    from codecompose_ls.evaluation.place import place
    from codecompose_ls.evaluation.study import execution, report
    from codecompose_ls.evaluation.study.plan import lay_out
    from codecompose_ls.evaluation.study.processes import free_memory, workers_for

    if args.workers is not None and args.workers < 1:
        raise InputError("--workers must be at least 1")
    with Console(file=sys.stderr).status("reading the projects"):
        plan = _plan(args)
        laid = lay_out(plan, args.folders, each=args.each)
    prepare(args.output)
    workers = args.workers or workers_for(plan.base, cores=os.cpu_count() or 1, memory=free_memory())
    workers = min(workers, len(laid.tasks))
    said = f"{len(laid.folds)} projects, {len(laid.tasks)} cells, {workers} at a time"
    print(f"codecompose-ls: {said}", file=sys.stderr)
    try:
        study = execution.run(laid, workers=workers, fresh=args.fresh, place=place())
    except KeyboardInterrupt:
        print("codecompose-ls: what is done is kept: the same command goes on from here", file=sys.stderr)
        raise
    for path in report.save(study, args.output):
        print(f"codecompose-ls: {path} is written", file=sys.stderr)
    for table in report.tables(study):
        print(table.markdown())
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    from codecompose_ls.evaluation.study.plan import PRESETS, Plan, options
    from codecompose_ls.models.model import content_hash
    from codecompose_ls.models.registry import resolve

    base = resolve(args.model)
    given = {name: getattr(args, name) for name in options() if getattr(args, name) is not None}
    chosen: dict[str, Any] = PRESETS[args.preset] | given
    if "folds" in chosen and "rotations" not in chosen:
        chosen["rotations"] = chosen["folds"]
    return Plan(base=base, base_hash=content_hash(base), **chosen)


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a list; `-` stands for none."""
    return () if text == "-" else tuple(name.strip() for name in text.split(","))


def _check_extras() -> None:
    for extra, packages in _NEEDS.items():
        missing = next((package for package in packages if find_spec(package) is None), None)
        if missing is not None:
            raise MissingExtraError(extra, missing)
