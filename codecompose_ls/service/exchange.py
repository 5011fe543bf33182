"""One request and its answer: a body of bounded size, and an endpoint that is cancelled when its client leaves.

Whoever is still waiting when the service stops is told so.
"""

from __future__ import annotations

import asyncio
import json

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codecompose_ls.service.faults import Fault

#: Bytes of a body; a prompt may have 1 MB, and JSON may spell a character with six bytes.
MAX_BODY = 8 << 20


class Exchange:
    """ASGI middleware: reads the body, and then watches for the client while the endpoint works.

    So an endpoint is a plain coroutine: whatever it awaits, a generation above all, ends with the connection.
    """

    def __init__(self, app: ASGIApp, *, max_body: int = MAX_BODY) -> None:
        self._app, self._max_body = app, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._exchange(scope, receive, answer)
        except asyncio.CancelledError:
            # Nobody but the server cancels a whole request: it stops, and has waited for as long as it may.
            await answer.break_off(scope, receive)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._read(receive)
        except Fault as fault:
            await fault.response(scope, receive, send)
            return
        if body is None:
            return
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            await self._app(scope, _once(body), send)
            tasks.cancel_scope.cancel()

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, or None if the client has left in the midst of it. Raises `Fault` if it is too long."""
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_body:
                raise Fault(413, f"the body is longer than {self._max_body} bytes", code="body_too_large")
        return bytes(body)


class _Answer:
    """Sends an answer, and knows how far it has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._began = self._ended = self._streams = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._began = True
            self._streams = (b"content-type", b"text/event-stream") in [
                (name.lower(), value.partition(b";")[0]) for name, value in message.get("headers", ())
            ]
        else:
            self._ended = not message.get("more_body", False)
        await self._send(message)

    async def break_off(self, scope: Scope, receive: Receive) -> None:
        """Say that the service stops: as an error of its own, or as the last event of a stream."""
        fault = Fault(503, "the service is being stopped: ask again in a moment", code="stopping", retry_after_s=5)
        if not self._began:
            await fault.response(scope, receive, self._send)
        elif self._streams and not self._ended:
            event = f"\n\ndata: {json.dumps(fault.body)}\n\n".encode()
            await self._send({"type": "http.response.body", "body": event, "more_body": False})


def _once(body: bytes) -> Receive:
    """Return a `receive` that gives the body, and then nothing more: that the client leaves is not for the endpoint."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    return receive
