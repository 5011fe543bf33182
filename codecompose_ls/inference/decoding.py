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

#: Candidates for the next token, their probabilities, and the weight (0 to 1) of this.
Opinion = tuple[NDArray[np.int64], Array, float]

#: What has more than this by the prior alone is likeliest whatever the model says, so it need not be waited for.
SURE = 0.5


class Prior(Protocol):
    """Knows what often follows, as an n-gram index of the workspace does (Grave et al. 2017)."""

    def next(self, tokens: Sequence[int]) -> Opinion:
        """Return what is known of the token after `tokens`."""
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
) -> Iterator[tuple[Token, ...]]:
    """Yield tokens after the prompt, together those that become certain together.

    The last one has `finish`, and is the stop token itself if the model ended. `ruled_out` is needed with an opening:
    until there is something to see, the answer may not end, and each blank token narrows what the next may be. Raises
    `Cancelled` between two tokens when `stop` is set.
    """
    bans = bans_of(sampling, prompt, ruled_out)
    random = np.random.default_rng(sampling.seed)
    text = _Text(session, session.prefill(prompt.token_ids, stop=stop))
    length = min(sampling.max_tokens, session.capacity - len(prompt.token_ids))
    for place in range(1, length + 1):
        opinion = prior.next(text.tokens) if prior is not None else None
        number = _decided(opinion) if sampling.temperature == 0 and not bans else None
        waits = number is not None
        if number is None:
            text.catch_up()
            probabilities = mix(softmax(text.logits), opinion)
            number = choose(_without(probabilities, bans[0]) if bans else probabilities, sampling, random)
            if bans:
                bans = (bans[1:] or bans) if number in bans[-1] else []
        ended = number in prompt.stop_ids
        is_last = ended or place == length
        if waits and is_last:
            text.catch_up()
        text.append(number, opinion, finish="stop" if ended else "length" if is_last else None)
        if is_last or not waits:
            yield text.tell()
        if is_last:
            return
        if stop.is_set():
            raise Cancelled


class _Text:
    """The tokens so far. Those that needed no model go to it together later, which is faster than one by one."""

    def __init__(self, session: Session, logits: Array) -> None:
        self._session = session
        self._unfed: list[int] = []
        self._untold: list[tuple[int, Opinion | None, str | None]] = []
        #: Before the first token that was not told yet, and after each that was fed since.
        self._rows = [logits]

    @property
    def tokens(self) -> Sequence[int]:
        return [*self._session.tokens, *self._unfed]

    @property
    def logits(self) -> Array:
        """After the last token that was fed."""
        return self._rows[-1]

    def append(self, number: int, opinion: Opinion | None, *, finish: str | None) -> None:
        self._unfed.append(number)
        self._untold.append((number, opinion, finish))

    def catch_up(self) -> None:
        """Feed what was not fed yet."""
        if self._unfed:
            rows = [self.logits, *self._session.feed(self._unfed, rows=len(self._unfed))]
            self._rows = rows[len(rows) - len(self._untold) - 1 :]
            self._unfed = []

    def tell(self) -> tuple[Token, ...]:
        """Return what was not told yet; all but the last of it was fed."""
        untold, self._untold = self._untold, []
        return tuple(
            Token(number, float(np.log(max(probability(number, row, opinion), _TINY))), finish)
            for (number, opinion, finish), row in zip(untold, self._rows, strict=True)
        )


_TINY = np.finfo(np.float32).tiny


def _decided(opinion: Opinion | None) -> int | None:
    """Return the token that has more than half of all probability by the prior alone, if there is one."""
    if opinion is None or not len(opinion[0]):
        return None
    ids, theirs, weight = opinion
    best = int(theirs.argmax())
    return int(ids[best]) if weight * float(theirs[best]) > SURE else None


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


def bans_of(sampling: Sampling, prompt: Prompt, ruled_out: RuledOut) -> list[NDArray[np.int64]]:
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


def mix(probabilities: Array, opinion: Opinion | None) -> Array:
    """Return the model's probabilities with a prior's opinion mixed in."""
    if opinion is None or len(opinion[0]) == 0:
        return probabilities
    ids, theirs, weight = opinion
    mixed: Array = probabilities * np.float32(1 - weight)
    np.add.at(mixed, ids, weight * theirs)
    return mixed


def probability(number: int, logits: Array, opinion: Opinion | None) -> np.float32:
    """Return what `mix(softmax(logits), opinion)` has for one token."""
    exponents = np.exp(logits - logits.max())
    mine: np.float32 = exponents[number] / exponents.sum()
    if opinion is not None and len(opinion[0]):
        ids, theirs, weight = opinion
        mine = mine * np.float32(1 - weight) + (weight * theirs)[ids == number].sum()
    return mine


def softmax(logits: Array) -> Array:
    exponents: Array = np.exp(logits - logits.max())
    exponents /= exponents.sum()
    return exponents
