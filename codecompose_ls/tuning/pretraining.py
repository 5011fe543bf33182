"""The pre-training loop: rows in, a model folder out, going on after any interruption.

OUTPUT/model/             the newest weights as a model on disk, written with every checkpoint
OUTPUT/checkpoints/       `last`, and `stable`: the state before the cool-down, from which a longer run goes on
OUTPUT/curve.csv          step, tokens, seconds, training and held-out loss, learning rate
OUTPUT/curve.svg          the same as a picture
OUTPUT/held_out.csv       held-out loss by language and objective
OUTPUT/tokenizer.json     trained once, then frozen
"""

from __future__ import annotations

import math
import platform
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
from codecompose_ls.tuning.curve import CURVE, HELD_OUT, append_row, draw_curve, forget_rows
from codecompose_ls.tuning.export import export
from codecompose_ls.tuning.held_out import HeldOut, HeldOutLoss
from codecompose_ls.tuning.interruption import stopping_on_signals
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.muon import Muon
from codecompose_ls.tuning.network import PRESETS, Network
from codecompose_ls.tuning.rows import RowKey, RowSource
from codecompose_ls.tuning.schedule import Budget, is_cooling, rate
from codecompose_ls.tuning.tokenizer import Encoder, tokenizer_hash

LAST, STABLE = "last.safetensors", "stable.safetensors"
#: Steps averaged into one row of the curve.
CURVE_STEPS = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes two runs the same run: a checkpoint is taken up only under an equal recipe."""

    size: str = "7m"
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


class Run:
    """One pre-training run in its output folder."""

    def __init__(
        self,
        output: Path,
        recipe: Recipe,
        machine: Machine,
        *,
        corpus: Corpus,
        held_out: Corpus | None,
        tokenizer: Tokenizer,
    ) -> None:
        self.output, self.recipe, self.machine, self.corpus = output, recipe, machine, corpus
        output.mkdir(parents=True, exist_ok=True)
        self.tokenizer, self.encoder = tokenizer, Encoder(tokenizer)
        self.device = torch.device(machine.device)
        torch.manual_seed(recipe.seed)
        torch.set_float32_matmul_precision("high")
        self.network = Network(PRESETS[recipe.size]).to(self.device)
        if tokenizer.get_vocab_size() > self.network.config.vocabulary:
            limit = self.network.config.vocabulary
            raise InputError(
                f"the tokenizer has {tokenizer.get_vocab_size()} entries, --size {recipe.size} takes {limit}"
            )
        self.optimizers = make_optimizers(self.network, recipe, machine)
        self.rows = RowSource(corpus, self.encoder, seed=recipe.seed)
        length = min(512, self.network.config.context)
        self.held_out = HeldOut(held_out, self.encoder, length=length) if held_out else None
        self.step = self.tokens = 0
        self.seconds = 0.0
        self.started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.losses: list[HeldOutLoss] = []
        self.has_stopped = self._is_cooling = False
        self._window: list[float] = []
        self._factor = 0.0

    def resume(self, budget: Budget) -> bool:
        """Take up the newest checkpoint that fits; return whether there was one.

        A run whose cool-down has begun goes on from `stable` when the new budget is larger than the one before.
        Raises InputError when the folder holds a run of another recipe.
        """
        folder = self.output / "checkpoints"
        if not (folder / LAST).is_file():
            return False
        state = read_state(folder / LAST)
        if state["recipe"] != self._identity():
            ours = self._identity()
            changed = [
                f"{key} was {state['recipe'].get(key)}, is {ours[key]}"
                for key in ours
                if state["recipe"].get(key) != ours[key]
            ]
            raise InputError(
                f"{self.output} holds a run of another kind ({'; '.join(changed)}): choose another --output"
            )
        path = folder / LAST
        progress = budget.progress(seconds=state["seconds"], tokens=state["tokens"])
        if state["cooling"] and not is_cooling(progress) and (folder / STABLE).is_file():
            path = folder / STABLE
        state = load_checkpoint(path, self.network, self.optimizers)
        self.step, self.tokens, self.seconds, self.started = (
            state[key] for key in ("step", "tokens", "seconds", "started")
        )
        self._is_cooling = state["cooling"]
        for name in ("curve.csv", "held_out.csv"):
            forget_rows(self.output / name, after=self.step)
        return True

    def train(self, budget: Budget, *, checkpoint_minutes: float, held_out_minutes: float, progress: bool) -> None:
        """Train until the budget is used up or a signal asks to stop; leaves a checkpoint and an exported model."""
        loss_of = torch.compile(self.network.loss, dynamic=False) if self.machine.compile else self.network.loss
        batches, first = self._batches(), self.step
        is_save_due, is_measurement_due = _Every(checkpoint_minutes), _Every(held_out_minutes)
        clock = time.monotonic() - self.seconds
        with stopping_on_signals(self._stop), _progress_bar(self._done(budget), is_shown=progress) as bar:
            while (done := self._done(budget)) < 1 and not self.has_stopped:
                if is_cooling(done) and not self._is_cooling:
                    self._save(STABLE)
                    self._is_cooling = True
                self._factor = rate(done, self.step, warm_up=self.recipe.warm_up_steps)
                self._window.append(self._step(next(batches), self._factor, loss_of))
                self.seconds = time.monotonic() - clock
                bar.set_postfix_str(
                    f"loss {np.mean(self._window):.3f}, {self.tokens / 1e6:.2f} M tokens", refresh=False
                )
                bar.update(100 * min(1.0, self._done(budget)) - bar.n)
                if is_measurement_due():
                    self._measure()
                if self.step % CURVE_STEPS == 0 and self._done(budget) < 1:
                    self._write_curve()
                if is_save_due():
                    self._save(LAST)
            if not self.has_stopped and self.step > first:
                self._measure()
            self._write_curve()
            self._save(LAST)
            if (self.output / "curve.csv").exists():
                draw_curve(self.output / "curve.csv", self.output / "curve.svg")

    def _done(self, budget: Budget) -> float:
        return budget.progress(seconds=self.seconds, tokens=self.tokens)

    def _batches(self) -> Iterator[Tensor]:
        """Yield the rows of each step from the current one on, (rows, length + 1)."""
        loader: Any = torch.utils.data.DataLoader(
            self.rows,  # type: ignore[arg-type]
            batch_sampler=self._keys(),
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
        rows = max(1, self.machine.micro_batch_tokens // (batch.shape[1] - 1))
        for start in range(0, len(batch), rows):
            part = batch[start : start + rows].to(self.device, non_blocking=True)
            with self._cast():
                loss = loss_of(part[:, :-1].contiguous(), part[:, 1:].contiguous()) / count
            torch.autograd.backward(loss)
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
            row = (
                self.step,
                self.tokens,
                loss.language,
                loss.objective,
                f"{loss.nats_per_token:.4f}",
                f"{loss.bits_per_byte:.4f}",
            )
            append_row(self.output / "held_out.csv", HELD_OUT, row)

    def _write_curve(self) -> None:
        """Write the mean loss since the last row, if there is any."""
        if self._window:
            held_out = f"{self.losses[0].nats_per_token:.4f}" if self.losses else ""
            loss, learning_rate = f"{np.mean(self._window):.4f}", f"{self.recipe.learning_rate * self._factor:.3g}"
            row = (self.step, self.tokens, round(self.seconds), loss, held_out, learning_rate)
            append_row(self.output / "curve.csv", CURVE, row)
            self._window.clear()

    def _save(self, name: str) -> None:
        state = {
            "recipe": self._identity(),
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "started": self.started,
            "cooling": self._is_cooling,
        }
        save_checkpoint(self.output / "checkpoints" / name, self.network, self.optimizers, state)
        evaluation = {"held_out": [asdict(loss) for loss in self.losses]}
        export(
            self.output / "model", self.network, self.tokenizer, provenance=self._provenance(), evaluation=evaluation
        )

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
            "corpus": {
                "files": dict(report.files),
                "characters": dict(report.characters),
                "dropped": dict(report.dropped),
            },
            "revision": git_revision(),
            "versions": {
                "codecompose_ls": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }

    def _cast(self) -> AbstractContextManager[None]:
        if self.machine.precision == "bf16":
            return torch.autocast(self.machine.device, dtype=torch.bfloat16)
        return nullcontext()

    def _stop(self) -> None:
        self.has_stopped = True


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


class _Every:
    """True when called again after the given minutes, then anew from the next call on."""

    def __init__(self, minutes: float) -> None:
        self._seconds = 60 * minutes
        self._last = time.monotonic()

    def __call__(self) -> bool:
        if time.monotonic() - self._last < self._seconds:
            return False
        self._last = time.monotonic()
        return True


def _progress_bar(done: float, *, is_shown: bool) -> Any:
    """Return a bar in percent of the budget; outside a terminal it writes a line every half minute."""
    return tqdm(
        total=100,
        initial=100 * min(1.0, done),
        disable=not is_shown,
        mininterval=1 if sys.stderr.isatty() else 30,
        bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
    )


def _stack(rows: list[np.ndarray[Any, np.dtype[np.int64]]]) -> Tensor:
    return torch.from_numpy(np.stack(rows))
