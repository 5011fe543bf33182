"""Eight-bit weights: what is lost, and what must not be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.inference.quantization import BLOCK, ZERO_POINT, quantize

sizes = st.tuples(st.integers(1, 5), st.integers(1, 3 * BLOCK))


@given(sizes, st.integers(0, 100), st.sampled_from([1e-6, 1.0, 1e6]))
def test_blocks_are_off_by_half_a_step_at_most(size: tuple[int, int], seed: int, scale: float) -> None:
    weights = (np.random.default_rng(seed).normal(size=size) * scale).astype(np.float32)
    values, scales = quantize(weights)
    restored = ((values.astype(np.float32) - ZERO_POINT) * scales[..., None]).reshape(size[0], -1)
    steps = np.repeat(scales, BLOCK, axis=1)
    assert (np.abs(restored[:, : size[1]] - weights) <= steps[:, : size[1]] * 0.5001).all()
    assert (restored[:, size[1] :] == 0).all()


def test_by_hand() -> None:
    values, scales = quantize(np.array([[127.0, -127.0, 63.4, 0.0]], np.float32))
    assert values[0, 0, :4].tolist() == [255, 1, 191, 128]
    assert scales.tolist() == [[1.0]]


def test_zeros_stay_zero() -> None:
    values, scales = quantize(np.zeros((2, BLOCK), np.float32))
    assert (values == ZERO_POINT).all() and (scales == 1).all()
