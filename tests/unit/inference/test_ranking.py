"""Whole lines ranked by votes and model: the tokens are the line's, the order is what both make of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codecompose_ls.errors import Cancelled
from codecompose_ls.inference import ranking
from codecompose_ls.inference.ranking import Proposal, rank
from codecompose_ls.inference.scoring import score
from codecompose_ls.inference.session import Session
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.models.model import Array, load_model
from codecompose_ls.types import Prompt
from tests.models import tiny_model

END = 0
PROMPT = Prompt((11, 12, 13, 14, 15), frozenset({END}))
NEVER = threading.Event()


class Silent:
    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        return np.array([], np.int64), np.array([], np.float32), 0.0

    def proposals(self) -> Sequence[Proposal]:
        return []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def session(tiny: Path) -> Session:
    return Session(load_model(tiny), threads=1)


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer(tiny / "tokenizer.json")


def ranked(session: Session, tokenizer: Tokenizer, *proposals: Proposal, length: int = 40) -> str:
    """Return the text that is ranked first, `$` where it is ended."""
    found = rank(session, PROMPT, proposals, prior=Silent(), tokenizer=tokenizer, end=END, length=length, stop=NEVER)
    decoder = tokenizer.decoder()
    return "".join("$" if token.finish == "stop" else decoder.decode(token.id) for token in found)


def test_with_a_model_that_knows_nothing_the_votes_decide(session: Session, tokenizer: Tokenizer) -> None:
    few, many = Proposal("self.items", 0.1), Proposal("print(name)", 0.9)
    assert ranked(session, tokenizer, few, many) == ranked(session, tokenizer, many, few) == "print(name)$"


def test_between_equal_votes_the_model_decides(
    session: Session, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "MODEL_WEIGHT", 1.0)
    lines = ["self.items", "print(name)", "return index"]
    likely = {line: sum(score(session, PROMPT, [*tokenizer.encode(line), END], stop=NEVER)) for line in lines}
    best = max(likely, key=likely.__getitem__)
    assert ranked(session, tokenizer, *(Proposal(line, 1 / 3) for line in lines)) == best + "$"


def test_the_tokens_have_the_probabilities_of_the_model(session: Session, tokenizer: Tokenizer) -> None:
    proposal = Proposal("print(name)", 1.0)
    found = list(rank(session, PROMPT, [proposal], prior=Silent(), tokenizer=tokenizer, end=END, length=40, stop=NEVER))
    ids = [*tokenizer.encode("print(name)"), END]
    assert [token.id for token in found] == ids
    assert [token.finish for token in found] == [None] * (len(ids) - 1) + ["stop"]
    assert [token.logprob for token in found] == pytest.approx(score(session, PROMPT, ids, stop=NEVER), abs=1e-3)


def test_what_is_longer_than_allowed_is_left_out(session: Session, tokenizer: Tokenizer) -> None:
    long, short = Proposal("for index, value in enumerate(values):", 0.9), Proposal("x", 0.1)
    assert ranked(session, tokenizer, long, short, length=3) == "x$"
    assert ranked(session, tokenizer, long, length=3) == ""


def test_it_can_be_stopped(session: Session, tokenizer: Tokenizer) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        list(
            rank(
                session,
                PROMPT,
                [Proposal("x", 1.0)],
                prior=Silent(),
                tokenizer=tokenizer,
                end=END,
                length=9,
                stop=stop,
            )
        )
