"""The real server with an engine that the document commands: `python -m tests.lsp.fake_server`.

The last directive before the cursor says how the engine answers: `#say TEXT`, `#guess TEXT` (which it is not sure of),
`#hang`, `#fail MESSAGE`, `#crash`. The model called "late" loads when the test says so, "corrupt" and "broken" never,
any other one at once.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from codecompose_ls.assistants import silence
from codecompose_ls.backends.backend import Priority
from codecompose_ls.errors import EngineError, ModelError
from codecompose_ls.index.workspace import Workspace
from codecompose_ls.lsp import methods, transport
from codecompose_ls.lsp.server import Server
from codecompose_ls.settings import Settings
from codecompose_ls.telemetry.life import Life
from codecompose_ls.types import Context, Piece, Sampling, Stop
from tests.fakes import HANG, FakeBackend

_DIRECTIVE = re.compile(r"#(say|guess|hang|fail|crash) ?(.*)")


class CommandedBackend(FakeBackend):
    """Does what the last directive in the prefix says; `begun` and `stopped` name the documents it did it for."""

    def __init__(self, model: str) -> None:
        super().__init__(model=model)
        self.begun: set[str] = set()
        self.stopped: set[str] = set()
        self._news = asyncio.Event()

    async def until(self, path: str, paths: set[str]) -> bool:
        while path not in paths:
            self._news.clear()
            await self._news.wait()
        return True

    def _tell(self, path: str, paths: set[str]) -> None:
        paths.add(path)
        self._news.set()

    async def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        directives = _DIRECTIVE.findall(context.prefix) or [("say", "")]
        word, text = directives[-1]
        answers = {"say": text, "guess": text, "hang": [HANG], "fail": EngineError(text), "crash": RuntimeError(text)}
        self.answers.append(answers[word])
        self.logprob = -3.0 if word == "guess" else -0.001
        finished = False
        self._tell(context.path + (", to be prepared" if priority is Priority.SPECULATE else ""), self.begun)
        try:
            async for piece in super().stream(context, sampling, stop=stop, priority=priority):
                finished = piece.finish is not None
                yield piece
        finally:
            if not finished:
                self._tell(context.path, self.stopped)

    async def warm(self, context: Context) -> None:
        await super().warm(context)
        self._tell(f"{context.path}, read ahead at {len(context.prefix)}", self.begun)


@dataclass(eq=False)
class Held:
    """Something to be called by a clock that is held."""

    due: float
    callback: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class HeldClock:
    """What suggestions are timed by where `HELD_CLOCK` is set: it stands still until the test lets it go on."""

    def __init__(self) -> None:
        self._now = 0.0
        self._held: list[Held] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Held:
        self._held.append(Held(self._now + delay, callback))
        return self._held[-1]

    def go_on(self, seconds: float) -> None:
        self._now += seconds
        due = [held for held in self._held if held.due <= self._now]
        self._held = [held for held in self._held if held not in due]
        for held in sorted(due, key=lambda held: held.due):
            if not held.is_cancelled:
                held.callback()

    def hold(self, server: Server) -> None:
        connect = server.connected

        def connected(write: Callable[[bytes], None], hang_up: Callable[[int], None]) -> None:
            connect(write, hang_up)
            server.life = Life(server.life.record, timer=self.call_later)

        server.connected = connected  # type: ignore[method-assign]


loaded: list[CommandedBackend] = []
may_load = threading.Event()


def load(settings: Settings, *, locate: object) -> CommandedBackend:
    if settings.model == "late":
        may_load.wait()
    if settings.model == "corrupt":
        raise ModelError("the model 'corrupt' is damaged; use another one")
    if settings.model == "broken":
        raise RuntimeError("no memory")
    loaded.append(CommandedBackend(settings.model))
    return loaded[-1]


async def begun(ls: Server, path: str) -> bool:
    """Answered as soon as the engine works for a document."""
    return await loaded[-1].until(path, loaded[-1].begun)


async def stopped(ls: Server, path: str) -> bool:
    """Answered as soon as a generation for a document has been stopped."""
    return await loaded[-1].until(path, loaded[-1].stopped)


def state(ls: Server, _: Any) -> dict[str, Any]:
    """What the engine has been asked."""
    return {
        "asked": [_context(asked.context) for asked in loaded[-1].asked],
        "warmed": [_context(context) for context in loaded[-1].warmed],
        "closed": [backend.model for backend in loaded if backend.is_closed],
        "tasks": len(asyncio.all_tasks()),
    }


def text(ls: Server, params: Any) -> str | None:
    """A document as the server has it."""
    document = ls.workspace.document(params["uri"])
    return document.text if document else None


async def index(ls: Server, params: Any) -> dict[str, Any]:
    """What other documents' suggestions can be made of, by folder; `built` waits for builds under way, too."""
    if params["built"]:
        await ls.indexes.settled()
    else:
        await asyncio.wrap_future(ls.indexes._worker.submit(lambda: None))
    folders = {root: folder.workspace for root, folder in ls.indexes._folders.items() if folder}
    return {str(root): _visible(workspace) for root, workspace in folders.items() if workspace}


def _visible(workspace: Workspace) -> dict[str, str]:
    return {
        path: workspace.vocabulary.decode(ids.tolist()).strip("\n")
        for files, hidden in workspace.view().sources
        for (path, ids), is_hidden in zip(files.pieces(), hidden, strict=True)
        if not is_hidden
    }


def _context(context: Context) -> dict[str, Any]:
    return {name: getattr(context, name) for name in ("language", "path", "prefix", "suffix", "kernel")}


if __name__ == "__main__":
    server = methods.server(load)
    server.feature("test/begun")(begun)
    server.feature("test/stopped")(stopped)
    server.feature("test/state")(state)
    server.feature("test/text")(text)
    server.feature("test/index")(index)
    server.feature("test/mayLoad")(lambda _: may_load.set())
    if pause := os.environ.get("PAUSE_S"):
        silence.PAUSE_S = float(pause)
    if os.environ.get("HELD_CLOCK"):
        clock = HeldClock()
        clock.hold(server)
        server.feature("test/goOn")(lambda params: clock.go_on(params["seconds"]))
    transport.serve_stdio(server)
