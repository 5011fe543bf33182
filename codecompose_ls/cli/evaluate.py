"""`codecompose-ls evaluate FOLDER`: how well lines of real files are completed (figures: docs/metrics.md)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codecompose_ls.cli import infilling
from codecompose_ls.errors import InputError
from codecompose_ls.languages import LANGUAGES

if TYPE_CHECKING:
    from codecompose_ls.evaluation.comparison import Comparison
    from codecompose_ls.evaluation.hidden_lines import Case
    from codecompose_ls.evaluation.history import Replay
    from codecompose_ls.evaluation.results import Results
    from codecompose_ls.settings import Settings

HELP = "measure how well hidden lines, or those that a repository's history added, are completed"
#: `evaluation.humaneval.Split`, which is too much to import for a --help.
_SPLITS = ("single-line", "multi-line", "random-span", "random-span-light")
EXAMPLE = "codecompose-ls evaluate . --since 6m --arms floor,full,no-suffix --output report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        type=Path,
        nargs="*",
        metavar="FOLDER",
        help="a project's folder or git repository; the word study alone (a folder of that name is ./study) tunes and"
        " compares models: evaluate study --help",
    )
    parser.add_argument("--each", action="store_true", help="every folder in FOLDER is a project of its own")
    parser.add_argument(
        "--since",
        metavar="REV|DATE|DURATION",
        help="ask for the lines that later commits added, knowing the repository as it was then "
        "(v2.1, 2025-06-01, or 90d, 12w, 6m, 1y before HEAD)",
    )
    parser.add_argument(
        "--sessions",
        action="store_true",
        help="with --since: each line among other changes of its commit, as if these had just been typed",
    )
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="a model's folder or name; give it again for several"
    )
    parser.add_argument(
        "--arms",
        default="full",
        metavar="LIST",
        help="what each model is told: full, no-suffix, no-metadata, no-index, no-session, no-snippets, prefix, each"
        " with +snippets or another thing, too; floor is no model (full)",
    )
    parser.add_argument("--no-model", action="store_true", help="measure the floor alone")
    parser.add_argument("--floor", action="store_true", help="measure the n-gram floor, too")
    parser.add_argument(
        "--cases", type=int, metavar="N", help="cases of each kind (100), or of a benchmark's tasks (all)"
    )
    parser.add_argument("--per-file", type=int, default=3, metavar="K", help="most cases from one file (3)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other cases (0)")
    parser.add_argument("--language", choices=sorted(LANGUAGES), metavar="ID", help="one LSP language id alone")
    parser.add_argument(
        "--trigger", choices=("invoked", "automatic"), default="invoked", help="automatic may stay silent (invoked)"
    )
    parser.add_argument(
        "--no-suffix", action="store_true", help="hide all text after the cursor from every predictor, the floor too"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run of the same has found")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep results.json and report.html there")
    parser.add_argument("--keep-code", action="store_true", help="keep hidden and suggested code in the results")
    parser.add_argument("--json", action="store_true", help="print JSON")
    benchmark = parser.add_argument_group("benchmarks")
    benchmark.add_argument("--benchmark", choices=("humaneval-infilling",), help="measure this instead of a folder")
    benchmark.add_argument("--data", type=Path, metavar="DIR", help="the folder with the benchmark's files")
    benchmark.add_argument("--split", choices=_SPLITS, default=_SPLITS[0], help=f"what is taken out ({_SPLITS[0]})")
    benchmark.add_argument(
        "--run-code",
        action="store_true",
        help="run the programs that come of it, in a sandbox, to see whether they work",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the cases, ask every predictor, print and keep the figures."""
    _check(args)
    settings = _settings(args)
    try:
        results = infilling.measure(args, settings) if args.benchmark else _hidden_lines(args, settings)
    except KeyboardInterrupt:
        print("codecompose-ls: what is answered is kept: the same command goes on from here", file=sys.stderr)
        raise
    if args.output:
        from codecompose_ls.evaluation import html

        for path in (results.save(args.output), html.save(results, args.output)):
            print(f"codecompose-ls: {path} is written", file=sys.stderr)
    if args.json:
        shown = results.to_json()
        del shown["outcomes"]
        print(json.dumps(shown, indent=2))
    else:
        _print(results)
    return 0


def _check(args: argparse.Namespace) -> None:
    from codecompose_ls.evaluation.projects import check_folders

    if (args.cases is not None and args.cases < 1) or args.per_file < 1:
        raise InputError("--cases and --per-file must be at least 1")
    if args.benchmark:
        infilling.check(args)
    else:
        if not args.folders:
            raise InputError("name the folder of a project, or a --benchmark")
        check_folders(args.folders)
        if args.sessions and args.since is None:
            raise InputError("--sessions needs --since: the commits since then are replayed")
        if args.data or args.run_code:
            raise InputError("--data and --run-code are for a --benchmark")


def _hidden_lines(args: argparse.Namespace, settings: Settings) -> Results:
    from rich.console import Console

    from codecompose_ls.evaluation import bleu, report
    from codecompose_ls.evaluation.output import prepare
    from codecompose_ls.evaluation.place import place

    with Console(file=sys.stderr).status("reading the projects"):
        cases, replays = _cases(args)
        comparison = _comparison(args, settings, cases)
    if args.output:
        prepare(args.output)
    for replay in replays:
        print(f"codecompose-ls: {replay}", file=sys.stderr)
    if not bleu.is_available():
        print("codecompose-ls: BLEU is left out: pip install 'codecompose-ls[evaluate]'", file=sys.stderr)
    outcomes = asyncio.run(comparison.run())
    history = {one.source.asked.name: _told(one) for one in replays}
    return report.results(outcomes, conditions=_conditions(args, settings, comparison) | {"history": history} | place())


def _settings(args: argparse.Namespace) -> Settings:
    """Load the settings; what one project says holds for its own files, and for the pipeline when it is alone."""
    from codecompose_ls import settings

    loaded, problems = settings.load(root=args.folders[0] if len(args.folders) == 1 and not args.each else None)
    for problem in problems:
        print(f"codecompose-ls: {problem}", file=sys.stderr)
    return loaded


def _cases(args: argparse.Namespace) -> tuple[list[Case], list[Replay]]:
    """Draw what is asked, from files as they are, from a history, or from its commits one by one."""
    from codecompose_ls.evaluation.hidden_lines import Source, draw
    from codecompose_ls.evaluation.history import replays
    from codecompose_ls.evaluation.projects import find_projects
    from codecompose_ls.evaluation.sessions import draw_sessions

    count = args.cases or 100
    if args.sessions:
        commits = {"each": args.each, "language": args.language, "seed": args.seed}
        return draw_sessions(args.folders, args.since, cases=count, **commits), []
    if args.since is None:
        projects, found = find_projects(args.folders, each=args.each), []
        sources = [Source(project, project.only(args.language)) for project in projects]
    else:
        found = replays(args.folders, args.since, each=args.each, language=args.language)
        sources = [replay.source for replay in found]
    return draw(sources, cases=count, per_file=args.per_file, seed=args.seed), found


def _comparison(args: argparse.Namespace, settings: Settings, cases: list[Case]) -> Comparison:
    from codecompose_ls.evaluation.arms import FLOOR
    from codecompose_ls.evaluation.comparison import Comparison
    from codecompose_ls.types import Trigger

    if not cases:
        what = f"{args.language} files" if args.language else "files with a line to hide"
        what = "commits with a line to ask for" if args.sessions else what
        raise InputError(f"{', '.join(map(str, args.folders))}: no {what}")
    if args.no_suffix:
        cases = [replace(case, text=case.text[: case.offset]) for case in cases]
    arms = [] if args.no_model else [arm.strip() for arm in args.arms.split(",")]
    return Comparison(
        cases=cases,
        settings=settings,
        models=args.model or [settings.model],
        arms=[FLOOR, *arms] if args.floor or args.no_model else arms,
        trigger=Trigger(args.trigger),
        fresh=args.fresh,
        keep_code=args.keep_code,
    )


def _told(replay: Replay) -> dict[str, Any]:
    told = {name: getattr(replay, name) for name in ("since", "since_date", "head", "head_date", "added", "asked")}
    return told


def _conditions(args: argparse.Namespace, settings: Settings, comparison: Comparison) -> dict[str, Any]:
    """Return what someone else needs to take the same figures."""
    from codecompose_ls.evaluation import bleu

    return {
        "projects": sorted({case.project.name for case in comparison.cases}),
        "since": args.since,
        "sessions": args.sessions,
        "language": args.language,
        "cases": args.cases or 100,
        "per_file": args.per_file,
        "seed": args.seed,
        "trigger": args.trigger,
        "suffix": not args.no_suffix,
        "arms": list(comparison.arms),
        "models": comparison.hashes(),
        "multi_line": settings.multi_line,
        "max_tokens": settings.max_tokens,
        "bleu": bleu.signature() if bleu.is_available() else None,
    }


def _print(results: Results) -> None:
    from rich.console import Console

    from codecompose_ls.evaluation import report

    console = Console()
    console.width = max(130, console.width)
    console.print(report.table(results.rows))
    for row in results.rows:
        if row.pass_at_1:
            print(
                f"{row.predictor}: pass@1 {row.pass_at_1.value:.3f} [{row.pass_at_1.low:.3f}, {row.pass_at_1.high:.3f}]"
            )
    for line in report.precision(results.outcomes):
        print(line)
    kinds = [comparison.kind for comparison in results.comparisons]
    for comparison in results.comparisons:
        # The first kind is over all of them; for each alone there is --json, and the report.
        if comparison.kind == kinds[0]:
            print(report.sentence(comparison))
    if results.conditions.get("bleu"):
        print(f"BLEU: sacrebleu {results.conditions['bleu']}")
