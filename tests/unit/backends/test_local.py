"""The local backend: contexts in, text out, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codecompose_ls.backends.backend import Backend, Priority
from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.errors import Cancelled, EngineError, ModelError
from codecompose_ls.inference.session import Session
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.models.model import Array
from codecompose_ls.types import Context, Opening, Piece, Sampling, Snippet
from tests.models import silent_model, tiny_model

CONTEXT = Context("python", "src/stack.py", "class Stack:\n    def __init__(", "\n        self.items = []\n")
EIGHT = Sampling(max_tokens=8)
NEVER = threading.Event()


@pytest.fixture(scope="module")
def loaded(tiny: Path) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny)
    yield backend
    backend.close()


class Steps:
    """A prior without opinion, before which each token waits to be allowed."""

    def __init__(self) -> None:
        self._allowed = threading.Semaphore(0)
        self.taken = 0

    def allow(self, count: int) -> None:
        self._allowed.release(count)

    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        assert self._allowed.acquire(timeout=30)
        self.taken += 1
        return np.array([], np.int64), np.array([], np.float32), 0.0


class Says:
    """A prior that knows the text, token by token, and is not quite sure of it."""

    def __init__(self, ids: Sequence[int], prompt_tokens: int) -> None:
        self._ids, self._prompt_tokens = ids, prompt_tokens

    def next(self, tokens: Sequence[int]) -> tuple[NDArray[np.int64], Array, float]:
        place = min(len(tokens) - self._prompt_tokens, len(self._ids) - 1)
        return np.array([self._ids[place]]), np.array([1.0], np.float32), 0.5


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def stepped(tiny: Path, steps: Steps) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny, prior_of=lambda context, **_: steps)
    yield backend
    backend.close()


async def pieces(backend: Backend, context: Context = CONTEXT, sampling: Sampling = EIGHT) -> list[Piece]:
    return [piece async for piece in backend.stream(context, sampling, stop=NEVER)]


async def text(backend: Backend, context: Context = CONTEXT, sampling: Sampling = EIGHT) -> str:
    return "".join(piece.text for piece in await pieces(backend, context, sampling))


async def test_it_streams_a_piece_for_each_token(loaded: LocalBackend) -> None:
    made = await pieces(loaded)
    assert [piece.finish for piece in made] == [None] * 7 + ["length"]
    assert any(piece.text for piece in made)
    assert all(piece.logprob < 0 for piece in made)


@pytest.mark.parametrize(
    ("opening", "answer"),
    [(None, ""), (Opening.VISIBLE, "print"), (Opening.SPACE, "    print"), (Opening.NEW_LINE, "\n    print")],
)
async def test_a_model_that_would_say_nothing_says_what_the_opening_asks_for(
    opening: Opening | None, answer: str, tmp_path: Path
) -> None:
    backend = LocalBackend(silent_model(tmp_path))
    made = await pieces(backend, sampling=Sampling(opening=opening))
    assert "".join(piece.text for piece in made) == answer
    assert made[-1].finish == "stop"
    backend.close()


async def test_the_same_context_gets_the_same_answer_cold_warm_and_after_others(tiny: Path) -> None:
    backend = LocalBackend(tiny)
    cold = await text(backend)
    await backend.warm(CONTEXT)
    assert await text(backend) == cold
    for typed in ("self", "self, items"):
        await text(backend, replace(CONTEXT, prefix=CONTEXT.prefix + typed))
    await text(backend, replace(CONTEXT, path="src/other.py", prefix="import os\n"))
    assert await text(backend) == cold
    backend.close()


async def test_what_stands_around_the_cursor_matters(loaded: LocalBackend) -> None:
    answers = {
        await text(loaded, context)
        for context in (
            CONTEXT,
            replace(CONTEXT, prefix="for index in "),
            replace(CONTEXT, suffix=""),
            replace(CONTEXT, language="go"),
        )
    }
    assert len(answers) == 4


async def test_warming_leaves_only_the_answer_to_do(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    feed = Session.feed

    def counted(self: Session, ids: tuple[int, ...], *, rows: int = 1) -> object:
        fed.append(len(ids))
        return feed(self, ids, rows=rows)

    monkeypatch.setattr(Session, "feed", counted)
    backend = LocalBackend(tiny)
    await backend.warm(CONTEXT)
    assert sum(fed) > 20
    fed.clear()
    await text(backend, sampling=Sampling(max_tokens=1))
    assert not fed  # the one token of the answer follows from what is known
    await text(backend)
    fed.clear()
    await backend.warm(CONTEXT)
    assert not fed  # and what was generated is not forgotten for it
    backend.close()


@pytest.mark.parametrize("prefix", ["x = ", "x = 1\n"])
async def test_where_one_line_is_asked_for_it_says_no_more(tiny: Path, prefix: str) -> None:
    def prior_of(context: Context, *, tokenizer: Tokenizer, prompt_tokens: int, end: int) -> Says:
        return Says(tokenizer.encode("\n\nfirst\nsecond\nthird\n"), prompt_tokens)

    backend, sampling = LocalBackend(tiny, prior_of=prior_of), Sampling(max_tokens=40)
    assert await text(backend, Context("python", "a.py", prefix, ""), sampling) == "\n\nfirst\n"
    every = await text(backend, Context("python", "a.py", prefix, "", multiline=True), sampling)
    assert every.startswith("\n\nfirst\nsecond\nthird\n")
    backend.close()


async def test_a_context_larger_than_the_window_is_cut_to_it(loaded: LocalBackend) -> None:
    huge = replace(CONTEXT, prefix="print(value)\n" * 5000, suffix="print(index)\n" * 5000)
    assert await pieces(loaded, huge)


def test_the_window_leaves_room_for_header_and_answer(tmp_path: Path) -> None:
    backend = LocalBackend(tiny_model(tmp_path, context=1024))
    before, after = backend.window_chars
    # (1024 - 64 for the answer - 32 for the header) tokens of 4 characters, 70 : 30.
    assert (before, after) == (2598, 1114)
    backend.close()


async def test_snippets_are_for_models_that_say_they_help(tmp_path: Path) -> None:
    told = replace(CONTEXT, snippets=(Snippet("src/values.py", "value = 3\n"),))
    answers = []
    for helped, chars in ((False, 0), (True, 960)):
        folder = tiny_model(tmp_path / str(helped), context=1024)
        metadata = json.loads((folder / "codecompose.json").read_text())
        (folder / "codecompose.json").write_text(json.dumps({**metadata, "snippets": helped}))
        backend = LocalBackend(folder)
        # A quarter of 1024 - 64 tokens of 4 characters.
        assert backend.snippet_chars == chars
        answers += [await text(backend), await text(backend, told)]
        backend.close()
    assert answers[0] == answers[2] != answers[1] == answers[3]


async def test_a_set_stop_cancels_before_the_next_token(stepped: LocalBackend, steps: Steps) -> None:
    stop = threading.Event()
    stream = stepped.stream(CONTEXT, EIGHT, stop=stop)
    steps.allow(1)
    await anext(stream)
    stop.set()
    steps.allow(100)
    with pytest.raises(Cancelled):
        await anext(stream)
    assert steps.taken <= 2


async def test_a_consumer_that_leaves_stops_the_generation(stepped: LocalBackend, steps: Steps) -> None:
    steps.allow(1)
    async with aclosing(stepped.stream(CONTEXT, EIGHT, stop=NEVER)) as stream:
        await anext(stream)
    steps.allow(100)
    assert len(await pieces(stepped)) == 8
    assert steps.taken <= 2 + 8


async def test_a_request_takes_over_from_speculation(stepped: LocalBackend, steps: Steps) -> None:
    speculation = stepped.stream(CONTEXT, EIGHT, stop=NEVER, priority=Priority.SPECULATE)
    steps.allow(1)
    await anext(speculation)
    request = asyncio.create_task(pieces(stepped))
    await asyncio.sleep(0)
    steps.allow(100)
    assert len(await request) == 8
    with pytest.raises(Cancelled):
        await anext(speculation)
    assert steps.taken <= 2 + 8


async def test_two_requests_at_once_both_get_their_answer(loaded: LocalBackend) -> None:
    other = replace(CONTEXT, prefix="for index in ")
    alone = [await text(loaded), await text(loaded, other)]
    assert await asyncio.gather(text(loaded), text(loaded, other)) == alone


async def test_after_a_failure_the_next_request_is_answered(
    loaded: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await text(loaded)
    with monkeypatch.context() as patch:
        patch.setattr("codecompose_ls.backends.local.build_prompt", lambda *_, **__: 1 / 0)
        with pytest.raises(EngineError, match="ZeroDivisionError"):
            await text(loaded)
        await loaded.warm(CONTEXT)  # never raises
    assert await text(loaded) == before


async def test_closed_it_says_so(tiny: Path) -> None:
    backend = LocalBackend(tiny)
    backend.close()
    with pytest.raises(EngineError, match="closed"):
        await text(backend)
    await backend.warm(CONTEXT)


async def test_it_is_idle_but_while_it_answers(stepped: LocalBackend, steps: Steps) -> None:
    assert stepped.idle
    stream = stepped.stream(CONTEXT, EIGHT, stop=NEVER)
    steps.allow(1)
    await anext(stream)
    assert not stepped.idle
    await stream.aclose()
    assert stepped.idle  # what is left of it gives way at the next token
    steps.allow(1)


async def test_speculation_leaves_it_idle(stepped: LocalBackend, steps: Steps) -> None:
    speculation = stepped.stream(CONTEXT, EIGHT, stop=NEVER, priority=Priority.SPECULATE)
    steps.allow(1)
    await anext(speculation)
    assert stepped.idle
    await speculation.aclose()
    steps.allow(1)


def test_weights_have_a_name_of_their_own(tmp_path: Path) -> None:
    names = []
    for seed in (0, 1):
        backend = LocalBackend(tiny_model(tmp_path / str(seed) / "model", seed=seed))
        names.append(backend.model)
        backend.close()
    assert names[0] != names[1]
    assert all(name.startswith("model@") for name in names)


def test_an_unknown_family(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    metadata = json.loads((folder / "codecompose.json").read_text())
    (folder / "codecompose.json").write_text(json.dumps(metadata | {"family": "unheard-of"}))
    with pytest.raises(ModelError, match="family 'unheard-of'; we know codecompose, "):
        LocalBackend(folder)


def test_a_family_whose_sentinels_the_tokenizer_lacks(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    metadata = json.loads((folder / "codecompose.json").read_text())
    (folder / "codecompose.json").write_text(json.dumps(metadata | {"family": "codestral"}))
    with pytest.raises(ModelError, match="has no token"):
        LocalBackend(folder)


def test_not_enough_memory(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("codecompose_ls.inference.session.np.zeros", exhausted)
    with pytest.raises(EngineError, match="not enough memory"):
        LocalBackend(tiny)


def test_a_damaged_model_leaves_no_thread_behind(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    (folder / "model.safetensors").write_bytes(b"")
    before = threading.active_count()
    with pytest.raises(ModelError):
        LocalBackend(folder)
    assert threading.active_count() == before
