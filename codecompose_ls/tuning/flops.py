"""What training costs and what it changes: floating-point operations by torch's own counter, and change by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_flops(loss_of: Callable[[Any], Tensor], batch: Any) -> int:
    """Return the floating-point operations of a forward and a backward pass over `batch`.

    What frozen weights spare the backward pass is seen; element-wise work is not counted. Gradients are added to.
    """
    counter = FlopCounterMode(display=False)
    # The fused attention of a CPU is not in the counter's registry; taken apart it is.
    with counter, sdpa_kernel(SDPBackend.MATH):
        torch.autograd.backward(loss_of(batch))
    return int(counter.get_total_flops())
