"""Bytes to messages and back: stdio and TCP, one client at a time.

A thread reads and hands whole messages to the event loop, so that reading works alike for pipes, files and sockets on
every platform. Framing is LSP 3.18 "Base protocol": headers, a blank line, JSON of Content-Length bytes.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, NoReturn, Protocol

from codecompose_ls.inference.scheduling import take_short_turns

#: Ten digits at most: what claims to be longer is rubbish, not a message.
_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,10})\s*$", re.IGNORECASE)


class Connection(Protocol):
    """What a transport needs of a server."""

    def connected(self, write: Callable[[bytes], None], hang_up: Callable[[int], None]) -> None: ...

    def received(self, body: bytes) -> None: ...

    async def closed(self) -> None: ...


def messages(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bodies of messages until the stream ends.

    A length is also found at the end of a line of rubbish, so that a body longer than it said costs no more than one
    message.
    """
    length = 0
    while header := stream.readline():
        if found := _LENGTH.search(header):
            length = int(found.group(1))
        elif length and not header.strip():
            body = stream.read(length)
            if len(body) < length:
                return
            yield body
            length = 0


def serve_stdio(connection: Connection) -> NoReturn:
    """Serve the client at stdin and stdout until it says exit or hangs up, then end the process."""
    # Whatever else prints in this process must not end up between two messages.
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    async def serve() -> NoReturn:
        status = await _serve(connection, reader, writer)
        sys.stderr.flush()
        # A thread that hangs in native code, or waits for stdin, must not keep the process alive.
        os._exit(status)

    asyncio.run(serve())


def serve_tcp(connect: Callable[[], Connection], host: str, port: int) -> NoReturn:
    """Serve one client after another, each with its own connection, for ever; says on stderr where it listens."""
    with socket.create_server((host, port)) as listener:
        print("listening on {}:{}".format(*listener.getsockname()[:2]), file=sys.stderr, flush=True)
        while True:
            client, _ = listener.accept()
            with client, client.makefile("rb") as reader, client.makefile("wb") as writer:
                asyncio.run(_serve(connect(), reader, writer))
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads, which holds the lock of `reader`


async def _serve(connection: Connection, reader: BinaryIO, writer: BinaryIO) -> int:
    loop = asyncio.get_running_loop()
    status: asyncio.Future[int] = loop.create_future()
    inbox: asyncio.Queue[bytes] = asyncio.Queue()

    def hang_up(code: int) -> None:
        if not status.done():
            status.set_result(code)

    def write(data: bytes) -> None:
        try:
            writer.write(data)
            writer.flush()
        except OSError:
            hang_up(1)

    def read() -> None:
        try:
            for body in messages(reader):
                loop.call_soon_threadsafe(inbox.put_nowait, body)
            loop.call_soon_threadsafe(hang_up, 1)
        except (OSError, ValueError, RuntimeError):
            # The socket was closed under us, or the loop is gone: both mean that the connection has ended.
            if not loop.is_closed():
                loop.call_soon_threadsafe(hang_up, 1)

    async def deliver() -> None:
        while True:
            connection.received(await inbox.get())
            # A request's task takes its first step, and its look at the text, before a change behind it is applied.
            await asyncio.sleep(0)

    take_short_turns()
    connection.connected(write, hang_up)
    threading.Thread(target=read, name="lsp-reader", daemon=True).start()
    delivery = asyncio.ensure_future(deliver())
    try:
        return await status
    finally:
        delivery.cancel()
        await connection.closed()
