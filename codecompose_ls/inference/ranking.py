"""Whole lines that a prior puts forward, read by the model and ranked by both.

Reading three lines costs no more than writing one token by token, and judges them as a whole: a generation that follows
the likeliest next token cannot take back a beginning that leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from codecompose_ls.errors import Cancelled
from codecompose_ls.inference.decoding import Prior, Token, mix, softmax
from codecompose_ls.inference.session import Session
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.models.model import Array
from codecompose_ls.types import Prompt, Stop


@dataclass(frozen=True, slots=True)
class Proposal:
    """A line, without what ends it, and its share of the votes."""

    text: str
    share: float


class Proposer(Prior, Protocol):
    """A prior that puts whole answers forward, too."""

    def proposals(self) -> Sequence[Proposal]:
        """Return lines for the whole answer, the best first; none where single tokens are all there is."""
        ...


#: What the logarithm of a line's probability by the model counts against that of its votes (decisions/0006).
MODEL_WEIGHT = 0.05


def rank(
    session: Session,
    prompt: Prompt,
    proposals: Sequence[Proposal],
    *,
    prior: Prior,
    tokenizer: Tokenizer,
    end: int,
    length: int,
    stop: Stop,
) -> Iterator[Token]:
    """Yield the tokens of the best proposal and `end`; nothing where all are longer than `length` tokens.

    The log probabilities are those of model and prior together, as in decoding. Raises `Cancelled`.
    """
    first = session.prefill(prompt.token_ids, stop=stop)
    place = len(prompt.token_ids)
    best: tuple[float, list[int], list[Array]] | None = None
    for proposal in proposals:
        ids = [*tokenizer.encode(proposal.text), end]
        if len(ids) > min(length, session.capacity - place):
            continue
        if stop.is_set():
            raise Cancelled
        session.rewind(place)
        rows = [first, *session.feed(ids[:-1], rows=len(ids) - 1)]
        found = [softmax(row) for row in rows]
        likely = sum(float(np.log(max(row[number], 1e-9))) for row, number in zip(found, ids, strict=True))
        score = float(np.log(proposal.share)) + MODEL_WEIGHT * likely
        if best is None or score > best[0]:
            best = score, ids, found
    if best is None:
        return
    _, ids, found = best
    for count, (number, row) in enumerate(zip(ids, found, strict=True)):
        probability = mix(row, prior.next([*prompt.token_ids, *ids[:count]]))[number]
        logprob = float(np.log(max(probability, np.finfo(np.float32).tiny)))
        yield Token(number, logprob, "stop" if number == end else None)
