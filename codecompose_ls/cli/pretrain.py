"""`codecompose-ls pretrain`: a tokenizer and a base model from folders of source code.

Runs where only torch, tokenizers, safetensors and numpy are installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from codecompose_ls.errors import InputError, MissingExtraError

HELP = "train a tokenizer and a base model from folders of source code"
EXAMPLE = "codecompose-ls pretrain corpus/*/ --held-out held-out/*/ --output runs/7m --size 7m --minutes 90"
SIZES = ("tiny", "7m", "30m")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="FOLDER", help="a package's source folder, or a packed corpus"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the run lives; a run found there is taken up again"
    )
    parser.add_argument(
        "--pack", type=Path, metavar="FILE", help="only write the filtered corpus as one .jsonl.xz file, and stop"
    )
    parser.add_argument(
        "--held-out",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="packages to measure on, never to learn from",
    )
    parser.add_argument("--size", choices=SIZES, default="7m", help="parameters of the model (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, help="length of the run, cool-down included; a larger one prolongs a finished run"
    )
    parser.add_argument("--tokens", type=float, help="the same in tokens; 2e9 is understood")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="FILE", help="use this tokenizer.json instead of training one"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens-per-step", type=int, help="default: 4096 on a CPU, 131072 on a GPU")
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--precision",
        choices=("auto", "bf16", "fp32"),
        default="auto",
        help="auto: bf16 where the device computes in it",
    )
    parser.add_argument("--no-compile", action="store_true", help="do without torch.compile")
    parser.add_argument(
        "--workers",
        type=int,
        help="processes that make training rows (default: 0 on a CPU, all cores but one on a GPU)",
    )
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0, metavar="M", help="default: %(default)s")
    parser.add_argument("--held-out-minutes", type=float, default=10.0, metavar="M", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Pack a corpus, or train."""
    _check(args)
    from codecompose_ls.tuning.corpus import read_corpus, write_pack

    progress = sys.stderr.isatty()
    held_out = read_corpus(args.held_out, progress=progress) if args.held_out else None
    corpus = read_corpus(args.sources, exclude=held_out.documents if held_out else (), progress=progress)
    print(corpus.report.table(), file=sys.stderr)
    if args.pack:
        write_pack(corpus, args.pack)
        print(f"{args.pack}: {len(corpus.documents)} files, {args.pack.stat().st_size / 1e6:.1f} MB")
        return 0

    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("tune", "torch") from error
    from codecompose_ls.tuning.atomic_file import atomic_file
    from codecompose_ls.tuning.machine import choose_machine
    from codecompose_ls.tuning.network import PRESETS
    from codecompose_ls.tuning.pretraining import Run
    from codecompose_ls.tuning.recipe import Recipe
    from codecompose_ls.tuning.schedule import Budget
    from codecompose_ls.tuning.tokenizer import load_tokenizer, train_tokenizer

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(os.cpu_count() or 1)
    machine = choose_machine(
        device=args.device, precision=args.precision, compile=not args.no_compile, workers=args.workers
    )
    recipe = Recipe(
        size=args.size,
        seed=args.seed,
        tokens_per_step=args.tokens_per_step or (131_072 if machine.device == "cuda" else 4096),
        learning_rate=args.learning_rate,
    )
    args.output.mkdir(parents=True, exist_ok=True)
    kept = args.output / "tokenizer.json"
    if args.tokenizer:
        tokenizer = load_tokenizer(args.tokenizer)
    elif kept.is_file():
        tokenizer = load_tokenizer(kept)
    else:
        tokenizer = train_tokenizer(corpus, vocabulary=PRESETS[args.size].vocabulary, seed=args.seed, progress=progress)
    if not kept.is_file():
        with atomic_file(kept) as partial:
            tokenizer.save(str(partial), pretty=False)
    training = Run(args.output, recipe, machine, corpus=corpus, held_out=held_out, tokenizer=tokenizer)
    budget = Budget(minutes=args.minutes, tokens=int(args.tokens) if args.tokens else None)
    if training.resume(budget):
        print(f"going on from step {training.step} ({training.tokens / 1e6:.1f} M tokens)", file=sys.stderr)
    training.train(
        budget, checkpoint_minutes=args.checkpoint_minutes, held_out_minutes=args.held_out_minutes, progress=True
    )
    state = "stopped; the same command goes on" if training.has_stopped else "done"
    amount = f"{training.tokens / 1e6:.1f} M tokens in {training.seconds / 60:.0f} min"
    print(f"{state}: {amount}, model in {args.output / 'model'}")
    return 0


def _check(args: argparse.Namespace) -> None:
    if not args.pack and not args.output:
        raise InputError("say where the run shall live with --output DIR (or --pack FILE to only pack the corpus)")
    if not args.pack and not (args.minutes or args.tokens):
        raise InputError("say how long to train with --minutes M or --tokens N")
    for name in ("minutes", "tokens", "tokens_per_step", "learning_rate", "checkpoint_minutes", "held_out_minutes"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise InputError(f"--{name.replace('_', '-')} must be more than 0, not {value:g}")
    if args.output and args.output.exists() and not args.output.is_dir():
        raise InputError(f"--output {args.output} is a file, not a folder")
