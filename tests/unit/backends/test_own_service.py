"""This project's own service behind the remote backend: the same answer as from the engine itself, asked either way."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

pytest.importorskip("uvicorn", reason="pip install 'codecompose-ls[serve]': without it the service is not tested")

import uvicorn

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.backend import Backend, PromptBackend
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.connect import dialect_of
from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.backends.remote import RemoteBackend, plain
from codecompose_ls.backends.request import Patience
from codecompose_ls.errors import BackendError
from codecompose_ls.prompt.templates import CODECOMPOSE, FimTemplate
from codecompose_ls.service import catalogue
from codecompose_ls.service.access import Tokens
from codecompose_ls.service.app import create_app
from codecompose_ls.service.catalogue import Card, Catalogue, Weights
from codecompose_ls.types import Context, Piece, Sampling

TOKEN = "a-token-of-the-test-0123456789"
CONTEXT = Context("python", "src/stack.py", "class Stack:\n    def __init__(", "\n        self.items = []\n")
NEVER = threading.Event()
ASK = Sampling(max_tokens=8)
PATIENCE = Patience(connect=60, read=60, write=60, pool=60, total=120)


class OneModel:
    """A shelf with one model on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.backend: LocalBackend | None = None

    def cards(self) -> Sequence[Card]:
        return [Card("tiny")]

    def find(self, name: str) -> tuple[Weights, Path | None] | None:
        return (Weights(self._folder, "int8", 0), None) if name == "tiny" else None

    def load(self, weights: Weights) -> PromptBackend:
        self.backend = LocalBackend(weights.folder)
        return self.backend

    def adapt(self, backend: PromptBackend, adapter: Path) -> PromptBackend:
        raise AssertionError


@pytest.fixture
def shelf(tiny: Path) -> OneModel:
    return OneModel(tiny)


@pytest_asyncio.fixture
async def address(shelf: OneModel) -> AsyncIterator[str]:
    app = create_app(Catalogue(shelf), Tokens([TOKEN]))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
    serving = asyncio.ensure_future(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    await serving
    listener.close()


@pytest.fixture
def engine(tiny: Path) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny)
    yield backend
    backend.close()


def remote(
    address: str, protocol: str, *, template: FimTemplate | None = None, token: str = TOKEN, model: str = "tiny"
) -> RemoteBackend:
    client = Client(address, key=ApiKey(token), patience=PATIENCE)
    return RemoteBackend(client, dialect_of(protocol), name="tiny@here", model=model, template=template, context=256)


async def pieces(backend: Backend, context: Context = CONTEXT) -> list[Piece]:
    return [piece async for piece in backend.stream(context, ASK, stop=NEVER)]


def said(made: list[Piece]) -> str:
    """Return the text that the answers have in common: a random model says control characters, too."""
    return "".join(plain(piece).text for piece in made)


@pytest.mark.parametrize(("protocol", "template"), [("codecompose", None), ("openai", CODECOMPOSE)])
async def test_the_answer_is_that_of_the_engine_whoever_applies_the_template(
    address: str, engine: LocalBackend, protocol: str, template: FimTemplate | None
) -> None:
    backend = remote(address, protocol, template=template)
    alone, made = await pieces(engine), await pieces(backend)
    assert said(made) == said(alone)
    assert sum(piece.logprob for piece in made) == pytest.approx(sum(piece.logprob for piece in alone), abs=1e-3)
    assert made[-1].finish == alone[-1].finish
    await backend.client.aclose()


async def test_other_clients_tell_no_path(address: str, engine: LocalBackend) -> None:
    backend = remote(address, "openai")
    assert said(await pieces(backend)) == said(await pieces(engine, replace(CONTEXT, language="", path="")))
    await backend.client.aclose()


async def test_hanging_up_stops_the_engine(address: str, shelf: OneModel) -> None:
    backend = remote(address, "codecompose")
    async with aclosing(backend.stream(CONTEXT, Sampling(max_tokens=100), stop=NEVER)) as stream:
        await anext(stream)
    assert shelf.backend is not None
    while not shelf.backend.idle:
        await asyncio.sleep(0)
    assert await pieces(backend)
    await backend.client.aclose()


async def test_a_wrong_token_and_a_wrong_name(address: str) -> None:
    for backend, message in (
        (remote(address, "codecompose", token="another-token-0123456789"), "refuses the API key"),
        (remote(address, "codecompose", token=""), "wants an API key"),
        (remote(address, "codecompose", model="gone"), "not the model asked for .no model 'gone'"),
    ):
        with pytest.raises(BackendError, match=message):
            await pieces(backend)
        await backend.client.aclose()


async def test_one_that_has_all_it_can_answer_is_busy_and_asked_once_more(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "WAITING", 0)
    monkeypatch.setattr(LocalBackend, "at_once", 0)
    backend, waited = remote(address, "codecompose"), []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        monkeypatch.setattr(LocalBackend, "at_once", len(waited) - 1)

    backend.client._sleep = sleep
    with pytest.raises(
        BackendError, match=r"is busy, asks to wait 1 s \('tiny' has all the requests that it can answer"
    ):
        await pieces(backend)
    backend.client.circuit.succeeded()
    assert await pieces(backend)
    assert waited == [1.0, 1.0]
    await backend.client.aclose()


async def test_it_lists_its_models(address: str) -> None:
    backend = remote(address, "codecompose")
    assert await backend.probe() == ["tiny"]
    await backend.client.aclose()
