"""Tuning: a base and a project's documents in, a tuned model folder or an adapter out.

    tuned = tune(base, training=..., validation=..., replay=..., recipe=TuningRecipe(), output=..., minutes=10)

One loop for every strategy, family and objective. It imports torch: import this module inside functions, and set
OMP_WAIT_POLICY=PASSIVE in the environment before torch is first imported, or threads that wait keep cores busy.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.base_model import is_out_of_memory, load_base
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.machine import Machine, choose_machine
from codecompose_ls.tuning.outcome import Measurement, TunedModel, TuningProgress
from codecompose_ls.tuning.schedule import Budget
from codecompose_ls.tuning.tuned_folder import CHECKPOINTS
from codecompose_ls.tuning.tuning_recipe import TuningRecipe
from codecompose_ls.tuning.tuning_run import TuningRun

__all__ = ["Measurement", "TunedModel", "TuningProgress", "tune"]


def tune(
    base: Path,
    *,
    training: Sequence[Document],
    validation: Sequence[Document],
    replay: Sequence[Document] = (),
    recipe: TuningRecipe,
    output: Path,
    minutes: float | None = None,
    tokens: int | None = None,
    watch: Callable[[TuningProgress], None] = lambda progress: None,
    machine: Machine | None = None,
    provenance: Mapping[str, Any] | None = None,
    checkpoint_minutes: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
) -> TunedModel:
    """Tune `base` and write the weights with the best validation loss to `output`.

    Ends after the recipe's epochs or so many `tokens`, at its patience's end, or in time to have all saved `minutes`
    after the call. SIGINT and SIGTERM end it at the next step: the best so far is written, and the same call goes on
    from there. After a kill it goes on from the last checkpoint, in OUTPUT/.checkpoints, and comes to the same weights,
    bit by bit, unless it is the clock that ends it. `provenance` (project, revision, ...) is added to
    codecompose.json's own.

    Raises InputError (nothing to learn from, an output in use, no memory, no disk) and ModelError (a base that cannot
    be used), with one line each.
    """
    started = clock()
    with _clear_errors(output, recipe):
        _check_output(output)
        run = TuningRun(
            load_base(base),
            recipe,
            machine or choose_machine(compile=False),
            output,
            training=training,
            validation=validation,
            replay=replay,
            clock=clock,
            started=started,
        )
        if run.has_checkpoint:
            run.resume()
        budget = Budget(minutes=minutes, tokens=min(run.budget_tokens, tokens or run.budget_tokens))
        run.train(budget, watch, checkpoint_seconds=60 * checkpoint_minutes)
        return run.write(dict(provenance or {}))


def _check_output(output: Path) -> None:
    """Raise InputError unless a run may begin in, or be taken up from, this folder: what it holds is replaced."""
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file, not a folder: choose another output")
    if (output / CHECKPOINTS).is_dir() or not output.is_dir():
        return
    if (output / "codecompose.json").is_file():
        raise InputError(f"{output} holds a model already: choose another output, or remove it")
    if any(output.iterdir()):
        raise InputError(f"{output} is not empty: choose another output")


@contextmanager
def _clear_errors(output: Path, recipe: TuningRecipe) -> Iterator[None]:
    """Say in one line what a machine that is too small lacks."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"no space left on the disk of {output}: free some, or choose another output") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(f"{output} cannot be written ({error.strerror}): choose another output") from error
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        mend = "close what else takes it" + ("" if recipe.strategy == "l_ldb" else ", or try strategy l_ldb")
        raise InputError(f"not enough memory to tune this base: {mend}") from error
