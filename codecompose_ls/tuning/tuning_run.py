"""One tuning run: a model, its rows, the optimiser, counters and checkpoints; the loop of every strategy and family."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.base_model import BaseModel
from codecompose_ls.tuning.checkpoint import load_checkpoint, read_state, save_checkpoint
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.flops import count_flops
from codecompose_ls.tuning.interruption import stopping_on_signals
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.model_loss import ModelLoss
from codecompose_ls.tuning.outcome import Measurement, TunedModel, TuningProgress
from codecompose_ls.tuning.provenance import versions
from codecompose_ls.tuning.recipe import differences
from codecompose_ls.tuning.schedule import Budget, decay
from codecompose_ls.tuning.strategies import apply, frequent_words, trained_parameters
from codecompose_ls.tuning.tuned_folder import CHECKPOINTS, write_tuned
from codecompose_ls.tuning.tuning_optimizers import tuning_optimizers
from codecompose_ls.tuning.tuning_recipe import LEAST_LENGTH, TuningRecipe
from codecompose_ls.tuning.tuning_rows import Batch, TuningRows

LAST, BEST = "last.safetensors", "best.safetensors"


class TuningRun:
    """One run in its output folder; it began when `clock` said `started`."""

    def __init__(
        self,
        base: BaseModel,
        recipe: TuningRecipe,
        machine: Machine,
        output: Path,
        *,
        training: Sequence[Document],
        validation: Sequence[Document],
        replay: Sequence[Document],
        clock: Callable[[], float],
        started: float,
    ) -> None:
        self.base, self.recipe, self.machine, self.output = base, recipe, machine, output
        self._clock, self._started = clock, started
        self.device = torch.device(machine.device)
        virtual = recipe.virtual_tokens if recipe.strategy == "prefix" else 0
        length = min(recipe.length, base.context - virtual)
        if length < LEAST_LENGTH:
            rows = f"rows of {length} tokens are too short: it takes {LEAST_LENGTH}"
            raise InputError(f"{rows} (the base's context is {base.context}, {virtual} of it for virtual tokens)")
        start = base.network.config.decoder_start_token_id if base.is_encoder_decoder else None
        if not [document for document in validation if document.text.strip()]:
            raise InputError("no documents to validate on: keep some files back from training")
        self.rows = TuningRows(training, base.encoder, recipe, length=length, replay=replay, decoder_start=start)
        held_out = TuningRows(validation, base.encoder, recipe, length=length, decoder_start=start)
        self.held_out = held_out.validation()
        torch.manual_seed(recipe.seed)
        network = base.network.to(self.device)
        self.model = apply(
            network,
            recipe,
            encoder=base.encoder,
            words=frequent_words(training, count=recipe.virtual_tokens) if virtual else (),
        )
        self.loss_of = ModelLoss(self.model)
        self.trained = trained_parameters(self.model)
        self.rate = recipe.rate(base.width, is_own=base.is_own)
        self.optimizers = tuning_optimizers(base, recipe, machine, self.trained, rate=self.rate)
        self._first_epoch = self.rows.epoch(0)
        self.budget_tokens = int(recipe.epochs * sum(batch.size for batch in self._first_epoch))
        self.identity = recipe.identity(
            base=base.content_hash,
            documents=_hash([*training, *validation, *self.rows.replay]),
            tokenizer=base.tokenizer_hash,
        )
        self.step = self.tokens = 0
        self.flops_per_token = 0.0
        self.losses: list[Measurement] = []
        self.best: dict[str, Tensor] = {}
        self.stopped = ""
        self._window: list[float] = []
        self._measured_at = self._reserve = 0.0
        self._is_best_saved = False

    @property
    def has_checkpoint(self) -> bool:
        """Whether the output holds a run to go on with."""
        return self._checkpoint(LAST).is_file()

    def _checkpoint(self, name: str) -> Path:
        return self.output / CHECKPOINTS / name

    def resume(self) -> None:
        """Take up the last checkpoint. Raises InputError where it is of another run."""
        state = read_state(self._checkpoint(LAST))
        if changed := differences(state["identity"], self.identity):
            names = ", ".join(phrase.split(" was ")[0] for phrase in changed)
            raise InputError(f"{self.output} holds an unfinished run with another {names}: choose another output")
        load_checkpoint(self._checkpoint(LAST), self.trained, self.optimizers)
        self.best = {name: torch.empty_like(value, device="cpu") for name, value in self.trained.items()}
        load_checkpoint(self._checkpoint(BEST), self.best, {})
        self._is_best_saved = True
        self.step, self.tokens, self.flops_per_token = (state[key] for key in ("step", "tokens", "flops_per_token"))
        self._started -= state["seconds"]
        self._window, self._measured_at, self._reserve = (state[key] for key in ("window", "measured_at", "reserve"))
        self.losses = [Measurement(**fields) for fields in state["losses"]]

    def now(self) -> float:
        """Return the seconds since the call, and those that earlier calls of the same run took."""
        return self._clock() - self._started

    def train(self, budget: Budget, watch: Callable[[TuningProgress], None], *, checkpoint_seconds: float) -> None:
        """Train until something ends the run; `stopped` says what."""
        with stopping_on_signals(self._stop):
            if not self.losses:
                began = self.now()
                self._measure()
                self._save()
                # What the last measurement and the last writing will take.
                self._reserve = 1.5 * (self.now() - began)
            saved = start = self.now()
            first = self.tokens
            longest = 0.0
            for batch in self._batches():
                done = self._done(budget.less(self._reserve + longest))
                is_due = done >= 1 or done - self._measured_at >= 1 / self.recipe.validations - 1e-9
                if is_due and self._window:
                    self._measured_at = done
                    self._measure()
                if self._is_over(done, budget):
                    return
                if self.now() - saved >= checkpoint_seconds:
                    self._save()
                    saved = self.now()
                began = self.now()
                loss = self._step(batch, decay(done, warm_up=self.recipe.warm_up, shape=self.recipe.schedule))
                now = self.now()
                longest = max(longest, now - began)
                done = min(1.0, self._done(budget.less(self._reserve + longest)))
                speed = (self.tokens - first) / max(1e-9, now - start)
                watch(TuningProgress(self.step, self.tokens, now, done, loss, self.best_loss, speed))

    @property
    def best_loss(self) -> Measurement:
        return min(self.losses, key=lambda measured: measured.validation)

    def write(self, provenance: dict[str, Any]) -> TunedModel:
        """Write the best weights to the output; an interrupted run's checkpoint stays with them."""
        is_interrupted = self.stopped == "interrupted"
        if is_interrupted:
            # First what the run goes on from, then whether its last steps have made the best so far.
            self._save()
            if self._window:
                self._measure()
        with torch.no_grad():
            for name, value in self.best.items():
                self.trained[name].copy_(value)
        best = self.best_loss
        spent: dict[str, Any] = {"tokens": self.tokens, "steps": self.step, "minutes": round(self.now() / 60, 2)}
        spent |= {"documents": len(self.rows.documents), "best_step": best.step, "stopped": self.stopped}
        about = {"recipe": asdict(self.recipe), "machine": asdict(self.machine), "versions": versions()}
        evaluation = {"validation": {"base": self.losses[0].validation, "tuned": best.validation}}
        write_tuned(
            self.output,
            self.base,
            self.model,
            strategy=self.recipe.strategy,
            provenance=provenance | spent | about,
            evaluation=evaluation,
            keep_checkpoints=is_interrupted,
        )
        return TunedModel(
            folder=self.output,
            strategy=self.recipe.strategy,
            losses=tuple(self.losses),
            best=best,
            steps=self.step,
            tokens=self.tokens,
            seconds=self.now(),
            pf_seconds=self._pf_seconds(),
            stopped=self.stopped,
        )

    def _batches(self) -> Iterator[Batch]:
        """Yield the steps' batches from the run's own step on, epoch after epoch."""
        number = step = 0
        while True:
            batches = self.rows.epoch(number) if number else self._first_epoch
            yield from batches[max(0, self.step - step) :]
            step += len(batches)
            number += 1

    def _done(self, budget: Budget) -> float:
        return budget.progress(seconds=self.now(), tokens=self.tokens)

    def _is_over(self, done: float, budget: Budget) -> bool:
        if self.stopped:
            return True
        if done >= 1:
            self.stopped = "epochs" if budget.tokens and self.tokens >= budget.tokens else "deadline"
        elif len(self.losses) - 1 - self.losses.index(self.best_loss) >= self.recipe.patience:
            self.stopped = "patience"
        return bool(self.stopped)

    def _step(self, batch: Batch, factor: float) -> float:
        """Make one optimiser step; return the mean loss in nats a token."""
        # Dropout is a function of the step, so that a resumed run draws the same.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        self.model.train()
        labelled = max(1, batch.labelled)
        total = 0.0
        for part in batch.parts(tokens=self.machine.micro_batch_tokens, device=self.device):
            if not self.flops_per_token:
                self.flops_per_token = count_flops(self.loss_of, part) / part.size
                self._clear_gradients()
            with self._cast():
                loss = self.loss_of(part) / labelled
            torch.autograd.backward(loss)
            total += float(loss.detach())
        if not math.isfinite(total):
            raise InputError("the loss is not a number any more: try a lower learning rate")
        nn.utils.clip_grad_norm_(self.trained.values(), self.recipe.gradient_clip)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.rate * factor
            optimizer.step()
        self._clear_gradients()
        self.step += 1
        self.tokens += batch.size
        self._window.append(total)
        return total

    def _clear_gradients(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _measure(self) -> None:
        """Take the validation loss; keep the weights if it is the best."""
        self.model.eval()
        nats, tokens = 0.0, 0
        for batch in self.held_out:
            for part in batch.parts(tokens=self.machine.micro_batch_tokens, device=self.device):
                with self._cast():
                    nats += float(self.loss_of(part))
                tokens += part.labelled
        training = sum(self._window) / len(self._window) if self._window else math.nan
        self._window.clear()
        validation = nats / max(1, tokens)
        if not self.losses or validation < self.best_loss.validation:
            self.best = {name: value.detach().cpu().clone() for name, value in self.trained.items()}
            self._is_best_saved = False
        self.losses.append(Measurement(self.step, self.tokens, self.now(), self._pf_seconds(), training, validation))

    def _save(self) -> None:
        """Write the checkpoints: the best weights, and all that the run needs to go on."""
        state = {
            "identity": self.identity,
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.now(),
            "flops_per_token": self.flops_per_token,
            "window": self._window,
            "measured_at": self._measured_at,
            "reserve": self._reserve,
            "losses": [asdict(measured) for measured in self.losses],
        }
        if not self._is_best_saved:
            save_checkpoint(self._checkpoint(BEST), self.best, {}, state)
            self._is_best_saved = True
        save_checkpoint(self._checkpoint(LAST), self.trained, self.optimizers, state)

    def _pf_seconds(self) -> float:
        return self.tokens * self.flops_per_token / 1e15

    def _cast(self) -> AbstractContextManager[None]:
        if self.machine.precision == "bf16":
            return torch.autocast(self.machine.device, dtype=torch.bfloat16)
        return nullcontext()

    def _stop(self) -> None:
        self.stopped = "interrupted"


def _hash(documents: Sequence[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(f"{document.path}\0{document.text}\0".encode(errors="replace"))
    return digest.hexdigest()
