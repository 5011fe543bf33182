"""A service on a socket of its own, and what answers in it: the tiny model, or a script that the test writes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("sqlalchemy")

import uvicorn
from sqlalchemy import Engine

from codecompose_ls.service.access import Tokens
from codecompose_ls.service.app import create_app
from codecompose_ls.service.catalogue import Card, Catalogue, Shelf, Weights
from codecompose_ls.service.shelf import DiskShelf
from codecompose_ls.service.team.team import Team
from codecompose_ls.types import Context, Piece, Prompt, Sampling, Stop

TOKEN = "a-token-that-nobody-guesses"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def serving(shelf: Shelf, *, database: Engine | None = None, port: int = 0) -> Iterator[str]:
    """Serve on a port, 0 being any that is free; the value is the address."""
    listener = socket.create_server(("127.0.0.1", port))
    tokens = Tokens([TOKEN])
    app = create_app(Catalogue(shelf), tokens, team=Team(database, tokens) if database is not None else None)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def connected(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers=HEADERS, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def registry(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry with the tiny model as 'tiny'."""
    from codecompose_ls.models import registry

    folder = tmp_path_factory.mktemp("data")
    patch = pytest.MonkeyPatch()
    patch.setenv("CODECOMPOSE_DATA", str(folder))
    registry.add(tiny, "tiny")
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def client(registry: Path) -> Iterator[httpx.Client]:
    """Asks a service of the registry on int8."""
    with serving(DiskShelf(engine="int8")) as address, connected(address) as client:
        yield client


class Script:
    """Implements `Shelf` and `PromptBackend`: one model 'script' that answers with these pieces, or for ever.

    Prompts come back as they were asked for, one token a character, after a sentinel that names their kind.
    """

    model = "script"
    window_chars = (700, 300)
    at_once = 1

    def __init__(self, *texts: str, capacity: int = 1000, error: Exception | None = None) -> None:
        self.texts, self.capacity, self.error = texts, capacity, error
        self.began, self.ended = threading.Event(), threading.Event()
        self.prompts: list[str] = []
        self.samplings: list[Sampling] = []
        self.closed = False

    def cards(self) -> Sequence[Card]:
        return [Card("script")]

    def find(self, name: str) -> tuple[Weights, Path | None] | None:
        return (Weights(Path("script"), "script", 0), None) if name == "script" else None

    def load(self, weights: Weights) -> Script:
        return self

    def prompt(self, context: Context) -> Prompt:
        return self._asked(f"FIM {context.language} {context.path} {context.prefix}|{context.suffix}")

    def written(self, text: str) -> Prompt:
        return self._asked(f"TEXT {text}")

    async def answer(self, prompt: Prompt, sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        self.samplings.append(sampling)
        try:
            for place, text in enumerate(self.texts):
                await asyncio.sleep(0)
                self.began.set()
                yield Piece(text, -0.5, "stop" if place == len(self.texts) - 1 and not self.error else None)
            while not self.texts:
                await asyncio.sleep(0.001)
                self.began.set()
                yield Piece("x", -0.5)
            if self.error is not None:
                raise self.error
        finally:
            self.ended.set()

    def close(self) -> None:
        self.closed = True

    def _asked(self, text: str) -> Prompt:
        self.prompts.append(text)
        return Prompt(tuple(map(ord, text)), frozenset())


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[[Script], httpx.Client]]:
    """Serve a script and return a client of it."""
    opened = []

    def ask(script: Script) -> httpx.Client:
        service = serving(script)
        client = connected(service.__enter__())
        opened.append((service, client))
        return client

    yield ask
    for service, client in opened:
        client.close()
        service.__exit__(None, None, None)
