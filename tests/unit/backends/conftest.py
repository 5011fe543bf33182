"""A server for each test that asks for one, and clients of it that need not wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.events import Json, text_at
from codecompose_ls.backends.request import Patience, Request
from codecompose_ls.errors import BackendError
from codecompose_ls.types import Piece
from tests.http_server import HttpServer, event

KEY = "sk-unmistakable-0123456789"
ASK = Request("/completions", {"prompt": "print("}, {"logprobs": None, "max_tokens": "max_completion_tokens"})
HELLO = event({"content": "hello"})
END = event({"content": "", "stop": True})


def read(answer: Json) -> Piece | None:
    return Piece(text_at(answer, "content"), finish="stop" if answer.get("stop") else None)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as server:
        yield server


class Timer:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def timer() -> Timer:
    return Timer()


Connect = Callable[..., Client]


@pytest_asyncio.fixture
async def connect(server: HttpServer, timer: Timer) -> AsyncIterator[Connect]:
    clients = []

    def make(url: str = "", *, key: str = "", **patience: float) -> Client:
        # Generous, so that only a test that shortens one of them can meet it.
        steps = {"connect": 30.0, "read": 30.0, "write": 30.0, "pool": 30.0, "total": 60.0, **patience}
        clients.append(
            Client(url or server.url, key=ApiKey(key), patience=Patience(**steps), clock=timer, sleep=timer.sleep)
        )
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


async def text(client: Client, request: Request = ASK) -> str:
    return "".join([piece.text async for piece in client.stream(request, read)])


async def failure(client: Client, request: Request = ASK) -> str:
    with pytest.raises(BackendError) as caught:
        await text(client, request)
    message = str(caught.value)
    assert "\n" not in message
    assert KEY not in message
    return message
