"""The fused loss and its gradients are those of torch's cross entropy over all logits."""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import Tensor

from codecompose_ls.tuning import head_loss as head_losses
from codecompose_ls.tuning.head_loss import IGNORED, head_loss

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(states: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    logits = torch.nn.functional.linear(states, weight).float()
    return torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")


def loss_and_gradients(
    loss_of: Loss, states: Tensor, weight: Tensor, labels: Tensor, *, scale: float
) -> tuple[Tensor, ...]:
    inputs = states.clone().requires_grad_(), weight.clone().requires_grad_()
    loss = loss_of(*inputs, labels)
    return loss.detach(), *torch.autograd.grad(scale * loss, inputs)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    positions, hidden, vocabulary = draw(st.integers(1, 40)), draw(st.integers(1, 12)), draw(st.integers(1, 30))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    labels = draw(
        st.lists(st.one_of(st.just(IGNORED), st.integers(0, vocabulary - 1)), min_size=positions, max_size=positions)
    )
    states = draw(st.sampled_from((0.1, 1.0, 30.0))) * torch.randn(positions, hidden, generator=generator)
    return states, torch.randn(vocabulary, hidden, generator=generator), torch.tensor(labels)


@settings(deadline=None, max_examples=60)
@given(problems(), st.integers(1, 50), st.sampled_from((1.0, -0.25, 3.0)))
def test_loss_and_gradients_are_those_of_autograd(
    problem: tuple[Tensor, Tensor, Tensor], size: int, scale: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(head_losses.SLICE, "cpu", size)
        ours = loss_and_gradients(head_loss, *problem, scale=scale)
    expected = loss_and_gradients(cross_entropy, *problem, scale=scale)
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(problems(), st.integers(1, 50))
def test_under_autocast_only_the_products_lose_precision(problem: tuple[Tensor, Tensor, Tensor], size: int) -> None:
    states, weight, labels = problem
    states, weight = states.clamp(-2, 2), weight.clamp(-2, 2)
    with pytest.MonkeyPatch.context() as patch, torch.autocast("cpu", dtype=torch.bfloat16):
        patch.setitem(head_losses.SLICE, "cpu", size)
        ours = loss_and_gradients(head_loss, states, weight, labels, scale=1.0)
    expected = loss_and_gradients(cross_entropy, states, weight, labels, scale=1.0)
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine.dtype == theirs.dtype == torch.float32
        # A bf16 number has 8 bits: products are off by some thousandths of the largest, times what is summed.
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=0.02 * max(1.0, len(labels) ** 0.5) * 2)


def test_ignored_labels_alone_cost_nothing_and_move_nothing() -> None:
    labels = torch.full((5,), IGNORED)
    loss, *gradients = loss_and_gradients(head_loss, torch.randn(5, 3), torch.randn(7, 3), labels, scale=1.0)
    assert loss == 0
    assert all(not gradient.any() for gradient in gradients)


def test_what_needs_no_gradient_gets_none() -> None:
    states, weight = torch.randn(5, 3, requires_grad=True), torch.randn(7, 3)
    head_loss(states, weight, torch.tensor([0, 1, 2, IGNORED, 6])).backward()
    assert states.grad is not None and weight.grad is None
