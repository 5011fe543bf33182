"""From logits to tokens: greedy or sampled, optionally mixed with a prior, until a stop token or the length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.errors import Cancelled
from codecompose_ls.inference.session import Session
from codecompose_ls.models.model import Array
from codecompose_ls.types import Opening, Prompt, Sampling, Stop


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


#: For each opening the ids that it rules out, those of the one before it among them.
RuledOut = Mapping[Opening, NDArray[np.int64]]


def generate(
    session: Session,
    prompt: Prompt,
    sampling: Sampling,
    *,
    stop: Stop,
    prior: Prior | None = None,
    ruled_out: RuledOut = MappingProxyType({}),
) -> Iterator[Token]:
    """Yield tokens after the prompt; the last one has `finish`, and is the stop token itself if the model ended.

    `ruled_out` is needed with an opening: until there is something to see, the answer may not end, and each blank
    token narrows what the next may be. Raises `Cancelled` between two tokens when `stop` is set.
    """
    bans = _bans(sampling, prompt, ruled_out)
    random = np.random.default_rng(sampling.seed)
    logits = session.prefill(prompt.token_ids, stop=stop)
    length = min(sampling.max_tokens, session.capacity - len(prompt.token_ids))
    for place in range(1, length + 1):
        probabilities = _softmax(logits)
        if prior is not None:
            probabilities = _mix(probabilities, prior.next(session.tokens))
        number = choose(_without(probabilities, bans[0]) if bans else probabilities, sampling, random)
        if bans:
            bans = (bans[1:] or bans) if number in bans[-1] else []
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


def _bans(sampling: Sampling, prompt: Prompt, ruled_out: RuledOut) -> list[NDArray[np.int64]]:
    """Return the ids that may not come first, those that may not follow a blank token, and so on."""
    if sampling.opening is None:
        return []
    stops = np.array(list(prompt.stop_ids), np.int64)
    return [np.union1d(ruled_out[opening], stops) for opening in Opening if opening >= sampling.opening]


def _without(probabilities: Array, ids: NDArray[np.int64]) -> Array:
    """Return the probabilities of all other tokens; of all, where no other one is possible."""
    others = probabilities.copy()
    others[ids] = 0
    return others if others.any() else probabilities


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
