"""The figures, from events counted by hand."""

from pathlib import Path

import pytest

from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.metrics import Latency, Metrics, Retained
from codecompose_ls.telemetry.store import Store
from codecompose_ls.telemetry.summary import summary


def summed(path: Path, *events: Event) -> Metrics:
    store = Store(path / "telemetry.sqlite3", report=pytest.fail)
    for event in events:
        store.record(event)
    store.close(timeout_s=60)
    return summary(path / "telemetry.sqlite3")


def test_no_database_is_an_empty_one(tmp_path: Path) -> None:
    assert summary(tmp_path / "telemetry.sqlite3") == Metrics()
    assert list(tmp_path.iterdir()) == []
    assert summed(tmp_path) == Metrics()
    (tmp_path / "zero.sqlite3").touch()
    assert summary(tmp_path / "zero.sqlite3") == Metrics()


def test_rates_are_of_suggestions_and_characters(tmp_path: Path) -> None:
    figures = summed(
        tmp_path,
        *(Event(Kind.SHOWN, suggestion=id) for id in "abcd"),
        Event(Kind.PARTLY_ACCEPTED, suggestion="a", characters=4),
        Event(Kind.PARTLY_ACCEPTED, suggestion="a", characters=9),
        Event(Kind.DISMISSED, suggestion="b"),
        Event(Kind.PARTLY_ACCEPTED, suggestion="b", characters=3),
        Event(Kind.ACCEPTED, suggestion="b", characters=21),
        Event(Kind.TYPED_OVER, suggestion="c"),
        Event(Kind.DISMISSED, suggestion="d"),
        Event(Kind.TYPED, characters=75),
        Event(Kind.TYPED, characters=-5),
    )
    assert (figures.shown, figures.accepted, figures.partly_accepted) == (4, 1, 1)
    assert (figures.dismissed, figures.typed_over) == (1, 1)
    assert figures.acceptance_rate == 1 / 4
    assert (figures.accepted_characters, figures.typed_characters) == (30, 70)
    assert figures.percent_code_typed == 0.3
    assert figures.keystrokes_saved == 30 - 4


def test_retention_takes_each_suggestion_s_latest_look(tmp_path: Path) -> None:
    def look(id: str, after_s: int, similarity: float, characters: int) -> Event:
        return Event(Kind.RETAINED, suggestion=id, after_s=after_s, similarity=similarity, characters=characters)

    figures = summed(
        tmp_path, look("a", 30, 1.0, 10), look("a", 120, 0.5, 5), look("b", 30, 0.9, 9), look("b", 30, 0.8, 8)
    )
    assert figures.retained == {30: Retained(2, 0.9, 18, 0, 2), 120: Retained(1, 0.5, 5, 0, 0)}
    assert figures.characters_retained == 5 + 8


def test_latencies_are_nearest_ranks_by_source(tmp_path: Path) -> None:
    def answer(source: str, latency_ms: float) -> Event:
        return Event(Kind.CACHED, source=source, latency_ms=latency_ms)

    figures = summed(
        tmp_path,
        *(answer("engine", latency_ms) for latency_ms in range(20, 0, -1)),
        answer("cache", 3),
        Event(Kind.EMPTY, latency_ms=1000),
    )
    assert {source: latency.requests for source, latency in figures.latency_ms.items()} == {"cache": 1, "engine": 20}
    assert figures.latency_ms["cache"] == Latency(1, pytest.approx(3, rel=0.05), pytest.approx(3, rel=0.05))
    assert figures.latency_ms["engine"] == Latency(20, pytest.approx(10, rel=0.05), pytest.approx(19, rel=0.05))
    assert figures.requested == 22
