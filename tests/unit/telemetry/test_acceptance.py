"""What of a text was accepted, what typed, and what is left of it later, one rule a test."""

import pytest

from codecompose_ls.telemetry.events import Kind
from codecompose_ls.types import Answer, CompletionRequest, Document, Source, Suggestion
from tests.unit.telemetry.editor import URI, Editor, shown

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
