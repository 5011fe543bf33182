"""The life of a suggestion from request to end, one rule a test."""

import pytest

from codecompose_ls.telemetry.answers import position_of
from codecompose_ls.telemetry.events import Kind, Position
from codecompose_ls.types import Answer, CompletionRequest, Document, Source, Suggestion
from tests.unit.telemetry.editor import URI, Editor, shown

# Requests.


@pytest.mark.parametrize(
    ("reason", "told", "detail"),
    [
        ("empty", Kind.EMPTY, None),
        ("", Kind.EMPTY, None),
        ("filtered:repetition", Kind.FILTERED, "repetition"),
        ("trigger:mid_word", Kind.FILTERED, "trigger:mid_word"),
        ("superseded", Kind.CANCELLED, None),
        ("cancelled", Kind.CANCELLED, None),
        ("failed", Kind.FAILED, None),
    ],
)
def test_a_request_without_a_suggestion_is_told_by_its_reason(reason: str, told: Kind, detail: str | None) -> None:
    editor = Editor("x = ")
    editor.ask(None, reason=reason)
    (event,) = editor.events
    assert (event.kind, event.reason, event.suggestion, event.source) == (told, detail, None, None)
    assert (event.language, event.trigger, event.position) == ("python", "automatic", Position.LINE_END)
    assert event.latency_ms == 7.0


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Source.ENGINE, Kind.GENERATED),
        (Source.JOINED, Kind.GENERATED),
        (Source.CACHE, Kind.CACHED),
        (Source.TYPED_THROUGH, Kind.CACHED),
    ],
)
def test_a_suggestion_is_generated_or_cached(source: Source, told: Kind) -> None:
    editor = Editor("x = ")
    editor.ask("value", source=source)
    (event,) = editor.events
    assert (event.kind, event.source, event.characters) == (told, source.value, 5)
    assert (event.suggestion, event.model) == ("one", "base")


def test_a_request_where_completion_is_off_is_none() -> None:
    editor = Editor()
    editor.ask(None, reason="off")
    assert editor.events == []


def test_a_model_s_path_is_not_told() -> None:
    editor = Editor()
    request = CompletionRequest(Document(URI, "app.py", "python", ""), 0)
    suggestion = Suggestion("one", "x", 0, 0, Source.ENGINE, "python", "/home/someone/secret-project/tuned")
    editor.life.answered(request, Answer(suggestion))
    assert editor.events[0].model == "tuned"


@pytest.mark.parametrize(
    ("line", "position"),
    [
        ("|", Position.LINE_START),
        ("a = 1\n    |", Position.LINE_START),
        ("    |return x", Position.LINE_START),
        ("return |x", Position.MID_LINE),
        ("print(|)\nx", Position.MID_LINE),
        ("return | \nx", Position.LINE_END),
        ("return |", Position.LINE_END),
    ],
)
def test_where_the_cursor_is_in_its_line(line: str, position: Position) -> None:
    assert position_of(line.replace("|", ""), line.index("|")) == position


# Shown.


def test_a_suggestion_is_shown_when_it_is_still_there_after_750_ms() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.wait(0.74)
    assert editor.kinds(id="one") == []
    editor.wait(0.01)
    assert editor.kinds(id="one") == ["shown"]


def test_one_that_was_typed_over_before_is_not_shown() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.wait(0.7)
    editor.type("w")
    editor.wait(10)
    assert editor.kinds(id="one") == []


def test_typing_through_keeps_the_clock_running() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    for character in "val":
        editor.wait(0.2)
        editor.type(character)
        editor.ask("value"[editor.cursor - 4 :], source=Source.TYPED_THROUGH)
    editor.wait(0.15)
    assert editor.kinds(id="one") == ["shown"]


def test_acceptance_before_750_ms_is_shown_too() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.put("value")
    assert editor.kinds(id="one") == ["shown", "accepted"]


def test_a_client_that_says_what_it_draws_is_waited_for() -> None:
    editor = Editor("x = ")
    editor.life.drawn("unknown")
    editor.ask("value")
    editor.wait(60)
    assert editor.kinds(id="one") == []
    editor.life.drawn("one")
    editor.wait(0.5)
    editor.life.drawn("one")
    editor.wait(0.25)
    assert editor.kinds(id="one") == ["shown"]


def test_the_first_word_of_a_client_starts_the_clock_anew() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.wait(0.5)
    editor.life.drawn("one")
    editor.wait(0.5)
    assert editor.kinds(id="one") == []
    editor.wait(0.25)
    assert editor.kinds(id="one") == ["shown"]


def test_it_is_shown_once_however_often_it_is_drawn() -> None:
    editor = Editor("x = ")
    for _ in range(3):
        editor.ask("value", source=Source.CACHE)
        editor.wait(1)
    editor.ask(None, reason="empty")
    editor.ask("value", source=Source.CACHE)
    editor.wait(1)
    assert editor.kinds(id="one") == ["shown", "dismissed"]


def test_the_same_text_at_the_same_place_is_the_same_suggestion_whatever_its_id() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.type("v")
    editor.ask("alue", id="two")
    editor.wait(1)
    editor.put("alue")
    editor.life.accepted("two")
    assert editor.kinds(id="one") == ["shown", "accepted"]
    assert editor.kinds(id="two") == []


def test_an_answer_that_comes_too_late_is_never_drawn() -> None:
    editor = Editor("x = ")
    request = CompletionRequest(Document(URI, "app.py", "python", editor.text), editor.cursor)
    answer = editor.answer("value")
    editor.type("w")
    editor.life.answered(request, answer)
    editor.wait(10)
    assert editor.kinds() == ["generated"]


def test_an_answer_that_was_typed_into_meanwhile_goes_on_from_there() -> None:
    editor = Editor("x = ")
    request = CompletionRequest(Document(URI, "app.py", "python", editor.text), editor.cursor)
    answer = editor.answer("value")
    editor.type("v")
    editor.life.answered(request, answer)
    editor.put("alue")
    assert editor.characters(Kind.ACCEPTED) == [4]


# Ends.


def test_other_text_types_it_over() -> None:
    editor = shown("value")
    editor.type("vx")
    assert editor.kinds(id="one") == ["shown", "typed over"]


def test_typing_all_of_it_by_hand_is_no_acceptance() -> None:
    editor = shown("value")
    editor.type("value")
    assert editor.kinds(id="one") == ["shown", "typed over"]
    assert editor.typed() == 5


def test_another_answer_in_its_place_dismisses_it() -> None:
    for answer in ({"text": "other", "id": "two"}, {"text": None, "reason": "empty"}):
        editor = shown("value")
        editor.ask(**answer)  # type: ignore[arg-type]
        assert editor.kinds(id="one") == ["shown", "dismissed"]


def test_a_request_that_came_to_nothing_leaves_it_there() -> None:
    for reason in ("cancelled", "superseded", "failed"):
        editor = shown("value")
        editor.ask(None, reason=reason)
        editor.put("value")
        assert editor.kinds(id="one") == ["shown", "accepted"]


def test_closing_the_document_dismisses_it_and_stops_all_timers() -> None:
    editor = shown("value")
    editor.life.closed(URI)
    assert editor.kinds(id="one") == ["shown", "dismissed"]
    assert editor.timer.pending == 0


def test_the_client_s_dismissal_is_told_with_a_known_reason_only() -> None:
    for reason, told in (("rejected", "rejected"), ("print(secret)", "other"), ("", "other")):
        editor = shown("value")
        editor.life.dismissed("one", reason)
        assert editor.kinds(id="one") == ["shown", "dismissed"]
        assert editor.events[-1].reason == told


def test_one_that_was_not_shown_is_not_dismissed() -> None:
    editor = Editor("x = ")
    editor.ask("value")
    editor.life.dismissed("one")
    editor.wait(1)
    assert editor.kinds(id="one") == []


def test_an_acceptance_after_a_dismissal_counts() -> None:
    editor = shown("value")
    editor.life.dismissed("one")
    editor.ask("value", source=Source.CACHE)
    editor.put("value")
    assert editor.kinds(id="one") == ["shown", "dismissed", "accepted"]


def test_backspacing_into_what_was_typed_through_keeps_it() -> None:
    editor = shown("value")
    editor.type("va")
    editor.put("", before=1)
    editor.type("a")
    editor.put("lue")
    assert editor.kinds(id="one") == ["shown", "accepted"]
    assert editor.characters(Kind.ACCEPTED) == [3]
    assert editor.typed() == 2
