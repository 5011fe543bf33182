"""The model behind the server: loaded in the background, replaced when a setting changes, waited for by requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from codecompose_ls.errors import CodeComposeError
from codecompose_ls.settings import Settings

if TYPE_CHECKING:
    from codecompose_ls.backends.backend import Backend
    from codecompose_ls.completion.pipeline import Pipeline

logger = logging.getLogger(__name__)

Load = Callable[[Settings], "Backend"]


def load(settings: Settings) -> Backend:
    """Load the model that the settings name; blocks for as long as it takes. Raises `ModelError`, `EngineError`."""
    from codecompose_ls.backends.local import LocalBackend
    from codecompose_ls.models.registry import resolve

    return LocalBackend(resolve(settings.model), threads=settings.threads)


class Model:
    """Holds the pipeline. `fault` says why there is none; `changed` is called whenever `loading` or `fault` changes."""

    def __init__(self, load: Load, changed: Callable[[], None]) -> None:
        self._load = load
        self._changed = changed
        self._pipeline: Pipeline | None = None
        self._task: asyncio.Task[None] | None = None
        self._settings: Settings | None = None
        self.fault = ""

    @property
    def loading(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def name(self) -> str:
        return self._settings.model if self._settings else ""

    @property
    def loaded(self) -> Pipeline | None:
        """The pipeline if it can answer at once."""
        return None if self.fault else self._pipeline

    def configure(self, settings: Settings) -> None:
        """Serve with these settings from now on; loads in the background when they name another model."""
        before, self._settings = self._settings, settings
        if self._pipeline is not None:
            self._pipeline.configure(settings)
        if before is None or (before.model, before.threads) != (settings.model, settings.threads):
            self._task = asyncio.ensure_future(self._replace(settings, self._task))
            self._changed()

    async def pipeline(self) -> Pipeline | None:
        """Return the pipeline, waiting for one that is being loaded; None when there is no model to be had."""
        while self._task is not None and not self._task.done():
            # A request that is cancelled while it waits must not cancel the loading.
            await asyncio.shield(self._task)
        return self.loaded

    async def close(self) -> None:
        """Stop the engine; nothing is asked after this."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._pipeline is not None:
            self._pipeline.backend.close()

    async def _replace(self, settings: Settings, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before  # one model at a time in memory, and the last one named wins
        try:
            self._serve(await asyncio.to_thread(self._load, settings))
            self.fault = ""
        except CodeComposeError as error:
            self.fault = str(error)
        except Exception as error:
            self.fault = f"the model '{settings.model}' cannot be loaded ({type(error).__name__}: {error})"
        if self.fault:
            logger.error("%s", self.fault)
        asyncio.get_running_loop().call_soon(self._changed)

    def _serve(self, backend: Backend) -> None:
        from codecompose_ls.completion.pipeline import Pipeline

        if self._pipeline is None:
            self._pipeline = Pipeline(backend, self._settings)
        else:
            self._pipeline.swap(backend)
