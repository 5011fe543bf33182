"""The arithmetic: the same figures in whatever order, batches and number the events come."""

import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from codecompose_ls.telemetry import entries
from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.database import Transaction, connect
from codecompose_ls.telemetry.events import RETENTION_S, Event, Kind, Position
from codecompose_ls.telemetry.ledger import (
    Bucket,
    Counters,
    Key,
    State,
    apply,
    key_of,
    suggestions_of,
    without_position,
)
from codecompose_ls.telemetry.metrics import metrics
from codecompose_ls.telemetry.summary import summary

DAY = 86_400.0


class Books:
    """The least that keeps books by the ledger."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.states: dict[str, str] = {}
        self.sums: dict[Key, Counters] = {}

    def enter(self, *events: Event) -> None:
        wanted = suggestions_of(events)
        states = {id: State.loads(text) for id, text in self.states.items() if id in wanted}
        change = apply(events, states=states, seen=self.seen)
        self.seen |= {event.id for event in change.events}
        self.states |= {id: state.dumps() for id, state in change.states.items()}
        for key, counters in change.counters.items():
            self.sums.setdefault(key, Counter()).update(counters)

    @property
    def buckets(self) -> list[Bucket]:
        """What is not zero, in one order."""
        sums = {key: {name: value for name, value in sums.items() if value} for key, sums in self.sums.items()}
        return [Bucket(key, Counter(sums[key])) for key in sorted(sums) if sums[key]]


def stamped(*events: Event) -> list[Event]:
    """The events with ids, one a second."""
    fields = ("kind", "language", "suggestion", "characters", "after_s", "similarity", "decision_ms", "position")
    return [
        Event(**{name: getattr(event, name) for name in fields}, id=f"{at:032x}", at=event.at or float(at), sequence=at)
        for at, event in enumerate(events, 1)
    ]


def kept(*events: Event) -> Books:
    books = Books()
    books.enter(*stamped(*events))
    return books


EVENTS = st.builds(
    Event,
    kind=st.sampled_from(Kind),
    language=st.sampled_from(["python", "go"]),
    model=st.sampled_from(["base", "tuned"]),
    suggestion=st.sampled_from(["a", "b", "c", None]),
    source=st.sampled_from([None, "engine", "explain"]),
    position=st.sampled_from([None, *Position]),
    latency_ms=st.sampled_from([None, 0.0, 3.0, 70.0]),
    reason=st.sampled_from([None, "repetition", "trigger:mid_word"]),
    characters=st.sampled_from([None, -3, 1, 20]),
    after_s=st.sampled_from([None, *RETENTION_S]),
    similarity=st.sampled_from([None, 0.2, 0.67, 1.0]),
    decision_ms=st.sampled_from([None, 10.0, 900.5]),
    editor=st.sampled_from(["", "neovim"]),
    cohort=st.sampled_from(["", "treatment"]),
    user=st.sampled_from(["", "u"]),
    id=st.integers(0, 25).map(lambda number: UUID(int=number).hex),
    at=st.sampled_from([-1.0, 0.0, 1e9, 1e9 + DAY, 1e300]),
    sequence=st.integers(0, 9),
)
BATCHES = st.lists(st.lists(EVENTS, max_size=12), max_size=6)


def in_disorder(batches: Sequence[Iterable[Event]], random: random.Random) -> list[list[Event]]:
    """All events again, some of them more than once, in other batches."""
    events = list({event.id: event for batch in batches for event in batch}.values())
    events += random.choices(events, k=5) if events else []
    random.shuffle(events)
    cuts = sorted(random.choices(range(len(events) + 1), k=4))
    return [events[start:end] for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True)]


@settings(max_examples=60, deadline=None)
@given(BATCHES, st.randoms(use_true_random=False))
def test_order_batches_and_repetition_do_not_matter(batches: list[list[Event]], random: random.Random) -> None:
    events = list({event.id: event for batch in batches for event in batch}.values())
    once, again = Books(), Books()
    once.enter(*events)
    for batch in in_disorder([events], random):
        again.enter(*batch)
    assert again.buckets == once.buckets
    assert metrics(again.buckets) == metrics(once.buckets)


@settings(max_examples=15, deadline=None)
@given(BATCHES, st.randoms(use_true_random=False))
def test_the_file_keeps_the_same_books(batches: list[list[Event]], random: random.Random) -> None:
    events = list({event.id: event for batch in batches for event in batch}.values())
    books = Books()
    books.enter(*events)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.sqlite3"
        with closing(connect(path)) as connection:
            for batch in in_disorder([events], random):
                with Transaction(connection):
                    entries.enter(connection, batch)
        assert sorted(buckets(path), key=lambda bucket: bucket.key) == books.buckets
        coarse = without_position(sums(books.buckets))
        assert sums(buckets(path, tell_positions=False)) == {
            key: one for key, one in coarse.items() if any(one.values())
        }
        assert summary(path) == metrics(books.buckets)


def test_a_suggestion_counts_where_and_when_it_was_shown() -> None:
    midnight = 1e9 // DAY * DAY
    books = kept(
        Event(Kind.GENERATED, "python", suggestion="a", position=Position.LINE_END, at=midnight - 2),
        Event(Kind.SHOWN, "python", suggestion="a", position=Position.LINE_END, at=midnight - 1),
        Event(Kind.ACCEPTED, "python", suggestion="a", characters=5, at=midnight + 1),
        Event(Kind.RETAINED, "python", suggestion="a", after_s=30, similarity=1.0, characters=5, at=midnight + 31),
    )
    (bucket,) = books.buckets
    assert bucket.key == Key("2001-09-08", "python", position="line end")
    assert (bucket.counters["shown"], bucket.counters["accepted"], bucket.counters["characters_retained"]) == (1, 1, 5)


def test_what_is_accepted_before_it_is_known_to_be_shown_moves_to_the_day_it_was_shown() -> None:
    shown, accepted = stamped(
        Event(Kind.SHOWN, suggestion="a", at=1e9), Event(Kind.ACCEPTED, suggestion="a", characters=5, at=1e9 + DAY)
    )
    books = Books()
    books.enter(accepted)
    assert [(bucket.key.day, bucket.counters["shown"]) for bucket in books.buckets] == [("2001-09-10", 1)]
    books.enter(shown)
    assert [(bucket.key.day, bucket.counters["shown"]) for bucket in books.buckets] == [("2001-09-09", 1)]


def test_the_furthest_it_came_is_its_end() -> None:
    books = kept(
        Event(Kind.DISMISSED, suggestion="a", decision_ms=400.0),
        Event(Kind.PARTLY_ACCEPTED, suggestion="a", characters=3, decision_ms=100.0),
        Event(Kind.ACCEPTED, suggestion="a", characters=8, decision_ms=200.0),
    )
    figures = metrics(books.buckets)
    assert (figures.shown, figures.accepted, figures.partly_accepted, figures.dismissed) == (1, 1, 0, 0)
    assert (figures.accepted_characters, figures.keystrokes_saved) == (8, 6)
    assert figures.time_to_decision_ms is not None and figures.time_to_decision_ms.suggestions == 1
    assert abs(figures.time_to_decision_ms.p50 - 400) < 20


def test_a_clock_that_jumps_back_does_not_turn_the_order_round() -> None:
    first, second = stamped(
        Event(Kind.RETAINED, suggestion="a", after_s=30, characters=9, similarity=0.9, at=2e9),
        Event(Kind.RETAINED, suggestion="a", after_s=30, characters=1, similarity=0.1, at=1e9),
    )
    for order in ((first, second), (second, first)):
        books = Books()
        books.enter(*order)
        assert metrics(books.buckets).characters_retained == 1


def test_assistants_are_counted_by_name_and_change_no_figure_of_suggestions() -> None:
    books = Books()
    events = [
        Event(Kind.ASSISTED, source="explain", latency_ms=900.0, id="1"),
        Event(Kind.ASSISTED, source="add-tests", latency_ms=900.0, id="2"),
        Event(Kind.ASSIST_APPLIED, source="add-tests", id="3"),
        Event(Kind.ASSIST_DISMISSED, source="explain", id="4"),
    ]
    books.enter(*events)
    figures = metrics(books.buckets)
    assert {name: (row.assisted, row.applied, row.dismissed) for name, row in figures.assistants.items()} == {
        "add-tests": (1, 1, 0),
        "explain": (1, 0, 1),
    }
    assert (figures.requested, figures.shown, figures.dismissed, figures.latency_ms) == (0, 0, 0, {})


def sums(found: list[Bucket]) -> dict[Key, Counters]:
    return {bucket.key: bucket.counters for bucket in found}


def test_days_are_those_of_utc_and_no_clock_is_too_wrong_for_one() -> None:
    assert [key_of(Event(Kind.TYPED, at=at)).day for at in (-5.0, 0.0, 86_399.9, 86_400.0, 1e300)] == [
        "1970-01-01", "1970-01-01", "1970-01-01", "1970-01-02", "9999-12-31"
    ]  # fmt: skip
