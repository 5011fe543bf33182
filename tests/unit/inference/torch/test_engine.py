"""Many requests in one batch: each row says what it would say alone, and what the library itself says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from codecompose_ls.errors import Cancelled, EngineError, ModelError
from codecompose_ls.inference.decoding import Token
from codecompose_ls.inference.torch import adapters, batch, engine
from codecompose_ls.inference.torch.adapters import Adapters
from codecompose_ls.inference.torch.engine import Request, TorchEngine
from codecompose_ls.inference.torch.network import load_network
from codecompose_ls.types import Opening, Prompt, Sampling
from tests.torch_models import Family, family, reference

GREEDY = Sampling(max_tokens=8)


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2"])
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    return family(tmp_path_factory.mktemp("models"), request.param)


@pytest.fixture(scope="module")
def torch_engine(models: Family) -> Iterator[TorchEngine]:
    running = TorchEngine(load_network(models.base, device="cpu"))
    yield running
    running.close()


def prompt(length: int, *, first: int = 20, stops: frozenset[int] = frozenset()) -> Prompt:
    return Prompt(tuple(first + place * 7 % 400 for place in range(length)), stops)


async def answer(running: TorchEngine, request: Request) -> list[Token]:
    return [token async for token in running.run(request, stop=threading.Event())]


async def answers(running: TorchEngine, requests: list[Request]) -> list[list[Token]]:
    return await asyncio.gather(*(answer(running, request) for request in requests))


def ids(tokens: list[Token]) -> list[int]:
    return [token.id for token in tokens]


async def test_base_lora_and_prefix_in_one_batch_say_what_the_library_says(
    models: Family, torch_engine: TorchEngine
) -> None:
    """The library feeds the whole text anew for each token, and has one adapter at a time."""
    adapters = [None, models.lora, models.prefix, models.other_lora, None, models.other_prefix]
    requests = [Request(prompt(5 + 9 * place, first=place), GREEDY, adapter) for place, adapter in enumerate(adapters)]
    for request, tokens in zip(requests, await answers(torch_engine, requests), strict=True):
        expected = reference(models.base, request.adapter, request.prompt.token_ids, len(tokens))
        assert ids(tokens) == [number for number, _ in expected]
        np.testing.assert_allclose([token.logprob for token in tokens], [logprob for _, logprob in expected], atol=1e-3)
        assert [token.finish for token in tokens] == [None] * 7 + ["length"]


async def test_a_row_in_a_mixed_batch_equals_the_same_request_alone(models: Family, torch_engine: TorchEngine) -> None:
    adapters = [None, models.lora, models.prefix, models.other_lora, models.other_prefix]
    requests = [
        Request(
            prompt(3 + 11 * place, first=50 + place),
            Sampling(
                max_tokens=3 + 2 * place, temperature=place % 3 / 2, top_p=0.9, top_k=40 * (place % 2), seed=place
            ),
            adapters[place % len(adapters)],
        )
        for place in range(6)
    ]
    alone = [await answer(torch_engine, request) for request in requests]
    for one, together in zip(alone, await answers(torch_engine, requests), strict=True):
        assert ids(one) == ids(together)
        np.testing.assert_allclose([token.logprob for token in one], [token.logprob for token in together], atol=1e-3)


# What follows is about the engine, whatever the architecture.


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return family(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture
def running(llama: Family) -> Iterator[TorchEngine]:
    running = TorchEngine(load_network(llama.base, device="cpu"))
    yield running
    running.close()


async def test_a_request_joins_while_others_are_answered_and_leaves_before_them(
    llama: Family, running: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Request(prompt(40), Sampling(max_tokens=40), llama.prefix)
    short = Request(prompt(9), Sampling(max_tokens=3), llama.lora)
    expected = await answer(running, long), await answer(running, short)
    order, found = [], []
    steps, step = threading.Semaphore(0), batch.Batch.step

    def paced(self: batch.Batch, adapters: Adapters) -> object:
        steps.acquire()
        return step(self, adapters)

    monkeypatch.setattr(batch.Batch, "step", paced)
    async with aclosing(running.run(long, stop=threading.Event())) as tokens:
        async for token in tokens:
            found.append(token)
            steps.release()
            if len(found) == 5:
                late = asyncio.create_task(answer(running, short))
                late.add_done_callback(lambda _: order.append("short"))
            if token.finish:
                order.append("long")
    assert ids(found) == ids(expected[0])
    assert ids(await late) == ids(expected[1])
    assert order == ["short", "long"]


async def test_a_long_prompt_is_read_in_pieces_between_the_steps_of_others(
    llama: Family, running: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(prompt(50), GREEDY, llama.prefix)
    whole = await answer(running, request)
    monkeypatch.setattr(batch, "CHUNK", 7)
    assert ids(await answer(running, request)) == ids(whole)


async def test_more_requests_than_rows_wait_for_their_turn(
    running: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_ROWS", 2)
    requests = [Request(prompt(5 + place), Sampling(max_tokens=6)) for place in range(5)]
    alone = [await answer(running, request) for request in requests]
    assert list(map(ids, await answers(running, requests))) == list(map(ids, alone))


async def test_a_stop_token_ends_its_own_row_alone(running: TorchEngine) -> None:
    free = await answer(running, Request(prompt(12), GREEDY))
    stopping = Request(prompt(12, stops=frozenset({free[4].id})), GREEDY)
    place = ids(free).index(free[4].id)
    stopped, other = await answers(running, [stopping, Request(prompt(12), GREEDY)])
    assert ids(stopped) == ids(free)[: place + 1]
    assert (stopped[-1].finish, ids(other)) == ("stop", ids(free))


async def test_an_answer_ends_where_the_positions_end(llama: Family, running: TorchEngine) -> None:
    assert len(await answer(running, Request(prompt(250), Sampling(max_tokens=64)))) == 6
    assert len(await answer(running, Request(prompt(245), Sampling(max_tokens=64), llama.prefix))) == 6
    with pytest.raises(EngineError, match="the limit is 250"):
        await answer(running, Request(prompt(251), GREEDY, llama.prefix))


@pytest.mark.parametrize("wanted", [1, 5])
async def test_who_leaves_or_stops_frees_the_row(running: TorchEngine, wanted: int) -> None:
    endless, stop = Request(prompt(10), Sampling(max_tokens=200)), threading.Event()
    async with aclosing(running.run(endless, stop=threading.Event())) as tokens:
        for _ in range(wanted):
            await anext(tokens)
    with pytest.raises(Cancelled):
        async for _ in running.run(endless, stop=stop):
            stop.set()
    assert running.idle
    rows = [running.rows async for _ in running.run(Request(prompt(10), GREEDY), stop=threading.Event())]
    assert max(rows) <= 1


async def test_a_request_that_matters_more_ends_those_that_matter_less(running: TorchEngine) -> None:
    endless = Request(prompt(10), Sampling(max_tokens=200))
    speculation = running.run(endless, priority=2, stop=threading.Event())
    await anext(speculation)
    assert running.idle
    assert len(await answer(running, Request(prompt(10), GREEDY))) == 8
    with pytest.raises(Cancelled):
        async for _ in speculation:
            pass


async def test_a_failure_reaches_those_in_the_batch_and_the_next_request_is_answered(
    llama: Family, running: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(batch.Batch, "step", fail)
        failures = await asyncio.gather(
            *(answer(running, Request(prompt(10), GREEDY)) for _ in range(3)), return_exceptions=True
        )
    assert all(isinstance(failure, EngineError) and "no memory" in str(failure) for failure in failures)
    assert len(await answer(running, Request(prompt(10), GREEDY, llama.lora))) == 8


async def test_an_adapter_of_another_base_is_refused_and_others_go_on(
    llama: Family, running: TorchEngine, tmp_path: Path
) -> None:
    strange = family(tmp_path, "llama", seed=7)
    good, bad, gone = await asyncio.gather(
        answer(running, Request(prompt(10), GREEDY, llama.lora)),
        answer(running, Request(prompt(10), GREEDY, strange.lora)),
        answer(running, Request(prompt(10), GREEDY, tmp_path / "none")),
        return_exceptions=True,
    )
    assert isinstance(good, list) and len(good) == 8
    assert isinstance(bad, ModelError) and "tuned on another base" in str(bad)
    assert isinstance(gone, ModelError) and "no adapter at" in str(gone)


async def test_adapters_used_longest_ago_make_room(
    llama: Family, running: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "KEPT", 1)
    turns = [llama.lora, llama.prefix, llama.other_lora, llama.lora, None]
    requests = [Request(prompt(10), GREEDY, adapter) for adapter in turns]
    alone = [await answer(running, request) for request in requests]
    assert ids(alone[0]) == ids(alone[3])
    assert len(running._adapters._attached) == 1
    # Those in use stay, whatever their number.
    assert list(map(ids, await answers(running, requests))) == list(map(ids, alone))


async def test_an_answer_that_must_show_something_begins_with_none_of_what_is_ruled_out(running: TorchEngine) -> None:
    first = (await answer(running, Request(prompt(10), GREEDY)))[0].id
    ruled_out = {opening: np.array([first]) for opening in Opening}
    sampling = Sampling(max_tokens=4, opening=Opening.NEW_LINE)
    asked = Request(prompt(10, stops=frozenset({1})), sampling, ruled_out=ruled_out)
    assert (await answer(running, asked))[0].id != first


class Parrot:
    """A prior that is all but sure of one token."""

    def next(self, tokens: object) -> tuple[np.ndarray, np.ndarray, float]:
        return np.array([77]), np.array([1.0], np.float32), 0.99


async def test_a_prior_speaks_for_its_own_row_alone(running: TorchEngine) -> None:
    free = await answer(running, Request(prompt(10), GREEDY))
    told, other = await answers(running, [Request(prompt(10), GREEDY, prior=Parrot()), Request(prompt(10), GREEDY)])
    assert ids(told) == [77] * 8
    assert told[0].logprob == pytest.approx(np.log(0.99), abs=0.02)
    assert ids(other) == ids(free)


async def test_closing_cancels_all(llama: Family) -> None:
    running = TorchEngine(load_network(llama.base, device="cpu"))
    tokens = running.run(Request(prompt(10), Sampling(max_tokens=200)), stop=threading.Event())
    await anext(tokens)
    await asyncio.to_thread(running.close)
    with pytest.raises(Cancelled):
        async for _ in tokens:
            pass
    with pytest.raises(EngineError, match="closed"):
        await answer(running, Request(prompt(10), GREEDY))
