"""From the logits of a batch to one token a row, by the rules of `inference.decoding`, on the device that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from codecompose_ls.inference.decoding import Opinion
from codecompose_ls.types import Sampling


@dataclass(frozen=True, slots=True)
class Choice:
    """How one row wants its next token: `draw` is a random number from 0 to 1, `banned` ids it may not be.

    With `forced` there is nothing to choose: its probability is what is asked.
    """

    sampling: Sampling
    draw: float
    opinion: Opinion | None = None
    banned: NDArray[np.int64] | None = None
    forced: int | None = None


def choose(logits: torch.Tensor, choices: Sequence[Choice]) -> list[tuple[int, float]]:
    """Return a token for each row of (rows, vocabulary), and its natural log probability before temperature."""
    probabilities = logits.float().softmax(-1)
    for row, choice in zip(probabilities, choices, strict=True):
        _mix(row, choice.opinion)
    allowed = probabilities.clone() if any(choice.banned is not None for choice in choices) else probabilities
    for row, choice in zip(allowed, choices, strict=True):
        _ban(row, choice.banned)
    chosen = allowed.argmax(-1)
    for place, choice in enumerate(choices):
        if choice.forced is not None:
            chosen[place] = choice.forced
        elif choice.sampling.temperature > 0:
            chosen[place] = _drawn(allowed[place], choice.sampling, choice.draw)
    logprobs = probabilities.gather(1, chosen[:, None]).clamp_min(torch.finfo(torch.float32).tiny).log()
    return list(zip(chosen.tolist(), logprobs[:, 0].tolist(), strict=True))


def _mix(probabilities: torch.Tensor, opinion: Opinion | None) -> None:
    if opinion is not None and len(opinion[0]):
        ids, theirs, weight = (torch.as_tensor(part, device=probabilities.device) for part in opinion)
        probabilities.mul_(1 - weight).index_add_(0, ids, (weight * theirs).to(probabilities.dtype))


def _ban(probabilities: torch.Tensor, banned: NDArray[np.int64] | None) -> None:
    """Rule ids out, unless no other one is possible."""
    if banned is not None:
        ids = torch.as_tensor(banned, device=probabilities.device)
        before = probabilities[ids]
        probabilities[ids] = 0
        if not probabilities.any():
            probabilities[ids] = before


def _drawn(probabilities: torch.Tensor, sampling: Sampling, draw: float) -> torch.Tensor:
    """Pick one of the tokens that top_k and top_p leave (Holtzman et al. 2020)."""
    kept, order = probabilities.sort(descending=True, stable=True)
    kept = kept[: sampling.top_k or None].double()
    kept = (kept.log() / sampling.temperature).softmax(-1)
    # The fewest tokens that reach top_p together.
    kept = kept[: int(torch.searchsorted(kept.cumsum(0), sampling.top_p)) + 1]
    mass = kept.cumsum(0)
    return order[min(int(torch.searchsorted(mass, draw * float(mass[-1]), right=True)), len(kept) - 1)]
