"""Keys and values kept between requests never change what the network says."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecompose_ls.errors import Cancelled, EngineError
from codecompose_ls.inference.quantization import Kernel
from codecompose_ls.inference.session import CHUNK, SLOTS, WORTH_KEEPING, Session
from codecompose_ls.models.model import Array, load_model

NEVER = threading.Event()
#: Root mean square over standard deviation of the logits. One token or many at a time are rounded differently, and
#: eight bits amplify that.
TOLERANCE: dict[Kernel, float] = {"float32": 1e-5, "int8": 0.1}


@pytest.fixture(scope="module", params=["float32", "int8"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    found: Kernel = request.param
    return found


@pytest.fixture(scope="module")
def session(tiny: Path, kernel: Kernel) -> Session:
    return Session(load_model(tiny), kernel=kernel)


@pytest.fixture(scope="module")
def cold(tiny: Path, kernel: Kernel) -> Session:
    """A session that remembers nothing: it is rewound before every use."""
    return Session(load_model(tiny), kernel=kernel)


def fresh(cold: Session, ids: Sequence[int], *, rows: int = 1) -> Array:
    cold.rewind(0)
    return cold.feed(ids, rows=rows)


def error(found: Array, expected: Array) -> float:
    return float(np.sqrt(((found - expected) ** 2).mean()) / expected.std())


ids = st.integers(0, 511)
edits = st.lists(st.tuples(st.floats(0, 1), st.lists(ids, min_size=1, max_size=40)), min_size=1, max_size=6)


@settings(max_examples=60)
@given(start=st.lists(ids, min_size=1, max_size=200), edits=edits)
def test_any_sequence_of_edits_gives_what_a_cold_start_gives(
    session: Session, cold: Session, kernel: Kernel, start: list[int], edits: list[tuple[float, list[int]]]
) -> None:
    prompt = start
    for place, typed in edits:
        # Cut somewhere and go on otherwise, as a typist or a moved window does.
        prompt = prompt[: int(place * len(prompt))] + typed
        found = session.prefill(prompt, stop=NEVER)
        assert list(session.tokens) == prompt
        assert error(found, fresh(cold, prompt)[0]) <= TOLERANCE[kernel]


def test_rewinding_forgets_what_came_after(session: Session, cold: Session, kernel: Kernel) -> None:
    session.rewind(0)
    session.feed(list(range(100)))
    session.rewind(60)
    found = session.feed([7, 8, 9], rows=3)
    expected = fresh(cold, [*range(60), 7, 8, 9], rows=3)
    assert error(found, expected) <= TOLERANCE[kernel]


def test_rows_are_the_last_ones(session: Session, cold: Session, kernel: Kernel) -> None:
    every = fresh(cold, range(20), rows=20)
    assert every.shape == (20, 512)
    last = fresh(session, range(20), rows=2)
    assert error(last, every[-2:]) <= 1e-6


class Feeds:
    """Counts the tokens that a session is fed."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        feed = session.feed

        def counted(ids: Sequence[int], *, rows: int = 1) -> Array:
            self.sizes.append(len(ids))
            return feed(ids, rows=rows)

        monkeypatch.setattr(session, "feed", counted)

    def taken(self) -> int:
        total, self.sizes = sum(self.sizes), []
        return total


@pytest.fixture
def own(tiny: Path) -> Session:
    return Session(load_model(tiny))


def test_only_what_was_typed_is_fed(own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds, prompt = Feeds(own, monkeypatch), list(range(150))
    own.prefill(prompt, stop=NEVER)
    assert feeds.taken() == 150
    own.prefill([*prompt, 3, 4], stop=NEVER)
    assert feeds.taken() == 2
    own.prefill([*prompt, 3, 5], stop=NEVER)
    assert feeds.taken() == 1
    own.prefill(prompt, stop=NEVER)
    assert feeds.taken() == 1  # the logits after its last token are wanted again


def test_a_prompt_that_was_made_ready_before_is_fed_no_more(own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds, prompt = Feeds(own, monkeypatch), list(range(150))
    logits = own.prefill(prompt, stop=NEVER)
    feeds.taken()
    assert own.prefill(prompt, stop=NEVER) is logits
    assert feeds.taken() == 0
    own.feed([3, 4])
    own.rewind(len(prompt))
    again = own.prefill(prompt, stop=NEVER)
    assert feeds.taken() == 2 + 1
    assert error(again, logits) <= TOLERANCE["int8"]
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Cancelled):
        own.prefill(prompt, stop=stopped)


def test_going_back_to_another_file_feeds_only_what_is_new(own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = Feeds(own, monkeypatch)
    header, length = [1, 2, 3], WORTH_KEEPING + 20
    files = [header + [10 * (number + 1)] * length for number in range(SLOTS)]
    for file in files:
        own.prefill(file, stop=NEVER)
        assert feeds.taken() >= length
    for file in files:
        own.prefill([*file, 5], stop=NEVER)
        assert feeds.taken() == 1
    own.prefill(header + [7] * length, stop=NEVER)  # takes the place of the first, which was used longest ago
    assert feeds.taken() == length
    own.prefill([*files[-1], 5, 6], stop=NEVER)
    assert feeds.taken() == 1
    own.prefill(files[0], stop=NEVER)
    assert feeds.taken() == length


def test_what_is_looked_at_ahead_leaves_what_is_typed_alone(
    own: Session, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds, suffix = Feeds(own, monkeypatch), list(range(50))
    typed = suffix + [10] * (WORTH_KEEPING + 20)
    moved = suffix[:40] + [11] * WORTH_KEEPING  # an edge of the window is elsewhere there
    before = own.prefill(typed, stop=NEVER)
    feeds.taken()
    ahead = own.prefill(moved, stop=NEVER)
    assert feeds.taken() == WORTH_KEEPING  # what the two share is copied
    assert error(ahead, Session(load_model(tiny)).prefill(moved, stop=NEVER)) <= TOLERANCE["int8"]
    own.prefill([*typed, 3], stop=NEVER)
    assert feeds.taken() == 1
    own.rewind(len(typed) - 1)
    assert error(own.prefill(typed, stop=NEVER), before) <= TOLERANCE["int8"]


def test_a_stop_is_seen_between_two_chunks_and_what_was_fed_stays(
    own: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AfterOneChunk:
        def is_set(self) -> bool:
            return len(own.tokens) > 0

    prompt = list(range(2 * CHUNK))
    with pytest.raises(Cancelled):
        own.prefill(prompt, stop=AfterOneChunk())
    assert list(own.tokens) == prompt[:CHUNK]
    feeds = Feeds(own, monkeypatch)
    own.prefill(prompt, stop=NEVER)
    assert feeds.taken() == CHUNK


def test_the_limit(own: Session) -> None:
    own.feed([1] * own.capacity)
    with pytest.raises(EngineError, match=f"the limit is {own.capacity}"):
        own.feed([1])
    own.rewind(own.capacity - 1)
    own.feed([1])


def test_a_token_beyond_the_vocabulary_is_an_error_and_the_session_goes_on(own: Session) -> None:
    before = own.feed([1, 2, 3])
    with pytest.raises(EngineError, match="the model failed on 1 tokens"):
        own.feed([100_000])
    assert list(own.tokens) == [1, 2, 3]
    own.rewind(0)
    assert np.array_equal(own.feed([1, 2, 3]), before)
