"""Figures of buckets counted by hand, their rows, and what is read of a file."""

import math
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.telemetry import histogram
from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.editors import NAMES, editor_of
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.ledger import Bucket, Key
from codecompose_ls.telemetry.metrics import Metrics, breakdown, metrics, wilson
from codecompose_ls.telemetry.store import Store


def bucket(key: Key, **counters: int) -> Bucket:
    return Bucket(key, Counter(counters))


def test_rates_of_counters() -> None:
    figures = metrics(
        [
            bucket(Key("2026-01-01"), generated=6, cached=2, empty=1, failed=1, cancelled=10, shown=8, accepted=2),
            bucket(Key("2026-01-02"), partly_accepted=1, accepted_characters=50, acceptances=5, typed_characters=150),
            bucket(Key("2026-01-03"), accepted_decision_ms=3000),
        ]
    )
    assert (figures.requested, figures.coverage) == (20, 0.8)
    assert figures.acceptance_rate == 0.25
    # Wilson's interval of 2 in 8.
    assert figures.acceptance_rate_low == pytest.approx(0.0715, abs=1e-4)
    assert figures.acceptance_rate_high == pytest.approx(0.5907, abs=1e-4)
    assert (figures.percent_code_typed, figures.keystrokes_saved) == (0.25, 45)
    assert figures.time_saved_s == pytest.approx(45 * 0.239 - 3)
    assert list(figures.funnel.values()) == [20, 8, 8, 3, 0, 0, 0, 0]


def test_typing_that_turned_out_to_be_accepted_is_never_less_than_none() -> None:
    assert metrics([bucket(Key("2026-01-01"), typed_characters=-3)]).typed_characters == 0


def test_rows_come_by_day_or_by_how_much_was_shown() -> None:
    found = [
        bucket(Key("2026-01-02", "go"), shown=1),
        bucket(Key("2026-01-01", "go"), shown=1),
        bucket(Key("2026-01-01", "python"), shown=3),
        bucket(Key("2026-01-01"), requested=0),
    ]
    assert [(day, row.shown) for day, row in breakdown(found, by="day").items()] == [
        ("2026-01-01", 4), ("2026-01-02", 1)
    ]  # fmt: skip
    assert list(breakdown(found, by="language")) == ["python", "go", ""]
    with pytest.raises(ValueError, match="colour is none of day, language"):
        breakdown(found, by="colour")


def test_typing_has_no_position() -> None:
    found = [
        bucket(Key("2026-01-01", position="line end"), accepted_characters=5),
        bucket(Key("2026-01-01"), typed_characters=5),
    ]
    assert {value: row.percent_code_typed for value, row in breakdown(found, by="position").items()} == {
        "line end": None
    }


def test_intervals_hold_their_share() -> None:
    assert wilson(0, 0) == (0, 1)
    for hits, n in ((0, 1), (1, 1), (0, 1000), (1000, 1000), (3, 7)):
        low, high = wilson(hits, n)
        assert 0 <= low <= hits / n <= high <= 1


@given(st.lists(st.floats(0.01, 8e7), min_size=1), st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_percentiles_are_nearest_ranks_within_the_accuracy(durations: list[float], share: float) -> None:
    exact = sorted(durations)[math.ceil(share * len(durations) - 1e-9) - 1]
    told = histogram.percentile(Counter(map(histogram.bin_of, durations)), share)
    assert abs(told - exact) <= histogram.ACCURACY * exact * 1.0001


def test_what_is_out_of_all_bounds_has_a_bin() -> None:
    assert histogram.bin_of(-1) == histogram.bin_of(0) == 0
    assert histogram.bin_of(1e300) == histogram.bin_of(histogram.LONGEST_MS)
    with pytest.raises(ValueError, match="of nothing"):
        histogram.percentile({}, 0.5)


@pytest.mark.parametrize(
    ("client", "editor"),
    [
        ("Visual Studio Code", "vscode"),
        ("Neovim", "neovim"),
        ("My secret project's editor", "other"),
        ("", ""),
        (None, ""),
    ],
)
def test_editors_are_of_a_closed_list(client: str | None, editor: str) -> None:
    assert editor_of(client) == editor
    assert editor in (*NAMES, "")


def test_buckets_of_a_file_by_day_and_dimension(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    assert buckets(path) == []
    clock = iter([1e9, 1e9 + 86_400, 1e9 + 2 * 86_400])
    store = Store(path, report=pytest.fail, now=lambda: next(clock, 1e9))
    store.record(Event(Kind.EMPTY, "python", "base", position=Position.LINE_END, editor="vscode"))
    store.record(Event(Kind.EMPTY, "go", "base", position=Position.LINE_END, editor="neovim", cohort="treatment"))
    store.record(Event(Kind.EMPTY, "go", "tuned", position=Position.MID_LINE, editor="neovim"))
    store.close(timeout_s=60)

    def asked(**conditions: object) -> int:
        return metrics(buckets(path, **conditions)).requested  # type: ignore[arg-type]

    assert asked() == 3
    assert asked(since=date(2001, 9, 10)) == 2
    assert asked(until=date(2001, 9, 10)) == 1
    assert asked(since=date(2001, 9, 10), until=date(2001, 9, 11)) == 1
    assert asked(language="go") == asked(editor="neovim") == asked(model="base") == asked(position="line end") == 2
    assert asked(language="go", model="base") == asked(cohort="treatment") == 1
    assert asked(user="") == 3 and asked(user="somebody") == 0
    assert metrics(buckets(path, language="rust")) == Metrics()
