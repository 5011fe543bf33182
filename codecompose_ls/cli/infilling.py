"""`codecompose-ls evaluate --benchmark humaneval-infilling`: a benchmark's tasks in place of a project's lines."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from codecompose_ls.errors import InputError

if TYPE_CHECKING:
    from codecompose_ls.evaluation.humaneval import Benchmark
    from codecompose_ls.evaluation.results import Results
    from codecompose_ls.settings import Settings

#: Options that a benchmark has no use for, and what they are where they are not given.
_FOR_FOLDERS = dict.fromkeys(("each", "sessions", "no_model", "floor", "no_suffix"), False) | {
    "since": None,
    "language": None,
    "arms": "full",
    "trigger": "invoked",
}


def check(args: argparse.Namespace) -> None:
    """Raise `InputError` for what is given in vain."""
    if args.folders:
        raise InputError(f"--benchmark takes its tasks from --data, not from {args.folders[0]}")
    for name, default in _FOR_FOLDERS.items():
        if getattr(args, name) != default:
            raise InputError(f"--{name.replace('_', '-')} is for folders: a --benchmark is asked as it is")


def measure(args: argparse.Namespace, settings: Settings) -> Results:
    """Put the tasks to every model; raises `InputError`, `ModelError` and `EngineError`."""
    from codecompose_ls.evaluation import report
    from codecompose_ls.evaluation.output import prepare
    from codecompose_ls.evaluation.place import place

    benchmark = _tasks(args, settings)
    if args.output:
        prepare(args.output)
    if benchmark.sandbox:
        print("codecompose-ls: programs that a model wrote are run, in a sandbox with limits", file=sys.stderr)
        for gap in benchmark.sandbox.gaps:
            print(f"codecompose-ls: its gap: {gap}", file=sys.stderr)
    outcomes = asyncio.run(benchmark.run())
    conditions = {
        "benchmark": args.benchmark,
        "split": args.split,
        "cases": len(benchmark.tasks),
        "seed": args.seed,
        "run_code": args.run_code,
        "models": benchmark.hashes(),
    }
    return report.results(outcomes, conditions=conditions | place())


def _tasks(args: argparse.Namespace, settings: Settings) -> Benchmark:
    from codecompose_ls.evaluation import humaneval
    from codecompose_ls.evaluation.sandbox import Sandbox

    if args.data is None:
        raise InputError(f"--benchmark {args.benchmark} needs --data DIR: {humaneval.ORIGIN}")
    split = humaneval.Split(args.split)
    return humaneval.Benchmark(
        split=split,
        tasks=humaneval.load(args.data, split, cases=args.cases, seed=args.seed),
        settings=settings,
        models=args.model or [settings.model],
        sandbox=Sandbox() if args.run_code else None,
        fresh=args.fresh,
    )
