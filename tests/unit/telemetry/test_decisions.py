"""What every event says, and how long a decision takes."""

import pytest

from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.types import Source
from tests.unit.telemetry.editor import URI, Editor


def test_every_event_says_which_editor_and_cohort_it_is_of() -> None:
    editor = Editor("x = ")
    editor.life.editor, editor.life.cohort = "neovim", "treatment"
    editor.ask("value")
    editor.put("value")
    editor.ask(None, reason="failed")
    editor.type("y")
    editor.life.tell(Event(Kind.ASSISTED, source="explain"))
    editor.wait(700)
    assert {(event.editor, event.cohort) for event in editor.events} == {("neovim", "treatment")}


def test_what_becomes_of_a_suggestion_is_counted_where_it_was_first_asked_for() -> None:
    editor = Editor("")
    editor.ask("value + 1")
    editor.type("value ")
    editor.ask("+ 1", source=Source.TYPED_THROUGH)
    editor.put("+ 1")
    editor.wait(30)
    positions = {event.kind: event.position for event in editor.events if event.kind is not Kind.TYPED}
    assert positions.pop(Kind.CACHED) is Position.LINE_END
    assert set(positions.values()) == {Position.LINE_START}


def test_requests_in_vain_and_typing_are_of_the_model_that_answered_last() -> None:
    editor = Editor("x = ")
    editor.ask(None, reason="empty")
    editor.ask("value", model="/models/tuned")
    editor.type("w")
    editor.ask(None, reason="failed")
    editor.wait(30)
    assert [(event.kind, event.model) for event in editor.events] == [
        (Kind.EMPTY, ""), (Kind.GENERATED, "tuned"), (Kind.FAILED, "tuned"), (Kind.TYPED, "tuned")
    ]  # fmt: skip


def decisions(editor: Editor) -> list[tuple[str, float | None]]:
    ends = (Kind.ACCEPTED, Kind.PARTLY_ACCEPTED, Kind.TYPED_OVER, Kind.DISMISSED)
    return [(event.kind.value, event.decision_ms) for event in editor.events if event.kind in ends]


def test_a_decision_takes_from_the_drawing_to_the_acceptance() -> None:
    editor = Editor("x = ")
    editor.life.drawn("unknown")
    editor.ask("value")
    editor.wait(1)
    editor.life.drawn("one")
    editor.wait(0.5)
    editor.life.drawn("one")
    editor.wait(1.5)
    editor.put("value")
    editor.life.accepted("one")
    assert decisions(editor) == [("accepted", 2000.0)]


@pytest.mark.parametrize(
    ("reason", "decision_ms"), [("rejected", 3000.0), ("ignored", None), ("replaced", None), ("something else", None)]
)
def test_only_a_rejection_is_a_decision_to_dismiss(reason: str, decision_ms: float | None) -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.wait(3)
    editor.life.dismissed("one", reason)
    assert decisions(editor) == [("dismissed", decision_ms)]


def test_typing_something_else_is_a_decision_and_closing_is_none() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.wait(1)
    editor.type("w")
    editor.ask("hat", id="two")
    editor.wait(1)
    editor.life.closed(URI)
    assert decisions(editor) == [("typed over", 1000.0), ("dismissed", None)]


def test_what_was_typed_in_the_last_half_minute_dies_with_the_editor() -> None:
    editor = Editor()
    editor.type("told")
    editor.wait(30)
    editor.type("lost")
    editor.wait(29)
    assert editor.characters(Kind.TYPED) == [4]
