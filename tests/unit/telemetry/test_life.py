"""The life of a suggestion, one rule a test."""

import pytest

from codecompose_ls.telemetry.answers import position_of
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.types import Answer, CompletionRequest, Document, Source, Suggestion
from tests.unit.telemetry.editor import URI, Editor

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


def shown(text: str, id: str = "one", *, document: str = "x = ") -> Editor:
    editor = Editor(document)
    editor.ask(text, id)
    editor.wait(1)
    return editor


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


# Acceptance.


def test_the_command_after_the_text_changes_nothing() -> None:
    editor = shown("value")
    editor.put("value")
    editor.life.accepted("one")
    editor.life.accepted("one")
    assert editor.characters(Kind.ACCEPTED) == [5]
    assert editor.typed() == 0


def test_the_command_before_the_text_is_as_good() -> None:
    editor = shown("value")
    editor.life.accepted("one")
    editor.put("value")
    assert editor.kinds(id="one") == ["shown", "accepted"]
    assert editor.characters(Kind.ACCEPTED) == [5]
    assert editor.typed() == 0


def test_the_command_tells_an_accepted_character_from_a_typed_one() -> None:
    editor = shown(")", document="f(")
    editor.put(")")
    assert editor.kinds(id="one") == ["shown", "typed over"]
    editor.life.accepted("one")
    assert editor.kinds(id="one") == ["shown", "typed over", "accepted"]
    assert editor.typed() == 0


def test_the_command_counts_text_that_the_client_reshaped() -> None:
    editor = shown("if y:\n  z()")
    editor.put("if y:\n        z()")
    editor.life.accepted("one")
    assert editor.kinds(id="one") == ["shown", "typed over", "accepted"]
    assert editor.characters(Kind.ACCEPTED) == [11]
    assert editor.typed() == 0
    assert editor.events[-1].similarity == pytest.approx(2 * 11 / (11 + 17))


def test_a_suggestion_may_replace_what_stands_after_the_cursor() -> None:
    editor = Editor("print()")
    editor.cursor = 6
    editor.ask("x, y)", cover=1)
    editor.put("x, y)", remove=1)
    assert editor.text == "print(x, y)"
    assert editor.kinds(id="one") == ["shown", "accepted"]


def test_a_suggestion_may_begin_before_the_cursor() -> None:
    editor = Editor("    pri")
    request = CompletionRequest(Document(URI, "app.py", "python", editor.text), 7)
    suggestion = Suggestion("one", "    print(x)", 0, 7, Source.ENGINE, "python", "base")
    editor.life.answered(request, Answer(suggestion))
    editor.type("n")
    editor.put("t(x)")
    assert editor.characters(Kind.ACCEPTED) == [4]


def test_the_popup_s_item_may_be_spelled_otherwise_than_what_it_replaces() -> None:
    editor = Editor("PRI")
    request = CompletionRequest(Document(URI, "app.py", "python", editor.text), 3)
    suggestion = Suggestion("one", "print(x)", 0, 3, Source.ENGINE, "python", "base")
    editor.life.answered(request, Answer(suggestion))
    editor.put("print(x)", before=3)
    assert editor.characters(Kind.ACCEPTED) == [8]


def test_pairs_that_the_editor_closes_are_typed_through() -> None:
    editor = shown("(x, y)", document="f")
    editor.put("()")
    editor.cursor -= 1
    editor.put("x, y)", remove=1)
    assert editor.kinds(id="one") == ["shown", "accepted"]
    assert editor.typed() == 2


def test_documents_with_crlf_get_their_line_ends() -> None:
    editor = shown("if y:\n    z()", document="a\r\n")
    editor.put("if y:\r\n    z()")
    assert editor.kinds(id="one") == ["shown", "accepted"]


def test_words_accepted_one_by_one_add_up() -> None:
    editor = shown("foo(bar, baz)")
    for word in ("foo", "(bar", ", baz"):
        editor.put(word)
    editor.type(")")
    assert editor.kinds(id="one") == ["shown", *["partly accepted"] * 3]
    assert editor.characters(Kind.PARTLY_ACCEPTED) == [3, 7, 12]
    assert editor.typed() == 1


def test_the_last_word_accepted_makes_it_accepted() -> None:
    editor = shown("foo bar")
    editor.put("foo")
    editor.put(" bar")
    assert editor.kinds(id="one") == ["shown", "partly accepted", "accepted"]
    assert editor.characters(Kind.ACCEPTED) == [7]


def test_a_partial_acceptance_stays_one_when_the_rest_is_typed_over() -> None:
    editor = shown("foo bar")
    editor.put("foo")
    editor.type("!")
    assert editor.kinds(id="one") == ["shown", "partly accepted"]


def test_a_client_that_tells_decides_what_was_partly_accepted() -> None:
    editor = shown("foo bar baz")
    editor.life.drawn("one")
    editor.put("foo")
    assert editor.kinds(id="one") == ["shown"]
    editor.put(" bar")
    editor.life.partly_accepted("one", rest=4)
    assert editor.characters(Kind.PARTLY_ACCEPTED) == [4]
    editor.life.partly_accepted("one", rest=4)
    assert editor.characters(Kind.PARTLY_ACCEPTED) == [4]
    assert editor.typed() == 3


def test_its_word_may_come_before_the_text() -> None:
    editor = shown("foo bar")
    editor.type("f")
    editor.life.partly_accepted("one", rest=4)
    editor.put("oo")
    assert editor.characters(Kind.PARTLY_ACCEPTED) == [2]
    editor.life.partly_accepted("one", rest=0)
    editor.put(" bar")
    assert editor.characters(Kind.ACCEPTED) == [6]
    assert editor.typed() == 1


def test_words_about_unknown_suggestions_are_no_news() -> None:
    editor = Editor()
    editor.life.accepted("nobody")
    editor.life.partly_accepted("nobody", rest=3)
    editor.life.dismissed("nobody")
    editor.life.changed("file:///elsewhere.py", "x")
    editor.life.closed("file:///elsewhere.py")
    assert editor.events == []


# Typing.


@pytest.mark.parametrize(
    ("inserted", "typed"),
    [
        ("a", 1),
        ("\n    ", 5),
        ("()", 2),
        ("identifier_from_the_popup", 25),
        ("x" * 33, 0),
        ("a\nb\nc", 0),
    ],
)
def test_what_comes_at_once_is_typed_unless_it_is_a_paste(inserted: str, typed: int) -> None:
    editor = Editor("a = b")
    editor.put(inserted)
    assert editor.typed() == typed


def test_undo_and_redo_are_not_typed() -> None:
    editor = Editor("a = ")
    editor.type("bc")
    editor.replace("a = ")
    editor.replace("a = bc")
    assert editor.typed() == 2


def test_formatting_and_reload_are_not_typed() -> None:
    editor = Editor("a=1")
    editor.replace("a = 1")
    editor.replace("def f():\n    pass\n\n\nclass A:\n    pass\n")
    assert editor.typed() == 0


def test_typing_is_told_in_sums_by_language() -> None:
    editor = Editor()
    editor.type("abc")
    assert editor.events == []
    editor.wait(30)
    assert editor.characters(Kind.TYPED) == [3]
    editor.type("d")
    editor.life.close()
    assert editor.characters(Kind.TYPED) == [3, 1]
    assert editor.events[-1].language == "python"
    assert editor.timer.pending == 0


# Retention.


def retained(editor: Editor) -> list[tuple[int | None, int | None, float | None]]:
    return [(event.after_s, event.characters, event.similarity) for event in editor.events if event.after_s]


def test_accepted_text_is_looked_at_four_times() -> None:
    editor = shown("value")
    editor.put("value")
    editor.wait(3600)
    assert retained(editor) == [(30, 5, 1.0), (120, 5, 1.0), (300, 5, 1.0), (600, 5, 1.0)]
    assert editor.timer.pending == 0


def test_it_is_found_wherever_it_has_moved_and_however_it_has_changed() -> None:
    editor = shown("value")
    editor.put("value")
    editor.cursor = 0
    editor.put("# a comment\n")
    editor.wait(60)
    editor.cursor = editor.text.index("value")
    editor.put("", remove=2)
    editor.wait(100)
    assert retained(editor) == [(30, 5, 1.0), (120, 4, pytest.approx(2 * 3 / 8))]


def test_deleted_text_is_not_retained() -> None:
    editor = shown("value")
    editor.put("value")
    editor.replace("x = ")
    editor.wait(30)
    assert retained(editor) == [(30, 0, 0.0)]


def test_nothing_is_known_of_a_closed_document() -> None:
    editor = shown("value")
    editor.put("value")
    editor.life.closed(URI)
    editor.wait(3600)
    assert retained(editor) == []


def test_partial_acceptances_are_watched_as_one() -> None:
    editor = shown("foo bar baz")
    editor.put("foo")
    editor.wait(10)
    editor.put(" bar")
    editor.wait(600)
    assert [after_s for after_s, _, _ in retained(editor)] == [30, 120, 300, 600]
    assert {characters for _, characters, _ in retained(editor)} == {7}


# What every event says.


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
