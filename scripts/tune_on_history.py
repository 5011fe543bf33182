"""Tune every strategy on projects as they were at a commit, and ask base and tuned for the lines that came after it.

    python -m scripts.tune_on_history REPOSITORY... --since 6m --strategies custom,lora --tokens 300000 --output DIR

What `codecompose-ls tune` does before its gate, for several strategies and with more lines: each sees as many tokens of
the project at T and of general code, and answers with and without the index. Prints the tables of docs/how-to/tune.md
and keeps them as DIR/results.json. What is tuned or answered already is not done again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from codecompose_ls.evaluation.comparison import Comparison
from codecompose_ls.evaluation.gate import retention_cases
from codecompose_ls.evaluation.head_to_head import HeadToHead, head_to_head
from codecompose_ls.evaluation.hidden_lines import Case, draw
from codecompose_ls.evaluation.history import Replay, replays
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.models.model import load_model
from codecompose_ls.models.registry import resolve
from codecompose_ls.settings import Settings
from codecompose_ls.tuning.project import collect, split
from codecompose_ls.tuning.replay import replay_documents, retained_code
from codecompose_ls.tuning.tuning_recipe import RATES, TuningRecipe

#: Arms: with the index, as served, and the weights alone.
ARMS = ("full", "no-index")
#: Retention is asked of the weights alone.
RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a strategy made of a project: minutes of training, tokens seen, megabytes on disk."""

    folder: Path
    minutes: float
    tokens: int
    megabytes: float
    pf_seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """A strategy against the base on one project, or on all, under one arm."""

    project: str
    strategy: str
    arm: str
    figures: HeadToHead

    @property
    def ratio(self) -> float | None:
        """Exact match over the base's; None where the base has none."""
        base = self.figures.base_exact_match.value
        return self.figures.tuned_exact_match.value / base if base else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--since", default="6m", help="T: a revision, a date or a duration before HEAD (6m)")
    parser.add_argument("--strategies", default="custom,l_eo,l_ldb,prefix,lora,lora_autodev")
    parser.add_argument("--objective", default="lcm")
    parser.add_argument("--learning-rate", type=float, help="peak rate (each strategy's own)")
    parser.add_argument("--replay", type=float, default=0.1, help="share of general code (0.1)")
    parser.add_argument("--tokens", type=int, default=300_000, help="that each tuning run sees, at most (300000)")
    parser.add_argument("--cases", type=int, default=80, help="of each kind and project (80)")
    parser.add_argument("--per-file", type=int, default=20)
    parser.add_argument("--language", default="python")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tune-only", action="store_true", help="ask nothing yet")
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(args.threads))
    strategies = args.strategies.split(",")
    if unknown := set(strategies) - RATES.keys():
        parser.error(f"no strategy {', '.join(unknown)}: choose of {', '.join(RATES)}")
    found = replays(args.repositories, args.since, language=args.language)
    tuned = {
        (replay.source.asked.name, strategy): tune_at(repository, replay, strategy, args)
        for repository, replay in zip(args.repositories, found, strict=True)
        for strategy in strategies
    }
    if not args.tune_only:
        rows = [row for replay in found for row in compare(replay, strategies, tuned, args)]
        rows += list(pooled(rows, strategies, args.output))
        save(rows, tuned, args.output)
        print(table(rows, tuned))


def tune_at(repository: Path, replay: Replay, strategy: str, args: argparse.Namespace) -> Tuned:
    """Tune the base on a project at T by one strategy, unless that is done."""
    from codecompose_ls.tuning.tuner import tune

    name = replay.source.asked.name
    folder, told = args.output / name / strategy, args.output / name / f"{strategy}.json"
    if not told.is_file():
        text = collect(repository, revision=replay.since)
        training, validation = split(text.documents)
        recipe = TuningRecipe(
            strategy=strategy, objective=args.objective, learning_rate=args.learning_rate, replay=args.replay
        )
        began = time.monotonic()
        outcome = tune(
            resolve("base"),
            training=training,
            validation=validation,
            replay=replay_documents(recipe.replay, text.characters, folder=None, exclude=text.documents),
            recipe=recipe,
            output=folder,
            tokens=args.tokens,
        )
        if outcome.stopped == "interrupted":
            raise KeyboardInterrupt
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
        facts = {
            "minutes": (time.monotonic() - began) / 60,
            "tokens": outcome.tokens,
            "megabytes": size,
            "pf_seconds": outcome.pf_seconds,
            "characters": text.characters,
            "stopped": outcome.stopped,
            "curve": [measured.validation for measured in outcome.losses],
        }
        told.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        print(f"{name} {strategy}: {json.dumps(facts)}", flush=True)
    facts = json.loads(told.read_text(encoding="utf-8"))
    return Tuned(folder, *(facts[key] for key in ("minutes", "tokens", "megabytes", "pf_seconds")))


def compare(
    replay: Replay, strategies: Sequence[str], tuned: dict[tuple[str, str], Tuned], args: argparse.Namespace
) -> Iterable[Found]:
    """Ask base and tuned for the lines after T, and for hidden lines of general code; keep every outcome."""
    name = replay.source.asked.name
    folders = {strategy: tuned[name, strategy].folder for strategy in strategies}
    cases = draw([replay.source], cases=args.cases, per_file=args.per_file, seed=0)
    general = retention_cases(retained_code(folder=None, exclude=()), most=100)
    for arms, asked, told in ((ARMS, cases, "replay"), (("no-index",), general, RETENTION)):
        outcomes = ask(asked, folders, arms, args.threads)
        path = args.output / name / f"{told}.json"
        path.write_text(json.dumps({key: [asdict(one) for one in found] for key, found in outcomes.items()}))
        for strategy in strategies:
            for arm in arms:
                figures = head_to_head(outcomes[f"base {arm}"], outcomes[f"{strategy} {arm}"])
                yield Found(name, strategy, arm if told != RETENTION else RETENTION, figures)


def ask(cases: Sequence[Case], folders: dict[str, Path], arms: Sequence[str], threads: int) -> dict[str, list[Outcome]]:
    """Return the outcomes of base and tuned, by `strategy arm`."""
    found: dict[str, list[Outcome]] = {}
    for strategy, folder in {"base": resolve("base"), **folders}.items():
        comparison = Comparison(
            cases=cases, settings=Settings(threads=threads), models=[str(folder)], arms=arms, keep_code=False
        )
        outcomes = asyncio.run(comparison.run())
        for number, arm in enumerate(arms):
            found[f"{strategy} {arm}"] = outcomes[number * len(cases) : (number + 1) * len(cases)]
    return found


def pooled(rows: Sequence[Found], strategies: Sequence[str], output: Path) -> Iterable[Found]:
    """Compare over all projects together."""
    projects = list(dict.fromkeys(row.project for row in rows))
    for told, arms in (("replay", ARMS), (RETENTION, ("no-index",))):
        kept = [json.loads((output / project / f"{told}.json").read_text()) for project in projects]
        for strategy in strategies:
            for arm in arms:
                base, theirs = (
                    [Outcome.from_json(one) for outcomes in kept for one in outcomes[f"{who} {arm}"]]
                    for who in ("base", strategy)
                )
                yield Found("all", strategy, RETENTION if told == RETENTION else arm, head_to_head(base, theirs))


def save(rows: Sequence[Found], tuned: dict[tuple[str, str], Tuned], output: Path) -> None:
    """Write everything as one JSON file."""
    about = {
        "base": load_model(resolve("base")).content_hash,
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
        "tuned": {f"{project} {strategy}": asdict(one) for (project, strategy), one in tuned.items()},
    }
    (output / "results.json").write_text(json.dumps(about, indent=1, default=lambda path: path.name) + "\n")


def table(rows: Sequence[Found], tuned: dict[tuple[str, str], Tuned]) -> str:
    """Return Markdown: exact match with its interval, ratio over the base, nats a token gained, cost."""
    lines = [
        "| project | strategy | arm | n | base | tuned | ratio | p | nats gained | minutes | MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        figures, one = row.figures, tuned.get((row.project, row.strategy))
        base, theirs, gain = figures.base_exact_match, figures.tuned_exact_match, figures.gain
        cost = f"{one.minutes:.1f} | {one.megabytes:.1f}" if one else "|"
        lines.append(
            f"| {row.project} | {row.strategy} | {row.arm} | {figures.n} "
            f"| {base.value:.3f} [{base.low:.3f}, {base.high:.3f}] "
            f"| {theirs.value:.3f} [{theirs.low:.3f}, {theirs.high:.3f}] "
            f"| {'' if row.ratio is None else f'{row.ratio:.2f}'} | {figures.p_exact_match:.2g} "
            f"| {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] | {cost} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
