"""How far tuning has moved the weights: mean absolute change by block (P-08)."""

from __future__ import annotations

from pathlib import Path

import torch

from codecompose_ls.tuning.anatomy import OTHER, describe
from codecompose_ls.tuning.base_model import load_base


@torch.no_grad()
def changes_by_block(base: Path, tuned: Path) -> list[tuple[str, int, float]]:
    """Return (stack, index, mean |tuned - base|) of two model folders; all that is in no block is ("other", -1)."""
    network = load_base(base).network
    before, after = dict(network.named_parameters()), dict(load_base(tuned).network.named_parameters())
    anatomy = describe(network)
    blocks = [(OTHER, -1, (*anatomy.embeddings, *anatomy.head, *anatomy.other))]
    blocks += [(block.stack, block.index, block.names) for block in anatomy.blocks]
    changes = []
    for stack, index, names in blocks:
        moved = sum(float((after[name] - before[name]).abs().sum(dtype=torch.float64)) for name in names)
        changes.append((stack, index, moved / sum(before[name].numel() for name in names)))
    return changes
