"""What a text is worth to a model, against its logits taken one by one."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codecompose_ls.inference.decoding import generate
from codecompose_ls.inference.scoring import score
from codecompose_ls.inference.session import Session
from codecompose_ls.models.model import Array, load_model
from codecompose_ls.types import Prompt, Sampling

NEVER = threading.Event()
PROMPT = Prompt(tuple(range(20, 60)), frozenset())


@pytest.fixture(scope="module")
def session(tiny: Path) -> Session:
    return Session(load_model(tiny), threads=1)


def test_every_token_counts_after_those_before_it(session: Session) -> None:
    ids = [7, 300, 7, 45]
    expected = []
    for place, number in enumerate(ids):
        logits = session.prefill([*PROMPT.token_ids, *ids[:place]], stop=NEVER).astype(np.float64)
        expected.append(math.log(np.exp(logits[number]) / np.exp(logits).sum()))
    assert score(session, PROMPT, ids, stop=NEVER) == pytest.approx(expected, abs=1e-4)
    assert score(session, PROMPT, ids[:1], stop=NEVER) == pytest.approx(expected[:1], abs=1e-4)


def test_what_the_model_would_say_is_scored_as_it_was_said(session: Session) -> None:
    told = generate(session, PROMPT, Sampling(max_tokens=6), stop=NEVER)
    said = [token for together in told for token in together]
    scores = score(session, PROMPT, [token.id for token in said], stop=NEVER)
    assert scores == pytest.approx([token.logprob for token in said], abs=1e-4)


class Sure:
    """Gives half of its weight to the number of tokens seen, the other half to token 0."""

    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        return np.array([len(tokens), 0]), np.array([0.5, 0.5], np.float32), 0.8


def test_a_prior_is_mixed_in(session: Session) -> None:
    alone = np.exp(score(session, PROMPT, [40, 41, 5], stop=NEVER))
    mixed = np.exp(score(session, PROMPT, [40, 41, 5], stop=NEVER, prior=Sure()))
    assert mixed == pytest.approx([0.2 * alone[0] + 0.4, 0.2 * alone[1] + 0.4, 0.2 * alone[2]])


def test_nothing_is_said_of_what_does_not_fit_or_is_not_there(session: Session) -> None:
    assert score(session, PROMPT, [1] * (session.capacity - len(PROMPT.token_ids) + 1), stop=NEVER) == []
    assert score(session, PROMPT, [], stop=NEVER) == []
