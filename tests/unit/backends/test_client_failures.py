"""What is said and done when a server is down, slow, confused or busy: time-outs, retries, the circuit breaker."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.circuit import State
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.request import Patience, Request
from tests.http_server import CUT, HANG, HttpServer, event, stream, whole
from tests.unit.backends.conftest import ASK, END, HELLO, KEY, Connect, Timer, failure, text


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
