"""The rows of each step, made in this process or in workers ahead of the training: the same rows either way."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.recipe import Recipe
from codecompose_ls.tuning.rows import RowKey, RowSource

#: Steps each worker is ahead.
PREFETCHED = 8


def batches(rows: RowSource, recipe: Recipe, machine: Machine, *, first_step: int) -> Iterator[Tensor]:
    """Yield the rows of each step from `first_step` on without end, (rows, length + 1)."""
    if machine.workers:
        # Encoding one text is single-threaded anyway; unset, every forked worker prints a warning about it.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    loader: Any = torch.utils.data.DataLoader(
        rows,  # type: ignore[arg-type]
        batch_sampler=_keys(recipe, first_step),
        num_workers=machine.workers,
        # A forked worker shares the corpus; others would each get a copy of it.
        multiprocessing_context="fork" if machine.workers and sys.platform == "linux" else None,
        prefetch_factor=PREFETCHED if machine.workers else None,
        pin_memory=machine.device == "cuda",
        collate_fn=_stack,
        worker_init_fn=_leave_interrupts_to_the_run,
    )
    return iter(loader)


def _keys(recipe: Recipe, step: int) -> Iterator[list[RowKey]]:
    while True:
        length = recipe.row_length(step)
        yield [RowKey(step, row, length) for row in range(max(1, recipe.tokens_per_step // length))]
        step += 1


def _stack(rows: list[NDArray[np.int64]]) -> Tensor:
    return torch.from_numpy(np.stack(rows))


def _leave_interrupts_to_the_run(_worker: int) -> None:
    """Ctrl-C reaches the whole process group; the run saves what it has, and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
