"""Events as JSON: what one side writes, the other reads, and nothing else gets in."""

import json

import pytest
from hypothesis import given, settings

from codecompose_ls.errors import InputError
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.wire import from_json, to_json
from tests.unit.telemetry.test_ledger import EVENTS

ID = "0123456789abcdef" * 2


@settings(max_examples=50, deadline=None)
@given(EVENTS.filter(lambda event: 0 <= event.at < 1e11))
def test_what_is_written_is_read(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_only_what_says_something_is_written() -> None:
    event = Event(Kind.CACHED, "go", position=Position.MID_LINE, id=ID, at=5.0)
    assert to_json(event) == {
        "kind": "cached", "language": "go", "position": "mid-line", "id": ID, "at": 5.0, "sequence": 0
    }  # fmt: skip


def test_fields_of_a_later_version_are_left_out() -> None:
    assert from_json({"kind": "typed", "id": ID, "colour": "red"}) == Event(Kind.TYPED, id=ID)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", None), ("id", 7), ("id", "x" * 32), ("id", ID + "0"), ("kind", "cheered"), ("kind", None), ("kind", []),
        ("position", "under the table"), ("language", 7), ("language", "x" * 121), ("model", "\ud800"),
        ("characters", 1.5), ("characters", True), ("characters", 10**10), ("sequence", "1"), ("at", float("nan")),
        ("at", float("inf")), ("at", -1), ("latency_ms", "fast"), ("similarity", True), ("at", 10**99),
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"'{name}' must be"):
        from_json({"kind": "typed", "id": ID, name: value})
