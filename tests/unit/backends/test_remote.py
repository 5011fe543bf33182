"""The remote backend: what leaves the machine, and what is made of what comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.chat import RemoteChat
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.dialect import Message
from codecompose_ls.backends.ollama import Ollama
from codecompose_ls.backends.openai import OpenAI
from codecompose_ls.backends.remote import RemoteBackend
from codecompose_ls.backends.request import Patience
from codecompose_ls.errors import BackendError, Cancelled
from codecompose_ls.prompt.templates import QWEN25_CODER, FimTemplate
from codecompose_ls.types import Context, Piece, Sampling, Snippet
from tests.http_server import CUT, HANG, HttpServer, event, openai, stream, whole

TOKEN = "ghp_" + "a1B2" * 9
CONTEXT = Context("python", "src/app.py", f"token = '{TOKEN}'\nprint(", f")\nother = '{TOKEN}'\n")
NEVER = threading.Event()
ASK = Sampling(max_tokens=8)


@pytest_asyncio.fixture
async def client(server: HttpServer) -> AsyncIterator[Client]:
    client = Client(server.url, key=ApiKey(""), patience=Patience())
    yield client
    await client.aclose()


def remote(client: Client, template: FimTemplate | None = None) -> RemoteBackend:
    return RemoteBackend(client, OpenAI(), name="qwen@host", model="qwen", template=template, context=2048)


async def pieces(backend: RemoteBackend, context: Context = CONTEXT) -> list[Piece]:
    return [piece async for piece in backend.stream(context, ASK, stop=NEVER)]


async def text(backend: RemoteBackend) -> str:
    return "".join(piece.text for piece in await pieces(backend))


async def test_text_comes_with_the_name_of_who_said_it(server: HttpServer, client: Client) -> None:
    server.answers.append(openai("'a'", ", 'b'"))
    made = await pieces(remote(client))
    assert [piece.text for piece in made] == ["'a'", ", 'b'", ""]
    assert {piece.model for piece in made} == {"qwen@host"}
    assert made[-1].finish == "stop"


@pytest.mark.parametrize("template", [None, QWEN25_CODER])
async def test_no_secret_is_sent(server: HttpServer, client: Client, template: FimTemplate | None) -> None:
    server.answers.append(openai("x"))
    await pieces(remote(client, template))
    sent = json.dumps(server.asked[0].body)
    assert TOKEN not in sent
    assert sent.count("********") == 2


async def test_no_path_is_sent_to_servers_that_have_no_use_for_it(server: HttpServer, client: Client) -> None:
    server.answers += [openai("x"), openai("x")]
    await pieces(remote(client))
    await pieces(remote(client, QWEN25_CODER))
    assert not any("app.py" in json.dumps(asked.body) for asked in server.asked)


async def test_the_whole_text_beyond_the_windows_is_not_sent(server: HttpServer, client: Client) -> None:
    server.answers.append(openai("x"))
    far = "unmistakable = 1\n"
    await pieces(remote(client), Context("python", "a.py", "print(", ")\n", before=far + "print(", after=")\n" + far))
    assert "unmistakable" not in json.dumps(server.asked[0].body)


async def test_an_answer_is_text_and_nothing_else(server: HttpServer, client: Client) -> None:
    server.answers.append(openai("a\x1b[31m\x00\u202eb\ud800\u200b", "\r\n\tc\u3000é🙂"))
    assert await text(remote(client)) == "a[31mb\n\tc\u3000é🙂"


async def test_a_sentinel_in_an_answer_ends_it(server: HttpServer, client: Client) -> None:
    server.answers.append(stream(event({"choices": [{"text": "a<|fim_pad|>b"}]}), HANG))
    made = await pieces(remote(client, QWEN25_CODER))
    assert [(piece.text, piece.finish) for piece in made] == [("a", "stop")]


async def test_an_answer_without_end_is_cut_off(server: HttpServer, client: Client) -> None:
    server.answers.append(stream(*[event({"choices": [{"text": "x" * 1000}]})] * 2, HANG))
    made = await pieces(remote(client))
    assert len("".join(piece.text for piece in made)) == 8 * 128
    assert made[-1].finish == "length"


async def test_a_set_stop_cancels_at_the_next_piece_and_hangs_up(server: HttpServer, client: Client) -> None:
    stop = threading.Event()
    server.answers.append(stream(*[event({"choices": [{"text": text}]}) for text in "ab"], HANG))
    async with aclosing(remote(client).stream(CONTEXT, ASK, stop=stop)) as made:
        assert (await anext(made)).text == "a"
        stop.set()
        with pytest.raises(Cancelled):
            await anext(made)
    await server.left.wait()


async def test_a_failure_is_a_notice_until_the_next_success(server: HttpServer, client: Client) -> None:
    backend = remote(client)
    server.answers += [stream(event({"choices": [{"text": "a"}]}), CUT), openai("x")]
    with pytest.raises(BackendError, match="broke off"):
        await pieces(backend)
    assert "broke off" in backend.notice
    await pieces(backend)
    assert backend.notice == ""


def test_the_window_is_what_the_servers_model_takes(client: Client) -> None:
    # (2048 - 64 for the answer - 32 for the header) tokens of 3 characters, 70 : 30.
    assert remote(client).window_chars == (4099, 1757)
    # A family that knows several files keeps a quarter of it for them.
    assert sum(remote(client, QWEN25_CODER).window_chars) == 5856 - 1464


async def test_other_files_are_masked_and_sent_as_far_as_there_is_room(server: HttpServer, client: Client) -> None:
    server.answers += [openai("x"), openai("x")]
    keys, far = Snippet("keys.py", f"KEY = '{TOKEN}'\n"), Snippet("far.py", "x" * 1500)
    context = replace(CONTEXT, snippets=(keys, far), repository="shop")
    await pieces(remote(client, QWEN25_CODER), context)
    await pieces(remote(client), context)
    told, untold = (asked.body["prompt"] for asked in server.asked)
    assert told.startswith(
        "<|repo_name|>shop\n<|file_sep|>keys.py\nKEY = '********'\n\n<|file_sep|>src/app.py\n<|fim_prefix|>"
    )
    assert "far.py" not in told
    assert "keys.py" not in untold


def test_it_is_never_idle_so_that_it_is_not_asked_with_every_key(client: Client) -> None:
    assert not remote(client).idle


async def test_warming_loads_ollamas_model_without_being_waited_for(server: HttpServer, client: Client) -> None:
    backend = RemoteBackend(client, Ollama(), name="qwen@host", model="qwen", template=None, context=2048)
    server.answers.append([HANG])
    await backend.warm(CONTEXT)
    await backend.warm(CONTEXT)  # one at a time
    while not server.asked:
        await backend.warm(CONTEXT)
        await anext(ticks())
    assert [asked.body for asked in server.asked] == [{"model": "qwen", "keep_alive": "30m"}]
    backend.close()
    await server.left.wait()


async def ticks() -> AsyncIterator[None]:
    import asyncio

    while True:
        await asyncio.sleep(0)
        yield


async def test_the_models_that_are_listed(server: HttpServer, client: Client) -> None:
    assert await remote(client).probe() == ["tiny"]


async def test_a_talk_is_masked_too(server: HttpServer, client: Client) -> None:
    said = {"choices": [{"delta": {"content": "hello\x1b"}, "finish_reason": "stop"}]}
    server.answers.append(stream(event(said)))
    chat = RemoteChat(client, OpenAI(), name="chatty@host", model="chatty", context=8192)
    made = [piece async for piece in chat.chat([Message("user", f"explain '{TOKEN}'")], ASK, stop=NEVER)]
    assert [replace(piece, logprob=0) for piece in made] == [Piece("hello", finish="stop", model="chatty@host")]
    (asked,) = server.asked
    assert (asked.path, asked.body["model"]) == ("/chat/completions", "chatty")
    assert asked.body["messages"] == [{"role": "user", "content": "explain '********'"}]


async def test_a_server_down_says_so(client: Client, server: HttpServer) -> None:
    server.answers.append(whole({"error": {"message": "no such model"}}, status=404))
    with pytest.raises(BackendError, match="no such model"):
        await text(remote(client))
