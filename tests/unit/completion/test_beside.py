"""Snippets beside the cursor: chosen once for a place, and only for a backend that they help."""

from __future__ import annotations

import threading

import pytest

from codecompose_ls.completion.beside import SAME_PLACE_LINES, Beside
from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.completion.window import Window, window
from codecompose_ls.settings import Settings
from codecompose_ls.types import CompletionRequest, Context, Document, Snippet
from tests.fakes import FakeBackend

DOCUMENT = Document("file:///m.py", "m.py", "python", "import os\n\ntotal = \n", repository="shop")


class Finder:
    """Finds another snippet every time, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Context, int]] = []

    def __call__(self, context: Context, limit: int) -> tuple[Snippet, ...]:
        self.asked.append((context, limit))
        return (Snippet("a.py", f"found {len(self.asked)}"),)


def at_line(number: int, *, uri: str = "file:///m.py") -> Window:
    text = "line\n" * 200
    return window(Document(uri, "m.py", "python", text), 5 * number, limits=(700, 300))


async def test_stay_while_one_types_at_a_place() -> None:
    find = Finder()
    beside = Beside(find)
    first = await beside.choose(at_line(50), limit=400)
    assert first == (Snippet("a.py", "found 1"),)
    near = at_line(50 + SAME_PLACE_LINES - 1), at_line(50 - SAME_PLACE_LINES + 1)
    assert [await beside.choose(one, limit=400) for one in near] == [first, first]
    assert [limit for _, limit in find.asked] == [400]


async def test_are_chosen_anew_elsewhere() -> None:
    find = Finder()
    beside = Beside(find)
    texts = [
        (await beside.choose(one, limit=400))[0].text
        for one in (at_line(50), at_line(50 + SAME_PLACE_LINES), at_line(50), at_line(50, uri="file:///other.py"))
    ]
    assert texts == ["found 1", "found 2", "found 3", "found 4"]
    beside.forget("file:///m.py")
    assert (await beside.choose(at_line(50), limit=400))[0].text == "found 5"


async def test_are_not_looked_for_where_they_do_not_help() -> None:
    find = Finder()
    assert await Beside(find).choose(at_line(50), limit=0) == ()
    assert await Beside(None).choose(at_line(50), limit=400) == ()
    assert not find.asked


async def test_are_looked_for_again_while_there_are_none() -> None:
    answers = [(), (Snippet("a.py", "indexed by now"),), ()]
    beside = Beside(lambda context, limit: answers.pop(0))
    found = [await beside.choose(at_line(50), limit=400) for _ in range(3)]
    assert found == [(), (Snippet("a.py", "indexed by now"),), (Snippet("a.py", "indexed by now"),)]


async def test_that_take_too_long_are_for_the_next_request() -> None:
    released = threading.Event()

    def find(context: Context, limit: int) -> tuple[Snippet, ...]:
        released.wait()
        return (Snippet("a.py", "late"),)

    beside = Beside(find, patience_ms=1)
    assert await beside.choose(at_line(50), limit=400) == ()
    assert await beside.choose(at_line(51), limit=400) == ()
    released.set()
    while not (found := await beside.choose(at_line(52), limit=400)):
        pass
    assert found == (Snippet("a.py", "late"),)


async def test_that_cannot_be_found_cost_no_suggestion(caplog: pytest.LogCaptureFixture) -> None:
    def find(context: Context, limit: int) -> tuple[Snippet, ...]:
        raise OSError("the disk is gone")

    assert await Beside(find).choose(at_line(50), limit=400) == ()
    assert "the disk is gone" in caplog.text


async def test_reach_a_backend_that_they_help() -> None:
    find = Finder()
    for chars, expected in ((0, ()), (400, (Snippet("a.py", "found 1"),))):
        backend = FakeBackend("1")
        backend.snippet_chars = chars
        pipeline = Pipeline(backend, Settings(), beside=Beside(find))
        await pipeline.warm(DOCUMENT, 19)
        await pipeline.complete(CompletionRequest(DOCUMENT, 19))
        assert backend.asked[0].context.snippets == backend.warmed[0].snippets == expected
        assert backend.asked[0].context.repository == "shop"
        assert (await pipeline.context(DOCUMENT, 19)).snippets == expected
        pipeline.close()


async def test_a_backend_that_was_swapped_meanwhile_is_asked_by_its_own_name() -> None:
    swapped = FakeBackend("2", model="other")
    first = FakeBackend("1")
    first.snippet_chars = 400

    def find(context: Context, limit: int) -> tuple[Snippet, ...]:
        pipeline.swap(swapped)
        return ()

    pipeline = Pipeline(first, Settings(), beside=Beside(find))
    answer = await pipeline.complete(CompletionRequest(DOCUMENT, 19))
    assert answer.suggestion is not None
    assert (answer.suggestion.text, answer.suggestion.model) == ("2", "other")
    assert not first.asked
    pipeline.close()
