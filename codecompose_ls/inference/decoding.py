"""From logits to tokens: greedy or sampled, optionally mixed with a prior, until a stop token or the length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.errors import Cancelled
from codecompose_ls.inference.session import Session
from codecompose_ls.models.model import Array
from codecompose_ls.types import Prompt, Sampling, Stop


class Prior(Protocol):
    """Knows what often follows, as an n-gram index of the workspace does (Grave et al. 2017)."""

    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        """Return candidates for the token after `tokens`, their probabilities, and the weight (0 to 1) of this."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """A chosen token; `logprob` is its natural log probability before temperature. `finish` as in `types.Piece`."""

    id: int
    logprob: float
    finish: str | None = None


def generate(
    session: Session, prompt: Prompt, sampling: Sampling, *, stop: Stop, prior: Prior | None = None
) -> Iterator[Token]:
    """Yield tokens after the prompt; the last one has `finish`, and is the stop token itself if the model ended.

    Raises `Cancelled` between two tokens when `stop` is set.
    """
    random = np.random.default_rng(sampling.seed)
    logits = session.prefill(prompt.token_ids, stop=stop)
    length = min(sampling.max_tokens, session.capacity - len(prompt.token_ids))
    for place in range(1, length + 1):
        probabilities = _softmax(logits)
        if prior is not None:
            probabilities = _mix(probabilities, prior.next(session.tokens))
        number = choose(probabilities, sampling, random)
        logprob = float(np.log(max(probabilities[number], np.finfo(np.float32).tiny)))
        ended = number in prompt.stop_ids
        yield Token(number, logprob, "stop" if ended else "length" if place == length else None)
        if ended or place == length:
            return
        if stop.is_set():
            raise Cancelled
        logits = session.feed([number])[0]


def choose(probabilities: Array, sampling: Sampling, random: np.random.Generator) -> int:
    """Pick a token: the likeliest at temperature 0, else one of those top_k and top_p leave (Holtzman et al. 2020)."""
    if sampling.temperature == 0:
        return int(probabilities.argmax())
    order = np.argsort(-probabilities, kind="stable")
    if sampling.top_k:
        order = order[: sampling.top_k]
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities[order], dtype=np.float64) / sampling.temperature
    kept = np.exp(logits - logits.max())
    kept /= kept.sum()
    # The fewest tokens that reach top_p together.
    count = int(np.searchsorted(np.cumsum(kept), sampling.top_p)) + 1
    return int(random.choice(order[:count], p=kept[:count] / kept[:count].sum()))


def _mix(probabilities: Array, opinion: tuple[NDArray[np.int64], Array, float]) -> Array:
    ids, theirs, weight = opinion
    if len(ids) == 0:
        return probabilities
    mixed: Array = probabilities * np.float32(1 - weight)
    np.add.at(mixed, ids, weight * theirs)
    return mixed


def _softmax(logits: Array) -> Array:
    exponents: Array = np.exp(logits - logits.max())
    exponents /= exponents.sum()
    return exponents
