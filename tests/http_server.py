"""A real HTTP server in the test's own process that says, byte by byte, what the test wants, and sees who hangs up.

async with HttpServer() as server:
    server.answers.append(stream(event({"content": "x"}), HANG))
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: A step of an answer that never ends, and one where the server hangs up.
HANG, CUT = "hang", "cut"
Step = bytes | str | asyncio.Event


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class HttpServer:
    """Listens on loopback. Each request gets the next of `answers`, which is made of bytes and of steps to wait for."""

    def __init__(self) -> None:
        self.answers: deque[Sequence[Step]] = deque()
        #: What GET requests get.
        self.listing: Sequence[Step] = whole({"data": [{"id": "tiny"}]})
        self.asked: list[Asked] = []
        self.connections = 0
        #: Set when a client hangs up in the midst of an answer.
        self.left = asyncio.Event()
        self._port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> HttpServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, again on the port it had before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Go down, hanging up on everybody."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        begun = b""
        try:
            while (asked := await _read(reader, begun)) is not None:
                self.asked.append(asked)
                answer = self.listing if asked.method == "GET" else self.answers.popleft()
                # Whoever sends nothing and reads no more has hung up.
                more = asyncio.ensure_future(reader.read(1))
                telling = asyncio.ensure_future(_tell(answer, writer))
                await asyncio.wait({more, telling}, return_when=asyncio.FIRST_COMPLETED)
                if not telling.done():
                    telling.cancel()
                    self.left.set()
                    return
                more.cancel()
                await asyncio.wait({more})
                begun = b"" if more.cancelled() else more.result()
                if telling.exception() or (answer and answer[-1] == CUT):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it was stopped, or the client has left
        finally:
            writer.close()


async def _tell(answer: Sequence[Step], writer: asyncio.StreamWriter) -> None:
    for step in answer:
        if step == HANG:
            await asyncio.get_running_loop().create_future()
        elif isinstance(step, asyncio.Event):
            await step.wait()
        elif isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
            # So that each step arrives by itself.
            await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader, begun: bytes) -> Asked | None:
    head = begun + await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, json.loads(body) if body else None)


def whole(body: Any, *, status: int = 200, headers: str = "", kind: str = "application/json") -> list[Step]:
    """An answer in one piece."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n{headers}\r\n"
    return [head.encode() + text]


def stream(*steps: Step, kind: str = "text/event-stream") -> list[Step]:
    """A streamed answer (chunked), whole unless its last step is `HANG` or `CUT`."""
    said: list[Step] = [f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()]
    said += [b"%x\r\n%b\r\n" % (len(step), step) if isinstance(step, bytes) else step for step in steps]
    return said if steps and steps[-1] in (HANG, CUT) else [*said, b"0\r\n\r\n"]


def event(value: Any) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(value)}\n\n".encode()


def openai(*texts: str, finish: str = "stop") -> list[Step]:
    """An answer of `/v1/completions`."""
    said = [event({"choices": [{"text": text, "finish_reason": None}]}) for text in texts]
    return stream(*said, event({"choices": [{"text": "", "finish_reason": finish}]}), b"data: [DONE]\n\n")


def talk(*texts: str, finish: str = "stop") -> list[Step]:
    """An answer of `/v1/chat/completions`."""
    end = event({"choices": [{"delta": {}, "finish_reason": finish}]})
    return stream(*map(said, texts), end, b"data: [DONE]\n\n")


def said(text: str) -> bytes:
    """A piece of an answer of `/v1/chat/completions`."""
    return event({"choices": [{"delta": {"content": text}, "finish_reason": None}]})
