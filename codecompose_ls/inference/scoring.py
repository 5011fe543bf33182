"""How likely a given text is, token by token: the other half of what a language model is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codecompose_ls.inference.decoding import Prior
from codecompose_ls.inference.session import Session
from codecompose_ls.types import Prompt, Stop


def score(
    session: Session, prompt: Prompt, ids: Sequence[int], *, stop: Stop, prior: Prior | None = None
) -> list[float]:
    """Return the natural log probability of each of `ids` after the prompt and those before it.

    Mixed with the prior as in decoding. Nothing where there is no room for all. Raises `Cancelled`.
    """
    if not ids or len(prompt.token_ids) + len(ids) > session.capacity:
        return []
    logits = [session.prefill(prompt.token_ids, stop=stop)]
    if len(ids) > 1:
        logits += list(session.feed(ids[:-1], rows=len(ids) - 1))
    scores = []
    for place, (number, row) in enumerate(zip(ids, logits, strict=True)):
        row = row.astype(np.float64) - row.max()
        probability = np.exp(row[number] - np.log(np.exp(row).sum()))
        if prior is not None:
            candidates, theirs, weight = prior.next([*prompt.token_ids, *ids[:place]])
            if len(candidates):
                probability = (1 - weight) * probability + weight * theirs[candidates == number].sum()
        scores.append(float(np.log(max(probability, np.finfo(np.float64).tiny))))
    return scores
