"""A chat server that says nothing: whether it is there at all."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from codecompose_ls.backends import chat
from codecompose_ls.backends.chat import RemoteChat
from codecompose_ls.backends.circuit import FAILURES, State
from codecompose_ls.backends.connect import connect_chat
from codecompose_ls.backends.dialect import Message
from codecompose_ls.errors import BackendError
from codecompose_ls.settings import Settings
from codecompose_ls.types import Sampling
from tests.http_server import HANG, HttpServer, talk, whole


@pytest_asyncio.fixture
async def remote(server: HttpServer) -> AsyncIterator[RemoteChat]:
    connected = connect_chat(Settings(chat="openai", chat_url=f"{server.url}/v1", chat_model="tiny"))
    assert isinstance(connected, RemoteChat)
    yield connected
    await connected.client.aclose()


@pytest.mark.parametrize(
    "listing",
    [
        whole({"data": []}),
        whole({"detail": "Not Found"}, status=404),
        whole({"error": "loading"}, status=503),
        whole(b"?", kind="text/html"),
    ],
)
async def test_any_answer_at_all_is_a_sign_of_life(server: HttpServer, remote: RemoteChat, listing: Any) -> None:
    server.listing = listing
    await remote.look()
    assert [asked.path for asked in server.asked] == ["/v1/models"]
    assert remote.client.notice == ""


async def test_a_server_without_one_is_said_to_be_so_and_left_alone_in_the_end(
    server: HttpServer, remote: RemoteChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LOOK", replace(chat.LOOK, read=0.05))
    server.listing = [HANG]
    line = f"the model server at {server.url}/v1 says nothing and gives no sign of life"
    for _ in range(FAILURES):
        with pytest.raises(BackendError) as caught:
            await remote.look()
        assert str(caught.value) == line
    assert remote.client.circuit.state is State.OPEN
    pieces = remote.chat([Message("user", "hello")], Sampling(), stop=threading.Event())
    with pytest.raises(BackendError, match="gives no sign of life; it is left alone for 5 s"):
        await anext(pieces)


async def test_one_that_cannot_be_reached_is_said_to_be_so(server: HttpServer, remote: RemoteChat) -> None:
    await server.stop()
    with pytest.raises(BackendError, match=r"cannot be reached \(Connection refused\): is it running\?"):
        await remote.look()
    await server.start()


async def test_looking_does_not_disturb_an_answer(server: HttpServer, remote: RemoteChat) -> None:
    server.answers.append(talk("It ", "doubles."))
    said = []
    async with aclosing(remote.chat([Message("user", "hello")], Sampling(), stop=threading.Event())) as pieces:
        async for piece in pieces:
            await remote.look()
            said.append(piece.text)
    assert "".join(said) == "It doubles."
