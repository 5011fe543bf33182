"""Weights behind the server: a backend that is being loaded, can answer, or cannot, and says why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from codecompose_ls.errors import CodeComposeError
from codecompose_ls.settings import Settings

if TYPE_CHECKING:
    from codecompose_ls.backends.backend import Backend
    from codecompose_ls.index.prior import Locate

logger = logging.getLogger(__name__)

#: How long an engine may take to say goodbye; one that hangs is left behind.
_PATIENCE_S = 2.0


class Load(Protocol):
    """Makes the backend that the settings name; `locate` finds the index that knows a request's document."""

    def __call__(self, settings: Settings, *, locate: Locate) -> Backend: ...


def load(settings: Settings, *, locate: Locate) -> Backend:
    """Load what the settings name; blocks for as long as it takes. Raises `CodeComposeError`."""
    from codecompose_ls.backends.connect import connect

    def local() -> Backend:
        from codecompose_ls.backends import on_disk
        from codecompose_ls.index.prior import prior_of
        from codecompose_ls.models.registry import resolve

        return on_disk.load(resolve(settings.model), threads=settings.threads, prior_of=prior_of(locate))

    return connect(settings, local=local)


class Weights:
    """What certain settings name. `backend` is there once it is loaded; `fault` says why there is none."""

    def __init__(self, settings: Settings, load: Callable[[Settings], Backend], *, turn: asyncio.Lock) -> None:
        self.settings = settings
        self.backend: Backend | None = None
        self.fault = ""
        self.loading: asyncio.Task[None] = asyncio.ensure_future(self._load(load, turn))
        self._is_wanted = True

    @property
    def is_loading(self) -> bool:
        return not self.loading.done()

    async def close(self) -> None:
        """Let go of the backend, or of what is being loaded."""
        self._is_wanted = False
        if self.backend is not None:
            closing = asyncio.ensure_future(asyncio.to_thread(self.backend.close))
            await asyncio.wait({closing}, timeout=_PATIENCE_S)

    async def _load(self, load: Callable[[Settings], Backend], turn: asyncio.Lock) -> None:
        try:
            async with turn:  # one at a time: two would need twice the memory and take twice the time
                if self._is_wanted:
                    self.backend = await asyncio.to_thread(partial(load, self.settings))
        except CodeComposeError as error:
            self.fault = str(error)
        except Exception as error:
            self.fault = f"the model '{self.settings.model}' cannot be loaded ({type(error).__name__}: {error})"
        if self.fault:
            logger.error("%s", self.fault)
        if not self._is_wanted:
            await self.close()
