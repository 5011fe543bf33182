"""What training costs and what it changes: floating-point operations by torch's own counter, and change by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from codecompose_ls.tuning.anatomy import OTHER, describe


def count_flops(loss_of: Callable[[Any], Tensor], batch: Any) -> int:
    """Return the floating-point operations of a forward and a backward pass over `batch`.

    What frozen weights spare the backward pass is seen; element-wise work is not counted. Gradients are added to.
    """
    counter = FlopCounterMode(display=False)
    # The fused attention of a CPU is not in the counter's registry; taken apart it is.
    with counter, sdpa_kernel(SDPBackend.MATH):
        torch.autograd.backward(loss_of(batch))
    return int(counter.get_total_flops())


def changes_by_block(base: Path, tuned: Path) -> list[tuple[str, int, float]]:
    """Return (stack, index, mean absolute change of a weight) for two folders of one architecture.

    ("other", -1), which is all outside the blocks, comes first, then the blocks from the input on (personalised models,
    figure 3). Folders in bf16 round each weight to 8 bits: a change below 0.4 % of a weight is lost in that.
    """
    from codecompose_ls.tuning.base_model import load_network

    (before, _), (after, _) = load_network(base), load_network(tuned)
    blocks = describe(before).blocks
    place = {name: (block.stack, block.index) for block in blocks for name in block.names}
    sums: dict[tuple[str, int], float] = defaultdict(float)
    counts: dict[tuple[str, int], int] = defaultdict(int)
    ours = dict(after.named_parameters())
    for name, value in before.named_parameters():
        key = place.get(name, (OTHER, -1))
        sums[key] += float((ours[name].detach().double() - value.detach().double()).abs().sum())
        counts[key] += value.numel()
    order = [(OTHER, -1), *((block.stack, block.index) for block in blocks)]
    return [(stack, index, sums[stack, index] / counts[stack, index]) for stack, index in order]
