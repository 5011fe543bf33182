"""The model behind the server: loaded in the background, replaced when a setting changes, waited for by requests."""

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
    from codecompose_ls.completion.pipeline import Pipeline
    from codecompose_ls.index.prior import Locate

logger = logging.getLogger(__name__)

#: How long a model may take to say goodbye.
_PATIENCE_S = 2.0


class Load(Protocol):
    """Makes the backend that the settings name; `locate` finds the index that knows a request's document."""

    def __call__(self, settings: Settings, *, locate: Locate) -> Backend: ...


def load(settings: Settings, *, locate: Locate) -> Backend:
    """Load the model that the settings name; blocks for as long as it takes. Raises `ModelError`, `EngineError`."""
    from codecompose_ls.backends.local import LocalBackend
    from codecompose_ls.index.prior import prior_of
    from codecompose_ls.models.registry import resolve

    return LocalBackend(resolve(settings.model), threads=settings.threads, prior_of=prior_of(locate))


class Model:
    """Holds the pipeline. `fault` says why there is none; `changed` is called when `loading` or `fault` changes."""

    def __init__(self, load: Load, locate: Locate, changed: Callable[[], None]) -> None:
        self._load, self._locate = load, locate
        self._changed = changed
        self._pipeline: Pipeline | None = None
        self._loading: asyncio.Task[None] | None = None
        self._wanted = Settings()
        #: Model and threads that were loaded last, or are being loaded.
        self._named: tuple[str, int] | None = None
        self.fault = ""

    @property
    def loading(self) -> bool:
        return self._loading is not None and not self._loading.done()

    @property
    def loaded(self) -> Pipeline | None:
        """The pipeline if it can answer at once."""
        return None if self.fault else self._pipeline

    def configure(self, settings: Settings) -> None:
        """Serve by these settings from now on; loads in the background if they name another model."""
        self._wanted = settings
        if self._pipeline is not None:
            self._pipeline.configure(settings)
        named = (settings.model, settings.threads)
        if settings.enabled and (named != self._named or self.fault):
            self._named = named
            self._loading = asyncio.ensure_future(self._replace(self._loading))
            # A callback of the task itself, so that `loading` is over when it is told.
            self._loading.add_done_callback(lambda _: self._changed())
        self._changed()

    async def pipeline(self) -> Pipeline | None:
        """Return the pipeline, waiting for a model that is being loaded; None when there is none to be had."""
        while self._loading is not None and not self._loading.done():
            # A request that is cancelled while it waits must not cancel the loading.
            await asyncio.shield(self._loading)
        return self.loaded

    async def close(self) -> None:
        """Stop everything under way; an engine that hangs is left behind."""
        if self._loading is not None:
            self._loading.cancel()
        if self._pipeline is not None:
            self._pipeline.close()
            await asyncio.wait(
                {asyncio.ensure_future(asyncio.to_thread(self._pipeline.backend.close))}, timeout=_PATIENCE_S
            )

    async def _replace(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})  # one at a time, and the last one named wins
        settings = self._wanted
        try:
            self._serve(await asyncio.to_thread(partial(self._load, settings, locate=self._locate)))
            self.fault = ""
        except CodeComposeError as error:
            self.fault = str(error)
        except Exception as error:
            self.fault = f"the model '{settings.model}' cannot be loaded ({type(error).__name__}: {error})"
        if self.fault:
            logger.error("%s", self.fault)

    def _serve(self, backend: Backend) -> None:
        from codecompose_ls.completion.pipeline import Pipeline

        if self._pipeline is None:
            self._pipeline = Pipeline(backend, self._wanted)
        else:
            before = self._pipeline.backend
            self._pipeline.swap(backend)
            before.close()
