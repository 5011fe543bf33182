"""The cache: what the model saw is the key, and an entry serves as long as typing agrees with it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion.cache import LOOK_BACK, Cache, Entry, Key

KEY = Key("file:///a.py", "python", "base", "def f():\n    return ", "\n")
ENTRY = Entry("id-1", "sum(items)", "base")


def filled() -> Cache:
    cache = Cache()
    cache.put(KEY, ENTRY)
    return cache


def test_the_same_window_finds_the_entry() -> None:
    assert filled().find(KEY) == (ENTRY, "")


@pytest.mark.parametrize(
    "change",
    [{"uri": "file:///b.py"}, {"language": "go"}, {"model": "tuned"}, {"prefix": "return "}, {"suffix": "\n\n"}],
)
def test_any_other_window_does_not(change: dict[str, str]) -> None:
    assert filled().find(replace(KEY, **change)) is None


@given(st.integers(1, len(ENTRY.text) - 1))
def test_what_was_typed_since_finds_it_too(count: int) -> None:
    typed = ENTRY.text[:count]
    assert filled().find(replace(KEY, prefix=KEY.prefix + typed)) == (ENTRY, typed)


@pytest.mark.parametrize("typed", ["x", "sum(x", "sum(items)", "sum(items) "])
def test_text_that_says_something_else_or_all_of_it_does_not(typed: str) -> None:
    assert filled().find(replace(KEY, prefix=KEY.prefix + typed)) is None


def test_it_is_looked_for_on_the_cursors_line_alone_and_not_too_far_back() -> None:
    long = Entry("id-2", "x" * 200, "base")
    cache = Cache()
    cache.put(KEY, long)
    assert cache.find(replace(KEY, prefix=KEY.prefix + "x" * (LOOK_BACK - 1))) is not None
    assert cache.find(replace(KEY, prefix=KEY.prefix + "x" * (LOOK_BACK + 1))) is None
    cache.put(KEY, replace(long, text="x\ny"))
    assert cache.find(replace(KEY, prefix=KEY.prefix + "x\n")) is None


def test_an_entry_without_text_answers_its_own_cursor_only() -> None:
    nothing = Entry("", "", "base", reason="empty")
    cache = Cache()
    cache.put(KEY, nothing)
    assert cache.find(KEY) == (nothing, "")
    assert cache.find(replace(KEY, prefix=KEY.prefix + "s")) is None


def test_a_suggestion_can_be_forgotten_or_given_a_new_id() -> None:
    cache = filled()
    cache.renew("id-1")
    found = cache.get(KEY)
    assert found is not None
    assert found.text == ENTRY.text
    assert found.id != "id-1"
    cache.evict(found.id)
    assert len(cache) == 0


def test_a_document_can_be_forgotten() -> None:
    cache = filled()
    cache.put(replace(KEY, uri="file:///b.py"), ENTRY)
    cache.forget(KEY.uri)
    assert cache.get(KEY) is None
    assert len(cache) == 1


def test_the_least_recently_used_goes_first() -> None:
    cache = Cache(capacity=2)
    keys = [replace(KEY, prefix=f"line {number}") for number in range(3)]
    cache.put(keys[0], ENTRY)
    cache.put(keys[1], ENTRY)
    cache.get(keys[0])
    cache.put(keys[2], ENTRY)
    assert [cache.get(key) is not None for key in keys] == [True, False, True]


def test_a_suggestion_is_found_by_its_id_however_many_there_were() -> None:
    cache = Cache(capacity=3)
    for number in range(20):
        cache.put(replace(KEY, prefix=f"line {number}"), replace(ENTRY, id=f"id-{number}"))
    cache.give("id-19")
    cache.give("id-2")  # has gone
    given = [cache.get(replace(KEY, prefix=f"line {number}")) for number in (18, 19)]
    assert [entry is not None and entry.is_given for entry in given] == [False, True]
    cache.evict("id-18")
    assert len(cache) == 2
