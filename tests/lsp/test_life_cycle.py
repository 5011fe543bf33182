"""initialize, shutdown, exit, the end of stdin, and TCP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from codecompose_ls.errors import CodeComposeError
from codecompose_ls.lsp.client.session import COMMAND, Session
from tests.lsp.conftest import FAKE, fake


class Wire:
    """The two ends of a connection, message by message."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, method: str, params: Any = None, *, id: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id is None else {"id": id})
        body = json.dumps(message).encode()
        self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def receive(self) -> Any:
        header = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 60)
        return json.loads(await self.reader.readexactly(int(header.split(b"Content-Length:")[1].split()[0])))

    async def answer(self, id: int) -> Any:
        """Receive up to the answer to a request."""
        while (message := await self.receive()).get("id") != id or "method" in message:
            pass
        return message

    async def initialize(self) -> Any:
        self.send("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, id=1)
        return await self.answer(1)


@asynccontextmanager
async def process(*command: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Wire]]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin and process.stdout
    try:
        yield process, Wire(process.stdout, process.stdin)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_shutdown_then_exit_ends_with_0(workspace: Path) -> None:
    async with fake(root=workspace) as session:
        assert await session.raw_request("shutdown") is None
        session.notify("exit")
        assert await session.process.wait() == 0
        assert session.log == b""


async def test_exit_without_shutdown_ends_with_1() -> None:
    async with process(*FAKE) as (server, wire):
        await wire.initialize()
        wire.send("exit")
        assert await server.wait() == 1


async def test_exit_before_initialize_ends_with_1() -> None:
    async with process(*FAKE) as (server, wire):
        wire.send("exit")
        assert await server.wait() == 1


async def test_the_end_of_stdin_ends_the_server() -> None:
    async with process(*FAKE) as (server, wire):
        await wire.initialize()
        wire.writer.close()
        assert await server.wait() == 1


async def test_it_leaves_even_while_the_engine_hangs_and_the_model_loads(workspace: Path) -> None:
    async with fake(root=workspace, options={"model": "late"}) as session:
        await session.raw_request("shutdown")
        session.notify("exit")
        assert await session.process.wait() == 0
    async with fake(root=workspace) as session:
        uri = await session.open(workspace / "hanging.py", "#hang\nprint(", "python")
        request = session.inline(uri, 12)
        await session.raw_request("test/begun", "hanging.py")
        await session.raw_request("shutdown")
        (error,) = await asyncio.gather(request, return_exceptions=True)
        assert getattr(error, "code", None) == -32800
        session.notify("exit")
        assert await session.process.wait() == 0


async def test_before_initialize_and_after_shutdown_requests_are_refused() -> None:
    async with process(*FAKE) as (_, wire):
        wire.send("textDocument/inlineCompletion", {}, id=5)
        assert (await wire.answer(5))["error"]["code"] == -32002
        wire.send("textDocument/didOpen", {})
        assert "result" in await wire.initialize()
        wire.send("initialize", {"capabilities": {}}, id=6)
        assert (await wire.answer(6))["error"]["code"] == -32600
        wire.send("shutdown", {}, id=7)
        assert (await wire.answer(7))["result"] is None
        wire.send("textDocument/inlineCompletion", {}, id=8)
        assert (await wire.answer(8))["error"]["code"] == -32600


async def test_a_malformed_initialize_may_be_sent_again() -> None:
    async with process(*FAKE) as (_, wire):
        wire.send("initialize", {"capabilities": 5}, id=4)
        assert (await wire.answer(4))["error"]["code"] == -32602
        assert "result" in await wire.initialize()


async def test_capabilities_from_the_future_are_no_reason_to_refuse() -> None:
    async with process(*FAKE) as (_, wire):
        capabilities = {
            "general": {"positionEncodings": ["utf-64", "utf-32"]},
            "textDocument": {"completion": {"completionItem": {"tagSupport": {"valueSet": [99]}}}, "newFeature": {}},
            "workspace": {"workspaceEdit": {"resourceOperations": ["teleport"], "failureHandling": "giveUp"}},
        }
        wire.send("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities}, id=1)
        assert (await wire.answer(1))["result"]["capabilities"]["positionEncoding"] == "utf-32"


async def test_the_server_says_who_it_is(session: Session) -> None:
    from codecompose_ls import __version__

    assert session.initialize_result["serverInfo"] == {"name": "codecompose-ls", "version": __version__}


async def test_an_unknown_method_is_answered_and_an_unknown_notification_ignored(session: Session) -> None:
    session.notify("codecompose/unknown", {"any": "thing"})
    session.notify("$/unknown")
    with pytest.raises(JsonRpcException) as raised:
        await session.raw_request("codecompose/unknown", {})
    assert raised.value.code == -32601


async def test_a_session_with_a_server_that_ends_says_so_at_once(workspace: Path) -> None:
    with pytest.raises(CodeComposeError, match="the server has ended"):
        async with Session.start(command=(sys.executable, "-c", "raise SystemExit('no luck')")):
            pass
    async with fake(root=workspace) as session:
        session.notify("exit")
        with pytest.raises(CodeComposeError, match="the server has ended"):
            await session.wait_for("never sent")
        assert await session.process.wait() == 1


@pytest.fixture
def tcp_command() -> tuple[str, ...]:
    return (*COMMAND, "--tcp", ":0")


async def test_over_tcp_one_client_is_served_after_another(tcp_command: tuple[str, ...]) -> None:
    async with process(*tcp_command) as (server, _):
        assert server.stderr
        listening = (await server.stderr.readline()).decode()
        assert listening.startswith("listening on 127.0.0.1:")
        host, port = listening.split()[-1].rsplit(":", 1)
        for _ in range(2):
            reader, writer = await asyncio.open_connection(host, int(port))
            wire = Wire(reader, writer)
            assert "result" in await wire.initialize()
            wire.send("shutdown", id=2)
            await wire.answer(2)
            wire.send("exit")
            assert await reader.read() == b""
            writer.close()
        assert server.returncode is None


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "256.0.0.1:80"])
async def test_an_address_that_cannot_be_served_is_one_clear_line(address: str) -> None:
    async with process(*COMMAND, "--tcp", address) as (server, _):
        _, stderr = await server.communicate()
        assert server.returncode == 2
        assert stderr.decode().startswith(f"codecompose-ls: --tcp {address}: ")
        assert len(stderr.splitlines()) == 1


async def test_stdout_belongs_to_the_protocol(tmp_path: Path) -> None:
    script = "from codecompose_ls.lsp import methods, transport\nserver = methods.server()\n" + (
        "server.feature('test/print')(lambda _: print('loud'))\ntransport.serve_stdio(server)\n"
    )
    async with Session.start(root=tmp_path, command=(sys.executable, "-c", script)) as session:
        assert await session.raw_request("test/print") is None
    assert b"loud" in session.log
