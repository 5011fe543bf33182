"""How text becomes lexemes, and lexemes text."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.index.lexemes import BREAK, END, UNKNOWN, Vocabulary


def pieces(text: str, *, opened: bool = True) -> list[str]:
    vocabulary = Vocabulary()
    return [vocabulary.texts[number] for number in vocabulary.encode(text, opened=opened)]


def test_words_runs_of_spaces_and_single_signs() -> None:
    assert pieces("x_1 =  foo(a.b)") == ["\n", "x_1", " ", "=", "  ", "foo", "(", "a", ".", "b", ")"]


def test_a_line_break_takes_indentation_and_empty_lines_with_it() -> None:
    assert pieces("if a:\n\n        b\n    c\n") == ["\n", "if", " ", "a", ":", "\n", "b", "\n", "c", "\n"]


def test_line_ends_of_windows_are_line_ends() -> None:
    assert pieces("a\r\nb\r\n") == pieces("a\nb\n")


def test_lines_that_are_known_have_the_lexemes_that_they_had() -> None:
    vocabulary = Vocabulary()
    text = "if a:\n\n    b = 1\n  \n    b = 1\n"
    first = vocabulary.encode(text)
    assert vocabulary.encode(text) == first
    assert vocabulary.encode(f"# {text}", opened=False)[2:] == first[1:]


@pytest.mark.parametrize(
    ("text", "opened", "lexed"),
    [("", True, "|"), ("", False, ""), ("\n", True, "|"), ("\n", False, "|"), (" \n ", True, "|"), ("  ", False, "  ")],
)
def test_texts_with_nothing_on_them(text: str, opened: bool, lexed: str) -> None:
    assert "".join(pieces(text, opened=opened)).replace("\n", "|") == lexed


def test_a_text_that_goes_on_in_the_middle_of_a_line_keeps_its_spaces() -> None:
    assert pieces("  b\n  c", opened=False) == ["  ", "b", "\n", "c"]


def test_what_is_looked_up_is_not_learnt() -> None:
    vocabulary = Vocabulary()
    known = vocabulary.encode("a = b")
    before = len(vocabulary)
    assert vocabulary.lookup("a = zzz") == [*known[1:5], UNKNOWN]
    assert len(vocabulary) == before


def test_words_are_told_from_signs_for_every_id_there_is_room_for() -> None:
    vocabulary = Vocabulary()
    ids = vocabulary.encode("_x1=é+2\n")
    words = vocabulary.words()
    assert [bool(words[number]) for number in ids] == [False, True, False, True, False, True, False]
    assert len(words) >= len(vocabulary)


def test_there_is_always_a_flag_for_a_new_word() -> None:
    vocabulary = Vocabulary()
    for number in range(5_000):
        (_, id) = vocabulary.encode(f"name{number}")
        assert vocabulary.words()[id]


def test_ids_are_told_by_how_they_begin() -> None:
    vocabulary = Vocabulary(["", "\n", "", "format", "for", "of"])
    ids = np.array([END, BREAK, UNKNOWN, 3, 4, 5, *vocabulary.encode("fork", opened=False)], dtype=np.uint32)
    assert vocabulary.begin_with("for", ids).tolist() == [False, False, False, True, True, False, True]


def test_two_threads_that_meet_the_same_words_give_them_the_same_ids() -> None:
    vocabulary = Vocabulary()
    texts = [" ".join(f"w{number}" for number in range(3_000))] * 4
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda text=text: found.append([*vocabulary.encode(text)])) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == found[0] for ids in found)
    assert vocabulary.decode(found[0]) == "\n" + texts[0]
    assert len(set(vocabulary.texts)) == len(vocabulary) - 1  # END and UNKNOWN have no text of their own


@given(st.lists(st.text(st.sampled_from("ab_ .(\té+"), max_size=8), max_size=6))
def test_decoding_gives_the_text_without_indentation_and_empty_lines(lines: list[str]) -> None:
    vocabulary = Vocabulary()
    stripped = [line.lstrip() for line in lines]
    ids = vocabulary.encode("\n".join(lines))
    assert vocabulary.decode(ids).strip("\n") == "\n".join(line for line in stripped if line)
    assert all(one != BREAK or other != BREAK for one, other in pairwise(ids))
