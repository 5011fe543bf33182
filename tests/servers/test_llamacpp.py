"""llama.cpp's own server, with the weights we ship: who applies the template, and what hanging up does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pygls.exceptions import JsonRpcException

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.chat import RemoteChat
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.connect import connect_chat, dialect_of
from codecompose_ls.backends.dialect import Message
from codecompose_ls.backends.remote import RemoteBackend
from codecompose_ls.backends.request import Patience
from codecompose_ls.prompt.templates import CODECOMPOSE, FimTemplate
from codecompose_ls.settings import Settings
from codecompose_ls.types import Context, Piece, Sampling
from tests.lsp.editor import editor
from tests.servers.llamacpp import idle_slot

CONTEXT = Context("python", "main.py", "import sys\n\n\ndef main():\n    print(sys.argv[", "\n\n\nmain()\n")
PSM = f"<|fim_prefix|>{CONTEXT.prefix}<|fim_suffix|>{CONTEXT.suffix}<|fim_middle|>"
SPM = f"<|file_sep|>python main.py\n<|fim_prefix|><|fim_suffix|>{CONTEXT.suffix}<|fim_middle|>{CONTEXT.prefix}"
NEVER = threading.Event()
ASK = Sampling(max_tokens=8)
#: The cores may be busy with anything.
PATIENCE = Patience(connect=60, read=300, write=60, pool=60, total=600)

Connect = Callable[..., RemoteBackend]


@pytest_asyncio.fixture
async def connect(llamacpp: str) -> AsyncIterator[Connect]:
    made = []

    def make(protocol: str, *, template: FimTemplate | None = None) -> RemoteBackend:
        client = Client(llamacpp + ("/v1" if protocol == "openai" else ""), key=ApiKey(""), patience=PATIENCE)
        made.append(
            RemoteBackend(client, dialect_of(protocol), name="base@here", model="base", template=template, context=1024)
        )
        return made[-1]

    yield make
    for backend in made:
        await backend.client.aclose()


async def pieces(backend: RemoteBackend, sampling: Sampling = ASK) -> list[Piece]:
    return [piece async for piece in backend.stream(CONTEXT, sampling, stop=NEVER)]


async def text(backend: RemoteBackend) -> str:
    return "".join(piece.text for piece in await pieces(backend))


async def as_it_is(address: str, prompt: str) -> str:
    """What the server says to a prompt whose sentinels are spelled out, asked by hand."""
    async with httpx.AsyncClient(trust_env=False, timeout=300) as client:
        body = {"prompt": prompt, "n_predict": ASK.max_tokens, "temperature": 0, "top_k": 0, "top_p": 1}
        return str((await client.post(f"{address}/completion", json=body)).json()["content"])


async def test_infill_has_the_template_applied_by_the_server_and_once(llamacpp: str, connect: Connect) -> None:
    assert await text(connect("llamacpp")) == await as_it_is(llamacpp, PSM)


@pytest.mark.parametrize("protocol", ["llamacpp", "openai"])
async def test_with_a_family_it_is_applied_by_us_and_once(llamacpp: str, connect: Connect, protocol: str) -> None:
    backend = connect(protocol, template=CODECOMPOSE)
    assert await text(backend) == await as_it_is(llamacpp, SPM)


@pytest.mark.parametrize("protocol", ["llamacpp", "openai"])
async def test_pieces_come_with_their_probabilities(connect: Connect, protocol: str) -> None:
    made = await pieces(connect(protocol, template=CODECOMPOSE))
    assert all(piece.logprob < 0 for piece in made if piece.text)
    assert made[-1].finish == "length"
    assert {piece.model for piece in made} == {"base@here"}


async def test_leaving_early_stops_the_generation(llamacpp: str, connect: Connect) -> None:
    backend = connect("llamacpp", template=CODECOMPOSE)
    async with aclosing(backend.stream(CONTEXT, Sampling(max_tokens=900), stop=NEVER)) as stream:
        await anext(stream)
    slot = await idle_slot(llamacpp)
    # What it keeps of this talk: the prompt and what was generated.
    assert slot["n_prompt_tokens"] < 200
    assert len(await pieces(backend)) == 9


async def test_the_model_is_listed(connect: Connect) -> None:
    assert await connect("llamacpp").probe() == ["base"]
    assert await connect("openai").probe() == ["base"]


async def test_reading_ahead_says_nothing(connect: Connect) -> None:
    backend = connect("llamacpp")
    await backend.warm(CONTEXT)
    assert backend._warming is not None
    await asyncio.wait_for(backend._warming, 300)
    assert backend.notice == ""


async def test_a_talk(llamacpp: str) -> None:
    chat = connect_chat(Settings(chat="llamacpp", chat_url=llamacpp, chat_model="base"))
    assert isinstance(chat, RemoteChat)
    made = [piece async for piece in chat.chat([Message("user", "def main():")], ASK, stop=NEVER)]
    assert made[-1].finish in ("stop", "length")
    assert "".join(piece.text for piece in made)
    await chat.client.aclose()


async def test_an_assistant_streams_its_answer_and_leaves_it_when_cancelled(llamacpp: str, tmp_path: Path) -> None:
    code = "def double(number: int) -> int:\n    return number + number\n"
    async with editor(tmp_path, chat="llamacpp", chatUrl=llamacpp, chatModel="base") as session:
        uri = await session.open(tmp_path / "double.py", code, "python")
        asked = session.assist("explain", uri, 40, id="ask", partialResultToken="here")
        await session.wait_for("$/progress", lambda params: params["token"] == "here", timeout=300)
        session.cancel("ask")
        with suppress(JsonRpcException):  # a model that has little to say may have said it
            await asked
        await idle_slot(llamacpp)
        answer = await session.assist("explain", uri, 40, partialResultToken="whole")
        assert answer["madeBy"] == f"base@{llamacpp[7:]}"
        assert answer["markdown"].startswith("".join(session.pieces("whole")).lstrip("\n"))
