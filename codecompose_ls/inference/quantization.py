"""Eight-bit weights: symmetric, rounded, one float32 scale a block or a row (Dettmers et al. 2022, section 2)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.models.model import Array

#: What multiplies: MatMulNBits (a scale a block), DynamicQuantizeMatMul (a scale a row), or MatMul on float32.
Kernel = Literal["blocks", "rows", "float"]
#: Columns that share a scale.
BLOCK = 128
#: What zero is stored as by `quantize_blocks`.
ZERO_POINT = 128


def quantize_blocks(weights: Array) -> tuple[NDArray[np.uint8], Array]:
    """Quantise (rows, columns) for MatMulNBits; a last block that is too short is filled up with zeros.

    Returns values (rows, blocks, BLOCK) around `ZERO_POINT`, and scales (rows, blocks).
    """
    rows, columns = weights.shape
    blocks = -(-columns // BLOCK)
    padded = np.zeros((rows, blocks * BLOCK), np.float32)
    padded[:, :columns] = weights
    padded = padded.reshape(rows, blocks, BLOCK)
    scales = _scales(padded)
    return (np.rint(padded / scales[..., None]) + ZERO_POINT).astype(np.uint8), scales


def quantize_rows(weights: Array) -> tuple[NDArray[np.int8], Array]:
    """Quantise (rows, columns) for DynamicQuantizeMatMul: values of the same shape, and scales (rows,)."""
    scales = _scales(weights)
    return np.rint(weights / scales[:, None]).astype(np.int8), scales


def _scales(values: Array) -> Array:
    """Return what maps the largest magnitude along the last axis to 127; 1 where all are zero."""
    scales = (np.abs(values).max(-1) / 127).astype(np.float32)
    return np.where(scales > 0, scales, np.float32(1))
