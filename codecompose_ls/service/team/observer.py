"""Observers: who is told what the service does, to export it; labels never name a person."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codecompose_ls.telemetry.ledger import Change


class Observer(Protocol):
    """`Prometheus` and `OpenTelemetry` are such."""

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered to its end; `route` is the path as it is declared, "" for none."""
        ...

    def entered(self, change: Change) -> None:
        """A batch of events is on disk."""
        ...


class Observed:
    """ASGI middleware: tells observers of every answer."""

    def __init__(self, app: ASGIApp, *, observers: Sequence[Observer]) -> None:
        self._app, self._observers = app, observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            seconds, route = time.perf_counter() - began, getattr(scope.get("route"), "path", "")
            # Methods that HTTP does not know are anybody's to make up.
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
            for observer in self._observers:
                observer.answered(method=method, route=route, status=status, seconds=seconds)
