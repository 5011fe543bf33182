"""Remote first, the local engine while the server is down; nobody waits for a server that is known to be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.backend import Backend
from codecompose_ls.backends.circuit import State
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.fallback import Fallback
from codecompose_ls.backends.openai import OpenAI
from codecompose_ls.backends.remote import RemoteBackend
from codecompose_ls.backends.request import Patience
from codecompose_ls.errors import Cancelled, ModelError
from codecompose_ls.types import Context, Opening, Piece, Sampling
from tests.fakes import FakeBackend
from tests.http_server import CUT, HANG, HttpServer, event, openai, stream, whole

CONTEXT = Context("python", "a.py", "print(", ")\n", before="print(", after=")\n")
NEVER = threading.Event()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def remote(server: HttpServer, clock: Clock) -> AsyncIterator[RemoteBackend]:
    client = Client(server.url, key=ApiKey(""), patience=Patience(), clock=clock, sleep=clock.sleep)
    yield RemoteBackend(client, OpenAI(), name="far@host", model="far", template=None, context=2048)
    await client.aclose()


@pytest.fixture
def local() -> FakeBackend:
    return FakeBackend(model="near", reply=lambda context: "'near')")


@pytest.fixture
def backend(remote: RemoteBackend, local: FakeBackend) -> Fallback:
    return Fallback(remote, lambda: local)


async def pieces(backend: Backend, stop: threading.Event = NEVER) -> list[Piece]:
    ask = Sampling(max_tokens=8, opening=Opening.VISIBLE)
    return [piece async for piece in backend.stream(CONTEXT, ask, stop=stop)]


async def answer(backend: Backend) -> tuple[str, str]:
    """Return the text and who finished it."""
    made = await pieces(backend)
    return "".join(piece.text for piece in made), made[-1].model


async def looked(backend: Fallback) -> None:
    """Wait until it is known whether the server is there."""
    assert backend._look is not None
    await asyncio.wait({backend._look})


FAR, NEAR = ("'far')", "far@host"), ("'near')", "near")


async def test_while_the_server_is_there_the_local_model_is_not_even_loaded(
    server: HttpServer, remote: RemoteBackend
) -> None:
    def load() -> Backend:
        raise AssertionError

    backend = Fallback(remote, load)
    server.answers.append(openai("'far')"))
    assert await answer(backend) == FAR
    assert (backend.model, backend.notice, backend.idle) == ("far@host", "", False)
    backend.close()


async def test_a_server_that_is_down_is_stood_in_for_in_the_same_request(
    server: HttpServer, backend: Fallback, local: FakeBackend
) -> None:
    await server.stop()
    assert await answer(backend) == NEAR
    assert backend.notice.startswith(f"the model server at {server.url} cannot be reached (")
    assert backend.notice.endswith("is it running?; the local model answers")
    assert backend.model == "far@host"  # one failure is no rule: the next request asks again


async def test_three_failures_make_the_local_model_the_one_that_is_asked(
    server: HttpServer, backend: Fallback, local: FakeBackend, remote: RemoteBackend
) -> None:
    server.answers += [whole({}, status=500)] * 3
    for _ in range(5):
        assert await answer(backend) == NEAR
    assert len(server.asked) == 3
    assert (backend.model, backend.idle) == ("near", True)
    assert backend.window_chars == local.window_chars
    await backend.warm(CONTEXT)
    assert local.warmed == [CONTEXT]


async def test_it_is_back_after_a_look_and_a_trial(
    server: HttpServer, backend: Fallback, remote: RemoteBackend, clock: Clock
) -> None:
    server.answers += [whole({}, status=500)] * 3
    for _ in range(3):
        await answer(backend)
    clock.now += 5
    server.listing = [HANG]
    assert await answer(backend) == NEAR  # which does not wait for the look
    await server.stop()
    await looked(backend)
    assert remote.state is State.OPEN
    clock.now += 10
    server.listing = whole({"data": []})
    await server.start()
    assert await answer(backend) == NEAR
    await looked(backend)
    assert "the local model answers" in backend.notice
    server.answers += [openai("'far')"), openai("'far')")]
    assert [await answer(backend), await answer(backend)] == [FAR, FAR]
    assert (backend.model, backend.notice) == ("far@host", "")


async def test_a_trial_that_fails_is_followed_by_a_look_again(
    server: HttpServer, backend: Fallback, remote: RemoteBackend, clock: Clock
) -> None:
    server.answers += [whole({}, status=500)] * 4
    for _ in range(3):
        await answer(backend)
    clock.now += 5
    await answer(backend)
    await looked(backend)
    assert await answer(backend) == NEAR
    assert len([asked for asked in server.asked if asked.method == "POST"]) == 4
    assert remote.client.circuit.wait_s == 10
    clock.now += 10
    assert await answer(backend) == NEAR
    await looked(backend)
    assert len([asked for asked in server.asked if asked.method == "GET"]) == 2


async def test_what_a_remote_answer_has_said_before_it_breaks_off_is_gone_on_from(
    server: HttpServer, backend: Fallback, local: FakeBackend
) -> None:
    server.answers.append(stream(event({"choices": [{"text": "'far"}]}), CUT))
    local.reply = lambda context: " and near')"
    assert await answer(backend) == ("'far and near')", "near")
    (asked,) = local.asked
    assert (asked.context.prefix, asked.context.before) == ("print('far", "print('far")
    assert asked.sampling.opening is None
    assert "broke off" in backend.notice


async def test_who_has_left_is_not_stood_in_for(server: HttpServer, backend: Fallback, local: FakeBackend) -> None:
    stop, go_on = threading.Event(), asyncio.Event()
    server.answers.append([go_on, *whole({}, status=500)])
    request = asyncio.ensure_future(pieces(backend, stop))
    while not server.asked:
        await asyncio.sleep(0)
    stop.set()
    go_on.set()
    with pytest.raises(Cancelled):
        await request
    with pytest.raises(Cancelled):
        await pieces(backend, stop)
    assert len(server.asked) == 1
    assert local.asked == []


async def test_a_local_model_that_cannot_be_loaded(server: HttpServer, remote: RemoteBackend) -> None:
    def load() -> Backend:
        raise ModelError("no model 'gone'")

    await server.stop()
    with pytest.raises(ModelError, match="no model 'gone'"):
        await pieces(Fallback(remote, load))


async def test_a_request_that_is_cancelled_does_not_stop_the_loading(
    server: HttpServer, remote: RemoteBackend, local: FakeBackend
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load() -> Backend:
        begun.set()
        go_on.wait()
        return local

    backend = Fallback(remote, load)
    await server.stop()
    request = asyncio.ensure_future(pieces(backend))
    await asyncio.to_thread(begun.wait)
    request.cancel()
    await asyncio.wait({request})
    next_one = asyncio.ensure_future(answer(backend))
    await asyncio.sleep(0)
    go_on.set()
    assert await next_one == NEAR
    backend.close()
    assert local.is_closed
