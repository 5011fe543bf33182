"""Eight-bit weights: symmetric, rounded to nearest, one float32 scale a block (docs/decisions/0001-int8-kernel.md)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.models.model import Array

#: What multiplies: MatMulNBits, or MatMul for a reference without loss.
Kernel = Literal["int8", "float32"]
#: Columns that share a scale.
BLOCK = 128
#: What zero is stored as by `quantize`.
ZERO_POINT = 128


def quantize(weights: Array) -> tuple[NDArray[np.uint8], Array]:
    """Quantise (rows, columns) for MatMulNBits; a last block that is too short is filled up with zeros.

    Returns values (rows, blocks, BLOCK) around `ZERO_POINT`, and scales (rows, blocks).
    """
    rows, columns = weights.shape
    blocks = -(-columns // BLOCK)
    padded = np.zeros((rows, blocks * BLOCK), np.float32)
    padded[:, :columns] = weights
    padded = padded.reshape(rows, blocks, BLOCK)
    # The largest magnitude becomes 127; where all are zero any scale will do.
    scales = (np.abs(padded).max(-1) / 127).astype(np.float32)
    scales[scales == 0] = 1
    return (np.rint(padded / scales[..., None]) + ZERO_POINT).astype(np.uint8), scales
