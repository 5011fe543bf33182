"""The HTTP client against a real server: streams, time-outs, retries, hanging up, and what is said of failures."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest
import pytest_asyncio

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.circuit import State
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.events import Json, text_at
from codecompose_ls.backends.request import Patience, Request
from codecompose_ls.errors import BackendError
from codecompose_ls.types import Piece
from tests.http_server import CUT, HANG, HttpServer, event, openai, stream, whole

KEY = "sk-unmistakable-0123456789"
ASK = Request("/completions", {"prompt": "print("}, {"logprobs": None, "max_tokens": "max_completion_tokens"})
HELLO = event({"content": "hello"})
END = event({"content": "", "stop": True})


def read(answer: Json) -> Piece | None:
    return Piece(text_at(answer, "content"), finish="stop" if answer.get("stop") else None)


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


# What goes wrong.


async def test_nobody_listens(connect: Connect, timer: Timer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        message = await failure(connect(url))
    assert message == f"the model server at {url} cannot be reached (Connection refused): is it running?"
    assert timer.slept == [0.1]


async def test_a_host_that_nobody_knows(connect: Connect) -> None:
    message = await failure(connect("http://nobody.invalid"))
    assert message.startswith("the model server at http://nobody.invalid cannot be reached (")
    assert "All connection attempts" not in message


async def test_a_server_that_starts_just_now_gets_a_second_try(server: HttpServer, timer: Timer) -> None:
    await server.stop()

    async def start(_: float) -> None:
        await server.start()

    client = Client(server.url, key=ApiKey(""), patience=Patience(), clock=timer, sleep=start)
    server.answers.append(stream(HELLO, END))
    assert await text(client) == "hello"
    await client.aclose()


async def test_slow_headers(server: HttpServer, connect: Connect) -> None:
    server.answers.append([HANG])
    assert (await failure(connect(read=0.05))).endswith("has said nothing for 0.05 s")
    assert len(server.asked) == 1  # it is busy with the first: no second one
    await asyncio.wait_for(server.left.wait(), 30)


async def test_silence_in_the_midst_of_an_answer(server: HttpServer, connect: Connect) -> None:
    server.answers.append(stream(HELLO, HANG))
    assert (await failure(connect(read=0.05))).endswith("has said nothing for 0.05 s")
    await asyncio.wait_for(server.left.wait(), 30)


async def test_an_answer_that_drips(server: HttpServer, connect: Connect) -> None:
    server.answers.append(stream(HELLO, HANG))
    client = connect(total=0.05)
    message = await failure(client)
    assert message.endswith("was not done within 0.05 s")
    await asyncio.wait_for(server.left.wait(), 30)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (stream(HELLO, CUT), "broke off (peer closed connection"),
        (stream(HELLO), "stopped in the midst of its answer"),
        (whole(b'{"content": "hel'), "nonsense: what it sends is not JSON"),
        (whole(b"<html>", kind="text/html"), "answers nonsense: what it sends is no answer"),
        (stream(HELLO, event({"error": {"message": f"lost\n\x1b[0m{KEY}"}})), "says: lost [0m***"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n", CUT], "broke off ("),
        ([b"HTTP/1.1 200 OK\r\n", CUT], "broke off ("),
        (whole({}, status=500), "answers 500"),
        (whole({"error": "x" * 1000}, status=500), "x…)"),
        (whole(b"x" * 100_000, status=502), "answers 502"),
        (whole(b"", status=302, headers="Location: http://evil.example\r\n"), "answers 302"),
        (whole({"error": {"message": "no model 'y'"}}, status=404), "not the model asked for (no model 'y')"),
        (whole({"error": {"message": f"bad key {KEY}"}}, status=401), "refuses the API key (bad key ***)"),
        (
            whole({"error": {"message": "suffix is not currently supported"}}, status=400),
            "cannot fill in itself (suffix is not currently supported): set 'backend_template' to the model's family",
        ),
    ],
)
async def test_each_failure_has_one_clear_line(server: HttpServer, connect: Connect, answer: Any, message: str) -> None:
    server.answers += [answer, answer]
    client = connect(key=KEY)
    assert message in await failure(client)
    assert message in client.notice


async def test_a_server_that_wants_a_key(server: HttpServer, connect: Connect) -> None:
    server.answers.append(whole({}, status=401))
    assert (await failure(connect())).endswith("wants an API key: set CODECOMPOSE_API_KEY or the keyring")


async def test_a_compressed_bomb_is_not_unfolded(server: HttpServer, connect: Connect) -> None:
    import gzip

    packed = gzip.compress(b"data: " + b"x" * 10_000_000)
    server.answers.append(whole(packed, kind="text/event-stream", headers="Content-Encoding: gzip\r\n"))
    message = await failure(connect())
    assert "nonsense" in message or "stopped in the midst" in message  # whatever its bytes happen to look like


async def test_too_many_requests_are_asked_again_when_the_server_says_so(
    server: HttpServer, connect: Connect, timer: Timer
) -> None:
    busy = whole({"error": "slow down"}, status=429, headers="Retry-After: 1\r\n")
    server.answers += [busy, stream(HELLO, END)]
    assert await text(connect()) == "hello"
    assert timer.slept == [1.0]


@pytest.mark.parametrize("after", ["", "Retry-After: 60\r\n", "Retry-After: Fri, 31 Dec 2027 23:59:59 GMT\r\n"])
async def test_otherwise_they_are_not(server: HttpServer, connect: Connect, timer: Timer, after: str) -> None:
    server.answers.append(whole({"error": "slow down"}, status=503, headers=after))
    client = connect()
    message = await failure(client)
    assert "is busy" in message and "slow down" in message
    assert timer.slept == []
    assert client.circuit.state is (State.OPEN if "60" in after else State.CLOSED)


async def test_after_the_first_byte_nothing_is_asked_again(server: HttpServer, connect: Connect) -> None:
    server.answers += [stream(HELLO, CUT), stream(HELLO, END)]
    await failure(connect())
    assert len(server.asked) == 1


async def test_three_failures_leave_the_server_alone_until_a_trial(
    server: HttpServer, connect: Connect, timer: Timer
) -> None:
    client = connect()
    server.answers += [whole({}, status=500)] * 3
    for _ in range(3):
        await failure(client)
    assert (await failure(client)).endswith("answers 500; it is left alone for 5 s")
    assert len(server.asked) == 3
    timer.now += 5
    server.answers.append(stream(HELLO, END))
    assert await text(client) == "hello"
    assert client.circuit.state is State.CLOSED
    assert client.notice == ""


async def test_a_field_that_a_server_refuses_is_not_sent_again(server: HttpServer, connect: Connect) -> None:
    client = connect()
    refusal = whole({"error": {"message": "Unrecognized request argument supplied: logprobs"}}, status=400)
    other = whole(
        {"error": {"message": "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens'"}}, status=400
    )
    server.answers += [refusal, other, stream(HELLO, END), stream(HELLO, END)]
    request = Request("/completions", {"prompt": "x", "logprobs": 1, "max_tokens": 9}, ASK.optional)
    assert [await text(client, request), await text(client, request)] == ["hello", "hello"]
    assert [asked.body for asked in server.asked[2:]] == [{"prompt": "x", "max_completion_tokens": 9}] * 2


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
