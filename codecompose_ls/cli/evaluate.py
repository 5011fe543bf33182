"""`codecompose-ls evaluate FOLDER`: how well hidden lines of real files are completed (figures: docs/metrics.md)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls import __version__
from codecompose_ls.errors import InputError
from codecompose_ls.languages import LANGUAGES

if TYPE_CHECKING:
    from codecompose_ls.evaluation.hidden_lines import Case
    from codecompose_ls.evaluation.runner import Outcome
    from codecompose_ls.settings import Settings

HELP = "measure how well hidden lines of a folder are completed"
EXAMPLE = "codecompose-ls evaluate src --cases 200 --floor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the project's folder")
    parser.add_argument("--each", action="store_true", help="every folder in FOLDER is a project of its own")
    parser.add_argument("--model", help="a model's folder or name (the one the settings name)")
    parser.add_argument("--no-model", action="store_true", help="measure the floor alone")
    parser.add_argument("--floor", action="store_true", help="measure the n-gram floor, too")
    parser.add_argument("--cases", type=int, default=100, metavar="N", help="cases of each kind (100)")
    parser.add_argument("--per-file", type=int, default=3, metavar="K", help="most cases from one file (3)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other cases (0)")
    parser.add_argument("--language", choices=sorted(LANGUAGES), metavar="ID", help="one LSP language id alone")
    parser.add_argument(
        "--trigger", choices=("invoked", "automatic"), default="invoked", help="automatic may stay silent (invoked)"
    )
    parser.add_argument(
        "--no-suffix", action="store_true", help="hide all text after the cursor, too: what is it worth?"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Draw the cases, ask every predictor, print the figures."""
    from codecompose_ls import settings
    from codecompose_ls.evaluation import report
    from codecompose_ls.evaluation.hidden_lines import draw
    from codecompose_ls.evaluation.projects import find_projects

    if args.cases < 1 or args.per_file < 1:
        raise InputError("--cases and --per-file must be at least 1")
    loaded, problems = settings.load(root=args.folder)
    for problem in problems:
        print(f"codecompose-ls: {problem}", file=sys.stderr)
    loaded = replace(loaded, model=args.model or loaded.model)
    projects = find_projects(args.folder, each=args.each, language=args.language, ignore=loaded.ignore)
    cases = draw(projects, cases=args.cases, per_file=args.per_file, seed=args.seed)
    if not cases:
        raise InputError(f"{args.folder}: no line in its files can be hidden")
    if args.no_suffix:
        cases = [replace(case, text=case.text[: case.offset]) for case in cases]
    outcomes: list[Outcome] = []
    if args.floor or args.no_model:
        from codecompose_ls.evaluation.floor import Floor
        from codecompose_ls.evaluation.runner import run as ask

        outcomes += asyncio.run(ask(Floor(projects), cases))
    if not args.no_model:
        outcomes += asyncio.run(_ask_model(cases, loaded, args.trigger))
    if args.json:
        print(json.dumps(report.as_json(outcomes, conditions=_conditions(args, loaded)), indent=2))
    else:
        _print(outcomes)
    return 0


async def _ask_model(cases: Sequence[Case], settings: Settings, trigger: str) -> list[Outcome]:
    from codecompose_ls.backends.local import LocalBackend
    from codecompose_ls.completion.pipeline import Pipeline
    from codecompose_ls.evaluation.runner import PipelinePredictor
    from codecompose_ls.evaluation.runner import run as ask
    from codecompose_ls.models.registry import resolve
    from codecompose_ls.types import Trigger

    backend = LocalBackend(resolve(settings.model), threads=settings.threads)
    pipeline = Pipeline(backend, settings)
    try:
        predictor = PipelinePredictor(pipeline, name=Path(settings.model).name, trigger=Trigger(trigger))
        return await ask(predictor, cases)
    finally:
        pipeline.close()
        backend.close()


def _conditions(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Return what someone else needs to take the same figures."""
    return {
        "folder": args.folder.resolve().name,
        "each": args.each,
        "language": args.language,
        "cases": args.cases,
        "per_file": args.per_file,
        "seed": args.seed,
        "trigger": args.trigger,
        "suffix": not args.no_suffix,
        "model": None if args.no_model else settings.model,
        "multi_line": settings.multi_line,
        "max_tokens": settings.max_tokens,
        "version": __version__,
    }


def _print(outcomes: Sequence[Outcome]) -> None:
    from rich.console import Console

    from codecompose_ls.evaluation import report

    console = Console()
    console.width = max(100, console.width)
    console.print(report.table(report.rows(outcomes)))
    for comparison in report.comparisons(outcomes):
        print(report.sentence(comparison))
