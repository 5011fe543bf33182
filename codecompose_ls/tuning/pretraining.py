"""The pre-training loop: rows in, a model folder out, going on after any interruption.

    OUTPUT/model/             the newest weights as a model on disk, written with every checkpoint
    OUTPUT/checkpoints/       `last`, and `stable`: the state before the cool-down, from which a longer run goes on
    OUTPUT/curve.csv          step, tokens, seconds, training and held-out loss, learning rate
    OUTPUT/held_out.csv       held-out loss by language and objective
    OUTPUT/tokenizer.json     trained once, then frozen
"""

from __future__ import annotations

import csv
import math
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm

from codecompose_ls import __version__
from codecompose_ls.errors import InputError
from codecompose_ls.tuning.checkpoint import load_checkpoint, read_state, save_checkpoint
from codecompose_ls.tuning.corpus import Corpus
from codecompose_ls.tuning.export import export
from codecompose_ls.tuning.held_out import HeldOut, HeldOutLoss
from codecompose_ls.tuning.muon import Muon
from codecompose_ls.tuning.network import PRESETS, Network
from codecompose_ls.tuning.rows import RowKey, RowSource
from codecompose_ls.tuning.schedule import Budget, is_cooling, rate
from codecompose_ls.tuning.tokenizer import Encoder, tokenizer_hash

LAST, STABLE = "last.safetensors", "stable.safetensors"
CURVE = ("step", "tokens", "seconds", "training_loss", "held_out_loss", "learning_rate")
HELD_OUT = ("step", "tokens", "language", "objective", "nats_per_token", "bits_per_byte")
#: Steps averaged into one row of the curve.
CURVE_STEPS = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes two runs the same run: a checkpoint is taken up only under an equal recipe."""

    size: str = "12m"
    seed: int = 0
    tokens_per_step: int = 4096
    learning_rate: float = 0.003
    weight_decay: float = 0.05
    warm_up_steps: int = 60
    gradient_clip: float = 1.0
    #: A step's rows are all of one length, drawn from these shares of the model's context with these odds.
    row_shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    row_odds: tuple[float, ...] = (0.35, 0.4, 0.25)

    def row_length(self, step: int, context: int) -> int:
        """Return the row length, in tokens, of one step."""
        share = np.random.default_rng((self.seed, step)).choice(self.row_shares, p=self.row_odds)
        return int(context * share)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how the arithmetic runs; it changes the speed of a run, not what the run is."""

    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = True
    micro_batch_tokens: int = 4096
    workers: int = 0


def choose_machine(*, device: str = "auto", precision: str = "auto", compile: bool = True, workers: int | None = None) -> Machine:
    """Choose what `auto` stands for here: the GPU if there is one, bf16 where the processor computes in it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device can be used here: leave --device out, or say --device cpu")
    if precision == "auto":
        precision = "bf16" if device == "cuda" or _cpu_has_bf16() else "fp32"
    if device == "cpu" and compile and not any(map(shutil.which, ("g++", "clang++", "c++", "cl"))):
        print("no C++ compiler found: training without torch.compile, about a third slower", file=sys.stderr)
        compile = False
    if device == "cuda":
        return Machine(device, precision, compile, 65_536, max(1, (os.cpu_count() or 2) - 1) if workers is None else workers)
    return Machine(device, precision, compile, 4096, workers or 0)


class Run:
    """One pre-training run in its output folder."""

    def __init__(
        self, output: Path, recipe: Recipe, machine: Machine, *, corpus: Corpus, held_out: Corpus | None, tokenizer: Tokenizer
    ) -> None:
        self.output, self.recipe, self.machine, self.corpus = output, recipe, machine, corpus
        output.mkdir(parents=True, exist_ok=True)
        self.tokenizer, self.encoder = tokenizer, Encoder(tokenizer)
        self.device = torch.device(machine.device)
        torch.manual_seed(recipe.seed)
        torch.set_float32_matmul_precision("high")
        self.network = Network(PRESETS[recipe.size]).to(self.device)
        if tokenizer.get_vocab_size() > self.network.config.vocabulary:
            raise InputError(f"the tokenizer has {tokenizer.get_vocab_size()} entries, --size {recipe.size} takes {PRESETS[recipe.size].vocabulary}")
        self.optimizers = make_optimizers(self.network, recipe, machine)
        self.rows = RowSource(corpus, self.encoder, seed=recipe.seed)
        length = min(512, self.network.config.context)
        self.held_out = HeldOut(held_out, self.encoder, length=length) if held_out else None
        self.step = self.tokens = 0
        self.seconds = 0.0
        self.started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.losses: list[HeldOutLoss] = []
        self.has_stopped = self._is_cooling = False

    def resume(self, budget: Budget) -> bool:
        """Take up the newest checkpoint that fits; return whether there was one.

        A run whose cool-down has begun goes on from `stable` when the new budget is larger than the one it cooled down for.
        Raises InputError when the folder holds a run of another recipe.
        """
        folder = self.output / "checkpoints"
        if not (folder / LAST).is_file():
            return False
        state = read_state(folder / LAST)
        if state["recipe"] != self._identity():
            ours = self._identity()
            changed = [f"{key} was {state['recipe'].get(key)}, is {ours[key]}" for key in ours if state["recipe"].get(key) != ours[key]]
            raise InputError(f"{self.output} holds a run of another kind ({'; '.join(changed)}): choose another --output")
        path = folder / LAST
        progress = budget.progress(seconds=state["seconds"], tokens=state["tokens"])
        if state["cooling"] and not is_cooling(progress) and (folder / STABLE).is_file():
            path = folder / STABLE
        state = load_checkpoint(path, self.network, self.optimizers)
        self.step, self.tokens, self.seconds, self.started = (state[key] for key in ("step", "tokens", "seconds", "started"))
        self._is_cooling = state["cooling"]
        for name in ("curve.csv", "held_out.csv"):
            _forget_rows(self.output / name, after=self.step)
        return True

    def train(self, budget: Budget, *, checkpoint_minutes: float, held_out_minutes: float, progress: bool) -> None:
        """Train until the budget is used up or a signal asks to stop; leaves a checkpoint and an exported model."""
        loss_of = torch.compile(self.network.loss, dynamic=False) if self.machine.compile else self.network.loss
        begun, before, start = time.monotonic(), self.seconds, self.tokens
        saved = measured = begun
        window: list[float] = []
        bar = tqdm(total=100, unit="%", disable=not progress, mininterval=1 if sys.stderr.isatty() else 30, bar_format=_BAR)
        batches = self._batches()
        with _stopping_on_signals(self._stop), bar:
            while (done := budget.progress(seconds=self.seconds, tokens=self.tokens)) < 1 and not self.has_stopped:
                if is_cooling(done) and not self._is_cooling:
                    self._is_cooling = True
                    self._save(STABLE)
                factor = rate(done, self.step, warm_up=self.recipe.warm_up_steps)
                window.append(self._step(next(batches), factor, loss_of))
                self.seconds = before + time.monotonic() - begun
                bar.update(100 * min(1.0, budget.progress(seconds=self.seconds, tokens=self.tokens)) - bar.n)
                bar.set_postfix_str(f"loss {np.mean(window[-CURVE_STEPS:]):.3f}, {(self.tokens - start) / (time.monotonic() - begun):,.0f} tokens/s", refresh=False)
                now = time.monotonic()
                if now - measured > 60 * held_out_minutes:
                    self._measure()
                    measured = time.monotonic()
                if self.step % CURVE_STEPS == 0 or self.step <= 5:
                    self._write_curve(window, factor)
                    window.clear()
                if now - saved > 60 * checkpoint_minutes:
                    self._save(LAST)
                    saved = time.monotonic()
            self.seconds = before + time.monotonic() - begun
            if not self.has_stopped:
                self._measure()
            if window:
                self._write_curve(window, factor)
            self._save(LAST)

    def _batches(self) -> Iterator[Tensor]:
        """Yield the rows of each step from the current one on, (rows, length + 1)."""
        loader: Any = torch.utils.data.DataLoader(
            self.rows,  # type: ignore[arg-type]
            batch_sampler=self._keys(),  # type: ignore[arg-type]
            num_workers=self.machine.workers,
            prefetch_factor=8 if self.machine.workers else None,
            pin_memory=self.machine.device == "cuda",
            collate_fn=_stack,
        )
        return iter(loader)

    def _keys(self) -> Iterator[list[RowKey]]:
        step = self.step
        while True:
            length = self.recipe.row_length(step, self.network.config.context)
            yield [RowKey(step, row, length) for row in range(max(1, self.recipe.tokens_per_step // length))]
            step += 1

    def _step(self, batch: Tensor, factor: float, loss_of: Callable[[Tensor, Tensor], Tensor]) -> float:
        """Make one optimiser step; return the mean loss in nats a token."""
        count = batch.shape[0] * (batch.shape[1] - 1)
        total = 0.0
        for part in batch.split(max(1, self.machine.micro_batch_tokens // (batch.shape[1] - 1))):
            part = part.to(self.device, non_blocking=True)
            with self._cast():
                loss = loss_of(part[:, :-1].contiguous(), part[:, 1:].contiguous()) / count
            loss.backward()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise InputError("the loss is not a number any more: try a lower --learning-rate")
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_clip)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += count
        return total

    def _measure(self) -> None:
        if self.held_out is None:
            return
        self.losses = self.held_out.measure(self.network, self.device, self._cast())
        for loss in self.losses:
            row = (self.step, self.tokens, loss.language, loss.objective, f"{loss.nats_per_token:.4f}", f"{loss.bits_per_byte:.4f}")
            _append(self.output / "held_out.csv", HELD_OUT, row)

    def _write_curve(self, window: list[float], factor: float) -> None:
        held_out = f"{self.losses[0].nats_per_token:.4f}" if self.losses else ""
        row = (self.step, self.tokens, round(self.seconds), f"{np.mean(window):.4f}", held_out, f"{self.recipe.learning_rate * factor:.3g}")
        _append(self.output / "curve.csv", CURVE, row)

    def _save(self, name: str) -> None:
        state = {
            "recipe": self._identity(),
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "started": self.started,
            "cooling": self._is_cooling and name != STABLE,
        }
        save_checkpoint(self.output / "checkpoints" / name, self.network, self.optimizers, state)
        evaluation = {"held_out": [asdict(loss) for loss in self.losses]}
        export(self.output / "model", self.network, self.tokenizer, provenance=self._provenance(), evaluation=evaluation)

    def _identity(self) -> dict[str, Any]:
        recipe = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self.recipe).items()}
        return recipe | {"network": asdict(PRESETS[self.recipe.size]), "tokenizer": tokenizer_hash(self.tokenizer)}

    def _provenance(self) -> dict[str, Any]:
        report = self.corpus.report
        return {
            "tokens": self.tokens,
            "steps": self.step,
            "seconds": round(self.seconds),
            "started": self.started,
            "recipe": asdict(self.recipe),
            "machine": asdict(self.machine),
            "corpus": {"files": dict(report.files), "characters": dict(report.characters), "dropped": dict(report.dropped)},
            "revision": git_revision(),
            "versions": {"codecompose_ls": __version__, "torch": torch.__version__, "python": platform.python_version()},
        }

    def _cast(self) -> AbstractContextManager[None]:
        if self.machine.precision == "bf16":
            return torch.autocast(self.machine.device, dtype=torch.bfloat16)
        return nullcontext()

    def _stop(self) -> None:
        self.has_stopped = True


_BAR = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining}, {postfix}"


def make_optimizers(network: Network, recipe: Recipe, machine: Machine) -> dict[str, torch.optim.Optimizer]:
    """Return Muon for the matrices inside the blocks and AdamW for embeddings and norms."""
    matrices = [p for p in network.blocks.parameters() if p.dim() == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in chosen]
    dtype = torch.bfloat16 if machine.precision == "bf16" else torch.float32
    return {
        "muon": Muon(matrices, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, dtype=dtype),
        "adamw": torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    }


def git_revision() -> str | None:
    """Return the revision of the checkout this code runs from, None outside one."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_has_bf16() -> bool:
    """Return whether the processor multiplies in bf16 (AVX-512 BF16 or AMX); elsewhere bf16 is ten times slower than fp32."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and any(name in flags.read_text(encoding="utf-8") for name in ("avx512_bf16", "amx_bf16"))


def _stack(rows: list[np.ndarray[Any, np.dtype[np.int64]]]) -> Tensor:
    return torch.from_numpy(np.stack(rows))


def _append(path: Path, header: tuple[str, ...], row: tuple[Any, ...]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(header)
        writer.writerow(row)


def _forget_rows(path: Path, *, after: int) -> None:
    """Drop the rows a killed run wrote after its last checkpoint."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) <= after)])


class _stopping_on_signals:
    """While inside, SIGINT and SIGTERM call `stop`; a second one interrupts at once."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop_run = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: object) -> None:
        self._stop_run()
        signal.signal(number, self._before[number])
