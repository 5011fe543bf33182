"""Which token comes next, and when a generation ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codecompose_ls.errors import Cancelled
from codecompose_ls.inference import decoding
from codecompose_ls.inference.decoding import Prior, RuledOut, Token, choose, generate, mix, probability, softmax
from codecompose_ls.inference.session import Session
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.models.model import Array, load_model
from codecompose_ls.types import Opening, Prompt, Sampling
from tests.models import TINY

NEVER = threading.Event()
PROMPT = Prompt(tuple(range(20, 60)), frozenset())
TWELVE = Sampling(max_tokens=12)
#: By hand: four tokens, from the likeliest to one that cannot be.
FOUR = np.array([0.5, 0.3, 0.2, 0.0], np.float32)


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def drawn(sampling: Sampling, count: int = 4000) -> Array:
    """Return how often each of FOUR is chosen."""
    generator = random()
    chosen = [choose(FOUR, sampling, generator) for _ in range(count)]
    return np.bincount(chosen, minlength=4) / count


def test_greedy_takes_the_likeliest() -> None:
    assert choose(FOUR, Sampling(), random()) == 0


def test_sampling_follows_the_probabilities() -> None:
    np.testing.assert_allclose(drawn(Sampling(temperature=1.0)), FOUR, atol=0.03)


def test_a_low_temperature_sharpens() -> None:
    # p^2, normalised: 0.25, 0.09, 0.04 of 0.38.
    np.testing.assert_allclose(drawn(Sampling(temperature=0.5)), [0.658, 0.237, 0.105, 0], atol=0.03)


def test_top_k_keeps_the_k_likeliest() -> None:
    np.testing.assert_allclose(drawn(Sampling(temperature=1.0, top_k=2)), [0.625, 0.375, 0, 0], atol=0.03)


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    np.testing.assert_allclose(drawn(Sampling(temperature=1.0, top_p=0.6)), [0.625, 0.375, 0, 0], atol=0.03)
    np.testing.assert_allclose(drawn(Sampling(temperature=1.0, top_p=0.4)), [1, 0, 0, 0])


@given(
    logits=st.lists(st.floats(-30, 30), min_size=1, max_size=50),
    sampling=st.builds(
        Sampling,
        temperature=st.floats(0.05, 3),
        top_k=st.integers(0, 60),
        top_p=st.floats(0.01, 1),
    ),
    seed=st.integers(0, 1000),
)
def test_what_is_sampled_is_possible_and_repeatable(logits: list[float], sampling: Sampling, seed: int) -> None:
    probabilities = np.exp(np.array(logits, np.float32) - max(logits)).astype(np.float32)
    probabilities /= probabilities.sum()
    chosen = choose(probabilities, sampling, np.random.default_rng(seed))
    assert chosen == choose(probabilities, sampling, np.random.default_rng(seed))
    if sampling.top_k:
        assert (probabilities > probabilities[chosen]).sum() < sampling.top_k
    # All that are likelier together fall short of top_p: else this one would have been cut.
    if sampling.temperature == 1.0:
        assert probabilities[probabilities > probabilities[chosen]].sum() <= sampling.top_p + 1e-4


@pytest.fixture(scope="module")
def session(tiny: Path) -> Session:
    return Session(load_model(tiny))


def tokens(
    session: Session,
    prompt: Prompt = PROMPT,
    sampling: Sampling = TWELVE,
    *,
    prior: Prior | None = None,
    ruled_out: RuledOut = MappingProxyType({}),
) -> list[Token]:
    told = generate(session, prompt, sampling, stop=NEVER, prior=prior, ruled_out=ruled_out)
    return [token for together in told for token in together]


def test_greedy_repeats_itself_and_ends_at_the_length(session: Session) -> None:
    first = tokens(session)
    assert [token.finish for token in first] == [None] * 11 + ["length"]
    assert [token.id for token in tokens(session)] == [token.id for token in first]


def test_each_token_is_the_likeliest_after_those_before_it(session: Session) -> None:
    made = tokens(session)
    session.rewind(0)
    logits = session.feed([*PROMPT.token_ids, *(token.id for token in made)], rows=len(made) + 1)
    for token, row in zip(made, logits, strict=False):
        expected = row - row.max() - np.log(np.exp(row - row.max()).sum())
        # Eight bits: fed one by one or at once, a close race may end otherwise.
        assert expected.max() - expected[token.id] < 0.5
        assert abs(token.logprob - expected[token.id]) < 0.5


def test_a_stop_token_ends_it(session: Session) -> None:
    third = tokens(session)[2].id
    made = tokens(session, Prompt(PROMPT.token_ids, frozenset({third})))
    assert made[-1].id == third and made[-1].finish == "stop"
    assert all(token.id != third and token.finish is None for token in made[:-1])


def test_seeds_make_sampling_repeatable(session: Session) -> None:
    def sampled(seed: int) -> list[int]:
        return [token.id for token in tokens(session, sampling=Sampling(max_tokens=12, temperature=1.0, seed=seed))]

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)


def test_a_stop_flag_is_seen_before_the_next_token(session: Session) -> None:
    stop = threading.Event()
    generation = generate(session, PROMPT, Sampling(), stop=stop)
    for _ in range(3):
        next(generation)
    stop.set()
    fed = len(session.tokens)
    with pytest.raises(Cancelled):
        next(generation)
    assert len(session.tokens) == fed


def test_a_generation_ends_where_the_room_ends(session: Session) -> None:
    prompt = Prompt(tuple([5] * (session.capacity - 3)), frozenset())
    made = tokens(session, prompt, Sampling(max_tokens=64))
    assert [token.finish for token in made] == [None, None, "length"]


class Echo:
    """A prior that is sure, to a weight, of one token."""

    def __init__(self, number: int, weight: float) -> None:
        self.number, self.weight = number, weight
        self.asked: list[Sequence[int]] = []

    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        self.asked.append(list(tokens))
        return np.array([self.number]), np.array([1.0], np.float32), self.weight


def test_what_the_prior_decides_is_told_together(session: Session) -> None:
    doubtful = [len(one) for one in generate(session, PROMPT, TWELVE, stop=NEVER, prior=Echo(123, 0.4))]
    sure = [len(one) for one in generate(session, PROMPT, TWELVE, stop=NEVER, prior=Echo(123, 0.9))]
    assert (doubtful, sure) == ([1] * 12, [12])


@given(st.lists(st.floats(-20, 20), min_size=3, max_size=3), st.floats(0, 1), st.integers(0, 2))
def test_the_probability_of_one_token_is_that_in_the_mixture(logits: list[float], weight: float, number: int) -> None:
    row, opinion = np.array(logits, np.float32), (np.array([2, 0]), np.array([0.75, 0.25], np.float32), weight)
    assert probability(number, row, opinion) == mix(softmax(row), opinion)[number]
    assert probability(number, row, None) == softmax(row)[number]


class Silent:
    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        return np.array([], np.int64), np.array([], np.float32), 0.9


def test_a_sure_prior_decides(session: Session) -> None:
    prior = Echo(123, 1.0)
    made = tokens(session, prior=prior)
    assert [token.id for token in made] == [123] * 12
    assert made[0].logprob == pytest.approx(0.0, abs=1e-6)
    # It is asked with all that came before: the prompt and the tokens so far.
    assert prior.asked[2] == [*PROMPT.token_ids, 123, 123]


def test_a_prior_is_mixed_in_by_its_weight(session: Session) -> None:
    alone = tokens(session)[0]
    (mixed, *_) = tokens(session, prior=Echo(alone.id, 0.25))
    assert np.exp(mixed.logprob) == pytest.approx(0.75 * np.exp(alone.logprob) + 0.25, abs=0.02)


class Fickle:
    """Sure of some tokens, doubtful of others; the same for the same tokens."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        random = np.random.default_rng([self.seed, *tokens])
        count = int(random.integers(1, 4))
        ids = random.choice(np.arange(6, TINY.vocab_size), count, replace=False)
        shares = random.dirichlet(np.full(count, 0.3)).astype(np.float32)
        return ids.astype(np.int64), shares, float(random.uniform(0.3, 1))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), length=st.integers(1, 20), stops=st.frozensets(st.integers(6, 511), max_size=60))
def test_what_the_prior_decides_alone_is_what_both_would_decide(
    session: Session, monkeypatch: pytest.MonkeyPatch, seed: int, length: int, stops: frozenset[int]
) -> None:
    prompt, sampling = Prompt(PROMPT.token_ids, stops), Sampling(max_tokens=length)

    def made(sure: float) -> list[Token]:
        monkeypatch.setattr(decoding, "SURE", sure)
        return tokens(session, prompt, sampling, prior=Fickle(seed))

    together, one_by_one = made(0.5), made(2.0)
    assert [(token.id, token.finish) for token in together] == [(token.id, token.finish) for token in one_by_one]
    assert [token.logprob for token in together] == pytest.approx([token.logprob for token in one_by_one], abs=0.02)


def test_a_silent_prior_changes_nothing(session: Session) -> None:
    assert [token.id for token in tokens(session, prior=Silent())] == [token.id for token in tokens(session)]


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer(tiny / "tokenizer.json")


@settings(max_examples=60)
@given(
    prompt=st.lists(st.integers(6, TINY.vocab_size - 1), min_size=1, max_size=8),
    stops=st.frozensets(st.integers(0, TINY.vocab_size - 1), max_size=TINY.vocab_size // 2),
    opening=st.sampled_from(Opening),
    temperature=st.sampled_from([0.0, 1.0, 3.0]),
    seed=st.integers(0, 1000),
)
def test_an_answer_with_an_opening_shows_something_before_it_ends(
    session: Session,
    tokenizer: Tokenizer,
    prompt: list[int],
    stops: frozenset[int],
    opening: Opening,
    temperature: float,
    seed: int,
) -> None:
    ruled_out = tokenizer.ruled_out(TINY.vocab_size)
    sampling = Sampling(max_tokens=4, temperature=temperature, seed=seed, opening=opening)
    made = tokens(session, Prompt(tuple(prompt), stops), sampling, ruled_out=ruled_out)
    ids = [token.id for token in made]
    visible = next(place for place, number in enumerate(ids) if number not in ruled_out[Opening.VISIBLE])
    # One token of each kind of white space that the opening allows, and then something to see.
    assert visible <= Opening.VISIBLE - opening
    assert not stops & set(ids[: visible + 1])
    assert ids[0] not in ruled_out[opening]


def test_an_opening_leaves_the_rest_and_the_log_probability_as_they_are(session: Session, tokenizer: Tokenizer) -> None:
    free = tokens(session)
    ruled_out = tokenizer.ruled_out(TINY.vocab_size)
    stops = frozenset({free[0].id})
    sampling = Sampling(max_tokens=2, opening=Opening.VISIBLE)
    first, second = tokens(session, Prompt(PROMPT.token_ids, stops), sampling, ruled_out=ruled_out)
    session.rewind(0)
    logits = session.feed([*PROMPT.token_ids, first.id], rows=2)
    expected = logits[0] - logits[0].max() - np.log(np.exp(logits[0] - logits[0].max()).sum())
    assert first.logprob == pytest.approx(expected[first.id], abs=0.5)
    assert logits[1].max() - logits[1][second.id] < 0.5


def test_where_nothing_else_is_possible_an_answer_may_end(session: Session, tokenizer: Tokenizer) -> None:
    end = tokenizer.token_id("<|endoftext|>")
    made = tokens(
        session,
        Prompt(PROMPT.token_ids, frozenset({end})),
        Sampling(opening=Opening.VISIBLE),
        prior=Echo(end, 1.0),
        ruled_out=tokenizer.ruled_out(TINY.vocab_size),
    )
    assert [(token.id, token.finish) for token in made] == [(end, "stop")]
