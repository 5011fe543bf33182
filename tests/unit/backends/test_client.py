"""The HTTP client against a real server: what is sent, streams, connections, hanging up, and what stays unsaid."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.circuit import State
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.request import Patience
from codecompose_ls.errors import BackendError
from tests.http_server import CUT, HANG, HttpServer, event, openai, stream, whole
from tests.unit.backends.conftest import ASK, END, HELLO, KEY, Connect, failure, read, text


async def test_what_is_sent(server: HttpServer, connect: Connect) -> None:
    server.answers.append(stream(HELLO, END))
    assert await text(connect(key=KEY)) == "hello"
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/completions", {"prompt": "print("})
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"].startswith("codecompose-ls/")


async def test_without_a_key_none_is_sent(server: HttpServer, connect: Connect) -> None:
    server.answers.append(stream(HELLO, END))
    await text(connect())
    assert "authorization" not in server.asked[0].headers


async def test_text_is_there_as_soon_as_it_is_sent(server: HttpServer, connect: Connect) -> None:
    more = asyncio.Event()
    server.answers.append(stream(HELLO, more, event({"content": " world"}), END))
    async with aclosing(connect().stream(ASK, read)) as pieces:
        assert (await anext(pieces)).text == "hello"
        more.set()
        assert (await anext(pieces)).text == " world"
        assert (await anext(pieces)).finish == "stop"


async def test_leaving_early_hangs_up(server: HttpServer, connect: Connect) -> None:
    server.answers.append(stream(HELLO, HANG))
    client = connect()
    async with aclosing(client.stream(ASK, read)) as pieces:
        assert (await anext(pieces)).text == "hello"
        assert not server.left.is_set()
    await asyncio.wait_for(server.left.wait(), 30)
    assert client.circuit.state is State.CLOSED
    assert client.notice == ""


@pytest.mark.parametrize("answer", [[HANG], stream(HANG), stream(HELLO, HANG)])
async def test_being_cancelled_hangs_up(server: HttpServer, connect: Connect, answer: Any) -> None:
    server.answers.append(answer)
    task = asyncio.ensure_future(text(connect()))
    while not server.asked:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait_for(server.left.wait(), 30)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_connection_is_used_again(server: HttpServer, connect: Connect) -> None:
    client = connect()
    server.answers += [openai("a"), openai("b"), stream(HELLO, END)]
    for _ in range(3):
        await text(client)
    assert server.connections == 1


async def test_a_connection_that_idled_and_was_closed_is_opened_again(server: HttpServer, connect: Connect) -> None:
    client = connect()
    server.answers += [stream(HELLO, END), [CUT], stream(HELLO, END)]
    assert [await text(client), await text(client)] == ["hello", "hello"]
    assert client.notice == ""


async def test_a_server_that_keeps_the_line_open_behind_its_last_word_is_not_waited_for(
    server: HttpServer, connect: Connect
) -> None:
    server.answers.append(stream(HELLO, END, HANG))
    assert await text(connect()) == "hello"
    await asyncio.wait_for(server.left.wait(), 30)


async def test_a_server_that_does_not_stream(server: HttpServer, connect: Connect) -> None:
    server.answers.append(whole({"content": "hello", "stop": True}))
    assert await text(connect()) == "hello"


async def test_neither_key_nor_code_is_logged(
    server: HttpServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers += [stream(HELLO, END), whole({"error": f"{KEY} print("}, status=400)]
    client = connect(key=KEY)
    await text(client)
    await failure(client)
    assert KEY not in caplog.text
    assert "print(" not in caplog.text


async def test_a_listing(server: HttpServer, connect: Connect) -> None:
    client = connect()
    assert await client.get("/models") == {"data": [{"id": "tiny"}]}
    server.listing = whole({"detail": "Not Found"}, status=404)
    with pytest.raises(BackendError, match="has no /models"):
        await client.get("/models")


async def test_closing_hangs_up(server: HttpServer, connect: Connect) -> None:
    server.answers.append(stream(HELLO, HANG))
    client = connect()
    task = asyncio.ensure_future(text(client))
    while not server.asked:
        await asyncio.sleep(0)
    await asyncio.to_thread(client.close)
    await asyncio.wait_for(server.left.wait(), 30)
    task.cancel()
    await asyncio.wait({task})


class Ready(httpx.AsyncByteStream):
    """An answer that has more to say as soon as it is let go on, and then never ends."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield HELLO
        await self.go_on.wait()
        yield HELLO
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("steps", range(12))
async def test_cancelling_is_never_lost_however_close_the_next_piece_is(steps: int) -> None:
    """What `asyncio.wait_for` does not promise before Python 3.12 (cpython issue 86296)."""
    body = Ready()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    patience = Patience(connect=5, read=5, write=5, pool=5, total=60)
    client = Client("http://127.0.0.1:1", key=ApiKey(""), patience=patience, transport=transport)
    begun = asyncio.Event()

    async def listen() -> None:
        async with aclosing(client.stream(ASK, read)) as pieces:
            async for _ in pieces:
                begun.set()

    listening = asyncio.ensure_future(listen())
    await begun.wait()
    body.go_on.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    listening.cancel()
    await asyncio.wait({listening}, timeout=5)
    assert listening.cancelled()
    await client.aclose()
