"""The models that the service answers for: their names, and the backends of those that were asked for lately."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from codecompose_ls.backends.backend import PromptBackend
from codecompose_ls.service.faults import Fault

#: Weights kept in memory; those used longest ago go first.
LOADED = 4
#: Requests that may wait for a model beside those that it answers; an editor waits some seconds for the first text.
WAITING = 8
#: After so many seconds whoever was refused may ask again; most completions take less.
RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class Card:
    """A model's name; `parent` is the model that an adapter belongs to."""

    name: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """What is loaded as one: a folder as it was at a time (ns), and the engine that runs it."""

    folder: Path
    engine: str
    stamp: int


class Shelf(Protocol):
    """Where models come from. All of it may take a while, so it is called in threads."""

    def cards(self) -> Sequence[Card]:
        """List what there is now."""
        ...

    def find(self, name: str) -> tuple[Weights, Path | None] | None:
        """Return a model's weights, and the adapter on them that answers under this name; None for an unknown one."""
        ...

    def load(self, weights: Weights) -> PromptBackend:
        """Start the engine. Raises `ModelError`, `EngineError` or `MissingExtraError`."""
        ...

    def adapt(self, backend: PromptBackend, adapter: Path) -> PromptBackend:
        """Return the backend as an adapter on it answers."""
        ...


class Catalogue:
    """Loads a model when it is first asked for, and forgets it when others are wanted more."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._loaded: OrderedDict[Weights, PromptBackend] = OrderedDict()
        self._users: Counter[Weights] = Counter()
        self._asked: Counter[Weights] = Counter()
        self._loading: dict[Weights, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Future[None]] = set()
        self._turn = asyncio.Lock()

    def preload(self, names: Sequence[str]) -> None:
        """Load models before anybody asks, as many as are kept; what is wrong with one is raised."""
        for name in names[:LOADED]:
            found = self.shelf.find(name)
            if found is not None and found[0] not in self._loaded:
                self._loaded[found[0]] = self.shelf.load(found[0])

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[PromptBackend]:
        """Give a model's backend for as long as the context lasts.

        Raises `Fault` for an unknown name, and where so many wait already that it would be given too late.
        """
        found = await asyncio.to_thread(self.shelf.find, name)
        if found is None:
            known = "GET /v1/models lists those there are"
            raise Fault(404, f"no model '{name[:80]}': {known}", code="model_not_found", param="model")
        weights, adapter = found
        self._users[weights] += 1
        try:
            backend = await self._backend(weights)
            with self._queued(weights, name, most=backend.at_once + WAITING):
                yield backend if adapter is None else await asyncio.to_thread(self.shelf.adapt, backend, adapter)
        finally:
            self._users[weights] -= 1
            self._forget(keep=LOADED)

    async def close(self) -> None:
        """Close all, what is being loaded, too."""
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        self._users.clear()
        self._forget(keep=0)
        await asyncio.gather(*self._closing)

    @contextmanager
    def _queued(self, weights: Weights, name: str, *, most: int) -> Iterator[None]:
        if self._asked[weights] >= most:
            busy = f"'{name}' has all the requests that it can answer in time: ask again in {RETRY_AFTER_S} s"
            raise Fault(429, busy, code="rate_limit", retry_after_s=RETRY_AFTER_S)
        self._asked[weights] += 1
        try:
            yield
        finally:
            self._asked[weights] -= 1

    async def _backend(self, weights: Weights) -> PromptBackend:
        if weights not in self._loaded:
            loading = self._loading.get(weights)
            if loading is None:
                loading = self._loading[weights] = asyncio.create_task(self._load(weights))
                loading.add_done_callback(lambda done: done.cancelled() or done.exception())
            # A client that leaves meanwhile must not take with it what others wait for.
            await asyncio.shield(loading)
        self._loaded.move_to_end(weights)
        return self._loaded[weights]

    async def _load(self, weights: Weights) -> None:
        try:
            # One at a time, since memory is short while one is being loaded.
            async with self._turn:
                self._loaded[weights] = await asyncio.to_thread(self.shelf.load, weights)
        finally:
            del self._loading[weights]

    def _forget(self, *, keep: int) -> None:
        """Close what nobody uses, the one used longest ago first, until so many are left."""
        idle = [weights for weights in self._loaded if not self._users[weights]]
        for weights in idle[: max(0, len(self._loaded) - keep)]:
            closing = asyncio.get_running_loop().run_in_executor(None, self._loaded.pop(weights).close)
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
