"""A small LSP client over a server's stdio, for `demo`, `bench` and the tests.

It speaks plain JSON, so that it can also say what a well-behaved client would not, and keeps its own copy of every
document it opened. Offsets are code points.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from lsprotocol import converters
from lsprotocol import types as lsp
from pygls.client import JsonRPCClient
from pygls.exceptions import JsonRpcException
from pygls.io_ import run_async
from pygls.protocol import JsonRPCProtocol

from codecompose_ls.errors import CodeComposeError
from codecompose_ls.lsp import positions

_CONVERTER = converters.get_converter()
COMMAND = (sys.executable, "-m", "codecompose_ls", "lsp")

#: A server that has not answered by then is taken for dead.
_PATIENCE_S = 60.0

Json = dict[str, Any]


class _Plain(JsonRPCProtocol):
    """Messages as plain JSON; `observe` gets every notification and request, `reply` gives a request its result."""

    observe: Callable[[str, Any], None]
    reply: Callable[[str, Any], Any]

    def structure_message(self, data: Json) -> Json:
        return data

    def handle_message(self, message: Any) -> None:
        if "method" in message:
            method, params = message["method"], message.get("params")
            if "id" in message:
                self._send_data({"jsonrpc": self.VERSION, "id": message["id"], "result": self.reply(method, params)})
            self.observe(method, params)
        else:
            error = message.get("error")
            failure = lsp.ResponseError(error["code"], error["message"]) if error else None
            with suppress(InvalidStateError):  # nobody waits for it any more
                self._handle_response(message["id"], message.get("result"), failure)


class Session:
    """A conversation with one server, from `initialize` to `exit`: `async with Session.start(...) as session`.

    Requests raise `pygls.exceptions.JsonRpcException` (with `.code`) when the server answers with an error, and
    `CodeComposeError` when it has ended.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], initialize: Json, encoding: str) -> None:
        self._command = command
        self._env = env
        self._initialize = initialize
        protocol = JsonRPCClient(protocol_cls=_Plain).protocol
        assert isinstance(protocol, _Plain)
        protocol.observe = self._observe
        protocol.reply = self.reply
        self._protocol = protocol
        self._lines: dict[str, list[str]] = {}
        self._versions: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._has_ended = False
        self.encoding = encoding
        self.process: asyncio.subprocess.Process
        self.initialize_result: Json = {}
        #: (method, parameters) of everything the server has said by itself, in order.
        self.notifications: list[tuple[str, Any]] = []
        #: What the server has written to stderr.
        self.log = b""

    @classmethod
    def start(
        cls,
        *,
        root: Path | None = None,
        options: Any = None,
        env: Mapping[str, str] | None = None,
        encoding: str = "utf-16",
        capabilities: Json | None = None,
        command: Sequence[str] | None = None,
        client: str = "codecompose-ls",
    ) -> Session:
        """Prepare a session of a `client`; entering it starts the server. `capabilities` replace ours, key by key."""
        ours: Json = {
            "general": {"positionEncodings": [encoding]},
            "textDocument": {"inlineCompletion": {"dynamicRegistration": False}},
        }
        initialize = {
            "processId": os.getpid(),
            "clientInfo": {"name": client},
            "rootUri": root.resolve().as_uri() if root else None,
            "capabilities": {**ours, **(capabilities or {})},
            "initializationOptions": options,
        }
        return cls(command or COMMAND, {**os.environ, **(env or {})}, initialize, encoding)

    async def __aenter__(self) -> Session:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *self._command, env=self._env, stdin=pipe, stdout=pipe, stderr=pipe
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self._protocol.set_writer(self.process.stdin)
        self._tasks = [
            asyncio.ensure_future(self._listen(self.process.stdout)),
            asyncio.ensure_future(self._drain(self.process.stderr)),
        ]
        try:
            self.initialize_result = await self.raw_request("initialize", self._initialize)
        except BaseException:
            await self.__aexit__()
            raise
        self.notify("initialized", {})
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say goodbye in order; a server that does not leave within ten seconds is killed."""
        try:
            if not self._has_ended:
                with suppress(JsonRpcException, CodeComposeError):
                    await asyncio.wait_for(self.raw_request("shutdown"), 10)
                self.notify("exit")
            await asyncio.wait_for(self.process.wait(), 10)
        except asyncio.TimeoutError:
            self.process.kill()
            await self.process.wait()
        await asyncio.gather(*self._tasks)

    # Documents.

    def text(self, uri: str) -> str:
        """Return a document as the server should see it."""
        return "".join(self._lines[uri])

    async def open(self, where: str | Path, text: str, language: str) -> str:
        """Open a document and return its URI."""
        uri = where.resolve().as_uri() if isinstance(where, Path) else where
        self._lines[uri], self._versions[uri] = positions.split_lines(text), 1
        document = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return uri

    def change(self, uri: str, start: int, end: int, new: str) -> None:
        """Replace the text between two offsets (an incremental didChange)."""
        edit = positions.range_at(self._lines[uri], start, end, self.encoding)
        positions.splice(self._lines[uri], edit, new, self.encoding)
        self._did_change(uri, {"range": _CONVERTER.unstructure(edit), "text": new})

    def replace_all(self, uri: str, text: str) -> None:
        """Replace the whole text (a full didChange)."""
        self._lines[uri] = positions.split_lines(text)
        self._did_change(uri, {"text": text})

    def close(self, uri: str) -> None:
        del self._lines[uri]
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _did_change(self, uri: str, change: Json) -> None:
        self._versions[uri] += 1
        document = {"uri": uri, "version": self._versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    # Suggestions.

    def cursor(self, uri: str, offset: int) -> Json:
        """Return the parameters that every request at a cursor has."""
        position = positions.position_at(self._lines[uri], offset, self.encoding)
        return {"textDocument": {"uri": uri}, "position": _CONVERTER.unstructure(position)}

    def inline(
        self, uri: str, offset: int, *, trigger: str = "automatic", id: int | str | None = None
    ) -> asyncio.Future[list[lsp.InlineCompletionItem]]:
        """Ask for ghost text; the request is on its way when this returns."""
        context = {"triggerKind": {"invoked": 1, "automatic": 2}[trigger]}
        params = self.cursor(uri, offset) | {"context": context}
        answer = self.raw_request("textDocument/inlineCompletion", params, id=id)

        async def items() -> list[lsp.InlineCompletionItem]:
            return list(_CONVERTER.structure(await answer, lsp.InlineCompletionList).items)

        return asyncio.ensure_future(items())

    async def show(self, item: lsp.InlineCompletionItem) -> None:
        """Say that the text has been drawn."""
        self.notify("textDocument/didShowCompletion", {"item": _CONVERTER.unstructure(item)})

    async def accept(self, item: lsp.InlineCompletionItem) -> None:
        """Run the item's command, as an editor does after it has inserted the text."""
        if item.command:
            arguments = {"command": item.command.command, "arguments": item.command.arguments}
            await self.raw_request("workspace/executeCommand", arguments)

    async def accept_part(self, item: lsp.InlineCompletionItem, characters: int) -> None:
        """Say that the text has been taken up to `characters` (code points from its start)."""
        length = positions.units(str(item.insert_text)[:characters], "utf-16")
        told = {"item": _CONVERTER.unstructure(item), "acceptedLength": length}
        self.notify("textDocument/didPartiallyAcceptCompletion", told)

    async def dismiss(self, item: lsp.InlineCompletionItem, reason: str) -> None:
        """Say that the text has been refused."""
        self.notify("codecompose/didDismissCompletion", {"item": _CONVERTER.unstructure(item), "reason": reason})

    # The wire.

    def raw_request(self, method: str, params: Any = None, *, id: int | str | None = None) -> asyncio.Future[Any]:
        """Send any parameters at all, now; the future has the result as plain JSON."""
        if self._has_ended:
            raise self._end()
        answer = self._protocol.send_request_async(method, params, msg_id=id)
        return asyncio.ensure_future(asyncio.wait_for(answer, _PATIENCE_S))

    def notify(self, method: str, params: Any = None) -> None:
        self._protocol.notify(method, params)

    def cancel(self, id: int | str) -> None:
        self.notify("$/cancelRequest", {"id": id})

    async def wait_for(
        self, method: str, predicate: Callable[[Any], bool] = lambda _: True, *, timeout: float = 30, after: int = 0
    ) -> Any:
        """Return the parameters of the first notification that fits, of those from number `after` on."""

        def found() -> list[Any]:
            return [params for name, params in self.notifications[after:] if name == method and predicate(params)]

        async def news() -> Any:
            while not (fitting := found()):
                if self._has_ended:
                    raise self._end()
                self._news.clear()
                await self._news.wait()
            return fitting[0]

        return await asyncio.wait_for(news(), timeout)

    async def ready(self) -> Json:
        """Wait until the model is loaded or known to be missing; return the status that says so."""
        status: Json = await self.wait_for("didChangeStatus", lambda status: not status["busy"], timeout=120)
        return status

    async def fault(self) -> str | None:
        """Return why the server cannot answer, or None when it can."""
        status = await self.ready()
        return status["message"] if status["kind"] == "Error" else None

    def reply(self, method: str, params: Any) -> Any:
        """Return the result of a request by the server; it means yes to all that ours asks."""
        return None

    def rss_bytes(self) -> int:
        """Return the resident memory of the server."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            return int(status.read_text().split("VmRSS:")[1].split()[0]) * 1024
        resident = subprocess.run(["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, check=True)
        return int(resident.stdout) * 1024

    def _observe(self, method: str, params: Any) -> None:
        self.notifications.append((method, params))
        self._news.set()

    async def _listen(self, stdout: asyncio.StreamReader) -> None:
        await run_async(Event(), stdout, self._protocol)
        self._has_ended = True
        self._news.set()
        for future in self._protocol._request_futures.values():
            if not future.done():
                future.set_exception(self._end())

    def _end(self) -> CodeComposeError:
        said = self.log.decode("utf-8", "replace").strip().splitlines()
        return CodeComposeError(f"the server has ended{': ' + said[-1] if said else ''}")

    async def _drain(self, stderr: asyncio.StreamReader) -> None:
        while text := await stderr.read(65536):
            self.log += text
