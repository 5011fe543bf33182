"""A remote model first; while it is down, the local engine, which is loaded only then.

Implements `Backend`. What a request has got of a remote answer that breaks off is kept: the local engine goes on from
there. Nobody waits for a server that is known to be down: when its cool-down is over it is first looked at beside a
request that the local engine answers, and gets the next one as a trial.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from codecompose_ls.backends.backend import Backend, Priority
from codecompose_ls.backends.circuit import State
from codecompose_ls.backends.remote import RemoteBackend
from codecompose_ls.errors import BackendError, Cancelled
from codecompose_ls.types import Context, Piece, Sampling, Stop


class Fallback:
    """`load` makes the local backend, in a thread; what it raises is raised by the request that needed it."""

    def __init__(self, remote: RemoteBackend, load: Callable[[], Backend]) -> None:
        self._remote, self._load = remote, load
        self._local: Backend | None = None
        self._loading: asyncio.Future[Backend] | None = None
        #: A look at a server whose cool-down is over; True when it is there again.
        self._look: asyncio.Task[bool] | None = None

    @property
    def model(self) -> str:
        """Who is going to be asked next."""
        return self._asked.model

    @property
    def notice(self) -> str:
        """Why the local engine answers; empty while the remote one does."""
        return f"{self._remote.notice}; the local model answers" if self._remote.notice else ""

    @property
    def idle(self) -> bool:
        return self._local is not None and not self._trusts_remote and self._local.idle

    @property
    def window_chars(self) -> tuple[int, int]:
        return self._asked.window_chars

    @property
    def snippet_chars(self) -> int:
        return self._asked.snippet_chars

    @property
    def _asked(self) -> Backend:
        return self._local if self._local is not None and not self._trusts_remote else self._remote

    async def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        told = ""
        if self._may_ask_remote():
            try:
                async with aclosing(self._remote.stream(context, sampling, stop=stop, priority=priority)) as pieces:
                    async for piece in pieces:
                        told += piece.text
                        yield piece
                return
            except BackendError as error:
                self._look = None
                if stop.is_set():
                    raise Cancelled from error
        local = await self._loaded()
        if told:
            context = replace(context, prefix=context.prefix + told, before=context.before and context.before + told)
            sampling = replace(sampling, opening=None)
        async with aclosing(local.stream(context, sampling, stop=stop, priority=priority)) as pieces:
            async for piece in pieces:
                yield replace(piece, model=local.model)

    async def warm(self, context: Context) -> None:
        if self._trusts_remote:
            await self._remote.warm(context)
        elif self._local is not None:
            await self._local.warm(context)

    def close(self) -> None:
        self._remote.close()
        if self._local is not None:
            self._local.close()
        elif self._loading is not None:
            self._loading.add_done_callback(_close)

    @property
    def _trusts_remote(self) -> bool:
        return self._remote.state is State.CLOSED

    def _may_ask_remote(self) -> bool:
        """Say whether the remote model gets this request; after its cool-down, begin to look whether it is back."""
        if self._remote.state is not State.HALF_OPEN:
            return self._trusts_remote
        if self._look is None or (self._look.done() and not self._look.result()):
            self._look = asyncio.ensure_future(self._remote.is_there())
        return self._look.done() and self._look.result()

    async def _loaded(self) -> Backend:
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(self._load))
        # A request that is cancelled while it waits must not cancel the loading for the next one.
        self._local = await asyncio.shield(self._loading)
        return self._local


def _close(loading: asyncio.Future[Backend]) -> None:
    if not loading.cancelled() and loading.exception() is None:
        loading.result().close()
