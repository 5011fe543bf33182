"""Longest matches in sorted contexts, held against a search of every place."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.index.lexemes import END
from codecompose_ls.index.segment import DEPTH, Files, Segment, union

#: A small alphabet, so that long matches happen.
lexemes = st.lists(st.integers(1, 3), max_size=40)
files = st.lists(lexemes, min_size=1, max_size=5)
contexts = st.lists(st.integers(1, 4), min_size=1, max_size=30)


def joined(parts: Sequence[Sequence[int]]) -> Files:
    return Files.of([(f"{number}.py", part) for number, part in enumerate(parts)])


def agreement(tokens: Sequence[int], place: int, context: Sequence[int]) -> int:
    """How many lexemes up to a place are those at the end of the context."""
    length = 0
    while length < min(place + 1, len(context)) and tokens[place - length] == context[-1 - length]:
        length += 1
    return length


def key(tokens: Sequence[int], place: int) -> tuple[int, ...]:
    return tuple(tokens[place - back] if place >= back else 0 for back in range(DEPTH))


@given(files)
def test_the_order_is_that_of_the_contexts_read_backwards(parts: list[list[int]]) -> None:
    segment = Segment.build(joined(parts))
    tokens = segment.tokens.tolist()
    keys = [key(tokens, place) for place in segment.order.tolist()]
    assert keys == sorted(keys)
    assert sorted(segment.order.tolist()) == list(range(len(tokens)))
    for id in range(len(segment.heads) - 1):
        inside = segment.order[segment.heads[id] : segment.heads[id + 1]]
        assert sorted(inside) == [place for place, token in enumerate(tokens) if token == id]


@given(files, contexts)
def test_all_places_of_the_longest_match_are_found(parts: list[list[int]], context: list[int]) -> None:
    plain = joined(parts)
    segment = Segment.build(plain)
    tokens = plain.tokens.tolist()
    lengths = [min(DEPTH, agreement(tokens, place, context)) for place in range(len(tokens))]
    most = 40
    longest = {place for place, length in enumerate(lengths) if length == max(lengths) and length > 0}
    if len(longest) <= most:
        for one in (segment, plain):
            assert longest <= set(one.longest(np.array(context, dtype=np.uint32), most=most).tolist())


@given(files, contexts, st.integers(1, 10))
def test_there_are_about_as_many_places_as_asked_for_and_all_end_as_the_context(
    parts: list[list[int]], context: list[int], most: int
) -> None:
    plain = joined(parts)
    for files in (plain, Segment.build(plain)):
        places = files.longest(np.array(context, dtype=np.uint32), most=most)
        assert len(places) <= 3 * most
        assert len(set(places.tolist())) == len(places)
        assert all(files.tokens[place] == context[-1] for place in places)


@given(files)
def test_files_can_be_taken_apart_again(parts: list[list[int]]) -> None:
    assert [(path, ids.tolist()) for path, ids in joined(parts).pieces()] == [
        (f"{number}.py", part) for number, part in enumerate(parts)
    ]


@given(files)
def test_every_place_belongs_to_its_file(parts: list[list[int]]) -> None:
    found = joined(parts)
    owners = [number for number, part in enumerate(parts) for _ in range(1 + len(part))]
    assert found.file_of(np.arange(len(owners))).tolist() == owners


def test_no_files_are_an_end_and_nothing_else() -> None:
    segment = Segment.build(Files.of([]))
    assert segment.tokens.tolist() == [END]
    assert segment.longest(np.array([5], dtype=np.uint32), most=10).tolist() == []


def test_a_large_vocabulary_leaves_room_for_few_lexemes_in_a_key() -> None:
    part = [*range(1, 40_000), 5, 6, 7, 39_999, 5, 6, 7]
    segment = Segment.build(joined([part]))
    context = np.array([39_998, 39_999, 5, 6, 7], dtype=np.uint32)
    # Place n holds the n-th lexeme, since an END comes first.
    assert {7, 40_002, 40_006} <= set(segment.longest(context, most=10).tolist())
    tokens = segment.tokens.tolist()
    keys = [key(tokens, place) for place in segment.order.tolist()]
    assert keys == sorted(keys)


def test_what_stands_around_a_place_is_filled_up_with_ends() -> None:
    found = joined([[5, 1, 6], [7]])
    assert found.tokens.tolist() == [END, 5, 1, 6, END, 7, END]
    places = np.array([1, 4])
    assert found.before(places, 4).tolist() == [[5, END, END, END], [END, 6, 1, 5]]
    assert found.after(places, 3).tolist() == [[1, 6, END], [7, END, END]]
    # A line ends at a break or with its file; the lexeme after a place belongs to it.
    assert found.line_ends(np.array([1, 2, 5])).tolist() == [2, 4, 6]


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_a_union_holds_every_place_once_in_order(one: list[int], other: list[int]) -> None:
    found = union(np.array(one, dtype=np.int64), np.array(other, dtype=np.int64))
    assert found.tolist() == sorted({*one, *other})
