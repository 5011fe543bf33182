"""`codecompose-ls tune FOLDER`: weights of a project's own, proved on its history (docs/how-to/tune.md)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from codecompose_ls.evaluation.head_to_head import HeadToHead
    from codecompose_ls.evaluation.order import Order
    from codecompose_ls.evaluation.promotion import Progress, Promotion

HELP = "tune a model on a project, prove it on the project's own history, and register it"
EXAMPLE = "codecompose-ls tune . --minutes 10 --promote"
STRATEGIES = ("custom", "l_eo", "l_ldb", "prefix", "lora")
OBJECTIVES = ("fim", "cm", "lcm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a project: a git repository or any folder")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="custom",
        help="what is trained: all weights, embeddings and output, the last block, a prefix, or LoRA (%(default)s)",
    )
    parser.add_argument(
        "--objective",
        choices=OBJECTIVES,
        default="lcm",
        help="what is learnt: random middles, left to right, or the rest of lines, as is asked for (%(default)s)",
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="time for all of it, gate and saving included (%(default)g)"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the tuned folder there as well")
    parser.add_argument("--model", default="base", metavar="BASE", help="what to tune: a name or a folder (base)")
    parser.add_argument("--name", help="its name in the registry (the project's and the strategy's)")
    parser.add_argument(
        "--since",
        metavar="REV|DATE|DURATION",
        help="prove it on what was added since then (the newest commit with enough after it)",
    )
    parser.add_argument(
        "--replay", type=float, default=0.1, metavar="FRACTION", help="share of general code, to keep it in mind (0.1)"
    )
    parser.add_argument(
        "--replay-from", type=Path, metavar="DIR", help="take it from here, not from the running Python's libraries"
    )
    parser.add_argument("--promote", action="store_true", help="let it answer in this project at once, if it passes")
    parser.add_argument("--force", action="store_true", help="tune and promote even what proves nothing or no better")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Tune, judge, register; 130 when it was stopped with the best so far kept."""
    # Before torch is first imported: waiting threads would keep both cores busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from codecompose_ls.evaluation.promotion import carry_out

    order = _order(args)
    if hasattr(os, "nice"):
        os.nice(10)
    try:
        with _progress() as watch:
            done = carry_out(order, watch=watch)
    except KeyboardInterrupt:
        print("codecompose-ls: stopped; the same command goes on from what was kept last", file=sys.stderr)
        return 130
    if args.json:
        print(json.dumps(done.to_json(), indent=2))
    else:
        _print(done, order)
    return 0 if done.name else 130


def _order(args: argparse.Namespace) -> Order:
    from codecompose_ls.evaluation.order import Order
    from codecompose_ls.tuning.tuning_recipe import TuningRecipe

    return Order(
        folder=args.folder,
        recipe=TuningRecipe(strategy=args.strategy, objective=args.objective, replay=args.replay, seed=args.seed),
        minutes=args.minutes,
        base=args.model,
        since=args.since,
        replay_from=args.replay_from,
        name=args.name,
        output=args.output,
        promote=args.promote,
        force=args.force,
    )


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Show on stderr where a promotion is: a bar where somebody watches, else a line a stage."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console(file=sys.stderr)
    texts = [TextColumn("{task." + field + "}") for field in ("description", "fields[figures]")]
    columns = (texts[0], BarColumn(), TaskProgressColumn(), texts[1])
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, figures="")
        before = ""

        def watch(now: Any) -> None:
            nonlocal before
            if now.stage != before and not console.is_terminal:
                print(f"codecompose-ls: {now.stage}", file=sys.stderr)
            before = now.stage
            bar.update(task, description=now.stage, completed=now.done, figures=_figures(now))

        yield watch


def _figures(now: Progress) -> str:
    if now.loss is None:
        return ""
    minutes, seconds = divmod(int(now.seconds_left or 0), 60)
    return f"loss {now.loss:.3f}  {now.tokens_per_second or 0:,.0f} tokens/s  {minutes}:{seconds:02} left"


def _print(done: Promotion, order: Order) -> None:
    from rich.console import Console

    text, training = done.text, done.training
    dropped = ", ".join(f"{count} {name}" for name, count in text.dropped.most_common()) or "none"
    kept = f"{len(text.documents)} files kept, {text.characters:,} characters"
    print(f"{text.name}: {kept}; left out: {dropped}")
    print(done.story)
    spent = (
        f"{training.tokens:,} tokens in {training.steps} steps, {training.minutes:.1f} min ({done.minutes:.1f} in all)"
    )
    print(f"tuned: {spent}; validation loss {training.base_loss:.3f} -> {training.tuned_loss:.3f} nats a token")
    if done.verdict is not None:
        console = Console()
        console.width = max(110, console.width)
        console.print(_table(done))
        print(done.verdict)
    print(_ending(done, order))


def _table(done: Promotion) -> Table:
    from rich.table import Table

    assert done.verdict is not None
    table = Table(box=None, pad_edge=False)
    for name in ("", "n", "files", "exact match: base", "tuned", "nats a token: base", "tuned", "gain", "95 %", "p"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    table.add_row("unseen lines", *_cells(done.verdict.lines))
    if done.verdict.retention is not None:
        table.add_row("general code", *_cells(done.verdict.retention))
    return table


def _cells(found: HeadToHead) -> tuple[str, ...]:
    return (
        str(found.n),
        str(found.files),
        f"{found.base_exact_match.value:.3f}",
        f"{found.tuned_exact_match.value:.3f}",
        f"{found.base_nats:.3f}",
        f"{found.tuned_nats:.3f}",
        f"{found.gain.value:+.3f}",
        f"{found.gain.low:+.3f} {found.gain.high:+.3f}",
        f"{found.p_value:.2g}",
    )


def _ending(done: Promotion, order: Order) -> str:
    """Say where the weights are, and what to do with them."""
    where = f", and in {order.output}" if order.output else ""
    if done.name is None:
        best = f"the best weights so far (step {done.training.best_step}) are in {done.folder}{where}"
        return f"stopped: {best}; the same command goes on"
    if done.promoted:
        return f"'{done.name}' answers in {order.folder} from now on{where}"
    promote = f"codecompose-ls models promote {done.name} --workspace {order.folder}"
    if done.verdict is not None and not done.verdict.passed:
        return f"'{done.name}' is registered{where}, but not promoted; {promote} --force does it all the same"
    return f"'{done.name}' is registered{where}; {promote} lets it answer"
