"""The pre-training loop: rows in, a model folder out, going on after any interruption.

OUTPUT/model/             the newest weights as a model on disk, written with every checkpoint
OUTPUT/checkpoints/       `last`, and `stable`: the `last` before the cool-down, from which a longer run goes on
OUTPUT/curve.csv          step, tokens, seconds, training and held-out loss, learning rate
OUTPUT/curve.svg          the same as a picture
OUTPUT/held_out.csv       held-out loss by language and objective
OUTPUT/tokenizer.json     trained once, then frozen
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.batches import batches
from codecompose_ls.tuning.checkpoint import copy_checkpoint, load_checkpoint, read_state, save_checkpoint
from codecompose_ls.tuning.corpus import Corpus
from codecompose_ls.tuning.curve import CURVE, HELD_OUT, append_row, draw_curve, forget_rows
from codecompose_ls.tuning.export import export
from codecompose_ls.tuning.held_out import HeldOut, HeldOutLoss
from codecompose_ls.tuning.interruption import stopping_on_signals
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.network import Network
from codecompose_ls.tuning.optimizers import make_optimizers
from codecompose_ls.tuning.provenance import provenance
from codecompose_ls.tuning.recipe import Recipe, differences
from codecompose_ls.tuning.rows import RowSource
from codecompose_ls.tuning.schedule import Budget, is_cooling, rate
from codecompose_ls.tuning.tokenizer import Encoder, tokenizer_hash

LAST, STABLE = "last.safetensors", "stable.safetensors"
#: Steps averaged into one row of the curve.
CURVE_STEPS = 20


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
        self.output, self.recipe, self.machine = output, recipe, machine
        output.mkdir(parents=True, exist_ok=True)
        self.tokenizer, encoder = tokenizer, Encoder(tokenizer)
        self.device = torch.device(machine.device)
        torch.manual_seed(recipe.seed)
        torch.set_float32_matmul_precision("high")
        self.network = Network(recipe.network).to(self.device)
        size, limit = tokenizer.get_vocab_size(), recipe.network.vocabulary
        if size > limit:
            raise InputError(f"the tokenizer has {size} entries, --size {recipe.size} takes {limit}")
        self.optimizers = make_optimizers(self.network, recipe, machine)
        self.rows = RowSource(corpus, encoder, seed=recipe.seed)
        length = min(512, recipe.network.context)
        self.held_out = HeldOut(held_out, encoder, length=length) if held_out else None
        self.identity = recipe.identity(tokenizer_hash(tokenizer))
        self.provenance = provenance(recipe, machine, corpus.report)
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
        last, stable = (self.output / "checkpoints" / name for name in (LAST, STABLE))
        if not last.is_file():
            return False
        state = read_state(last)
        if changed := differences(state["recipe"], self.identity):
            raise InputError(
                f"{self.output} holds a run of another kind ({'; '.join(changed)}): choose another --output"
            )
        progress = budget.progress(seconds=state["seconds"], tokens=state["tokens"])
        is_prolonged = state["cooling"] and not is_cooling(progress) and stable.is_file()
        state = load_checkpoint(stable if is_prolonged else last, self.network.state_dict(), self.optimizers)
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
        steps, first = batches(self.rows, self.recipe, self.machine, first_step=self.step), self.step
        is_save_due, is_measurement_due = _Every(checkpoint_minutes), _Every(held_out_minutes)
        clock = time.monotonic() - self.seconds
        with stopping_on_signals(self._stop), _progress_bar(self._done(budget), is_shown=progress) as bar:
            while (done := self._done(budget)) < 1 and not self.has_stopped:
                if is_cooling(done) and not self._is_cooling:
                    self._save()
                    copy_checkpoint(self.output / "checkpoints" / LAST, self.output / "checkpoints" / STABLE)
                    self._is_cooling = True
                self._factor = rate(done, self.step, warm_up=self.recipe.warm_up_steps)
                self._window.append(self._step(next(steps), self._factor, loss_of))
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
                    self._save()
            if not self.has_stopped and self.step > first:
                self._measure()
            self._write_curve()
            self._save()
            if (self.output / "curve.csv").exists():
                draw_curve(self.output / "curve.csv", self.output / "curve.svg")

    def _done(self, budget: Budget) -> float:
        return budget.progress(seconds=self.seconds, tokens=self.tokens)

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
            figures = f"{loss.nats_per_token:.4f}", f"{loss.bits_per_byte:.4f}"
            row = (self.step, self.tokens, loss.language, loss.objective, *figures)
            append_row(self.output / "held_out.csv", HELD_OUT, row)

    def _write_curve(self) -> None:
        """Write the mean loss since the last row, if there is any."""
        if self._window:
            held_out = f"{self.losses[0].nats_per_token:.4f}" if self.losses else ""
            loss, learning_rate = f"{np.mean(self._window):.4f}", f"{self.recipe.learning_rate * self._factor:.3g}"
            row = (self.step, self.tokens, round(self.seconds), loss, held_out, learning_rate)
            append_row(self.output / "curve.csv", CURVE, row)
            self._window.clear()

    def _save(self) -> None:
        """Write `last` and the model folder."""
        state = {
            "recipe": self.identity,
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "started": self.started,
            "cooling": self._is_cooling,
        }
        save_checkpoint(self.output / "checkpoints" / LAST, self.network.state_dict(), self.optimizers, state)
        progress = {
            "tokens": self.tokens,
            "steps": self.step,
            "seconds": round(self.seconds),
            "started": self.started,
        }
        evaluation = {"held_out": [asdict(loss) for loss in self.losses]}
        folder = self.output / "model"
        export(folder, self.network, self.tokenizer, provenance=progress | self.provenance, evaluation=evaluation)

    def _cast(self) -> AbstractContextManager[None]:
        if self.machine.precision == "bf16":
            return torch.autocast(self.machine.device, dtype=torch.bfloat16)
        return nullcontext()

    def _stop(self) -> None:
        self.has_stopped = True


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
