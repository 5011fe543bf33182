"""Messages that no client should send: every request gets exactly one answer, and the server lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pygls.exceptions import JsonRpcException

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import FAKE
from tests.lsp.test_life_cycle import Wire, process

HELLO = "#say hello)\nprint("
INVALID_PARAMS = -32602

#: Every request that the server has a handler for, and some notifications.
REQUESTS = (
    "textDocument/inlineCompletion",
    "textDocument/completion",
    "textDocument/codeAction",
    "codeAction/resolve",
    "workspace/executeCommand",
)
NOTIFICATIONS = (
    "initialized",
    "textDocument/didOpen",
    "textDocument/didChange",
    "textDocument/didClose",
    "textDocument/didSave",
    "notebookDocument/didOpen",
    "notebookDocument/didChange",
    "notebookDocument/didClose",
    "workspace/didChangeWorkspaceFolders",
    "textDocument/didShowCompletion",
    "textDocument/didPartiallyAcceptCompletion",
    "codecompose/didDismissCompletion",
    "$/cancelRequest",
    "$/setTrace",
    "window/workDoneProgress/cancel",
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """Draw the value with anything at all in the place of any of its parts, or with parts missing."""
    if isinstance(value, dict):
        parts = st.fixed_dictionaries({}, optional={key: mutated(part) for key, part in value.items()})
    elif isinstance(value, list):
        parts = st.tuples(*map(mutated, value)).map(list)
    else:
        parts = st.just(value)
    return st.just(value) | parts | json_values


def valid(uri: str) -> dict[str, Any]:
    place = {"line": 1, "character": 6}
    identifier, span = {"uri": uri}, {"start": place, "end": place}
    cell = {"kind": 2, "document": "cell:1"}
    text = {"uri": "cell:1", "languageId": "python", "version": 1, "text": "x = 1\n"}
    notebook = {"uri": "file:///n.ipynb", "notebookType": "jupyter", "version": 1, "metadata": {}, "cells": [cell]}
    return {
        "initialized": {},
        "textDocument/inlineCompletion": {
            "textDocument": identifier,
            "position": place,
            "context": {"triggerKind": 1, "selectedCompletionInfo": {"range": span, "text": "print("}},
        },
        "textDocument/completion": {"textDocument": identifier, "position": place, "context": {"triggerKind": 1}},
        "textDocument/codeAction": {"textDocument": identifier, "range": span, "context": {"diagnostics": []}},
        "codeAction/resolve": {"title": "Add input checks", "data": {"uri": uri, "range": span, "version": 1}},
        "workspace/executeCommand": {"command": "codecompose.explain", "arguments": [uri, span]},
        "textDocument/didOpen": {"textDocument": {**text, "uri": "file:///o.py"}},
        "textDocument/didChange": {
            "textDocument": {"uri": "file:///o.py", "version": 2},
            "contentChanges": [{"range": span, "text": "y"}, {"text": "z"}],
        },
        "textDocument/didClose": {"textDocument": {"uri": "file:///o.py"}},
        "textDocument/didSave": {"textDocument": {"uri": "file:///o.py"}},
        "notebookDocument/didOpen": {"notebookDocument": notebook, "cellTextDocuments": [text]},
        "notebookDocument/didChange": {
            "notebookDocument": {"version": 2, "uri": "file:///n.ipynb"},
            "change": {"cells": {"structure": {"array": {"start": 0, "deleteCount": 1, "cells": [cell]}}}},
        },
        "notebookDocument/didClose": {"notebookDocument": {"uri": "file:///n.ipynb"}, "cellTextDocuments": []},
        "workspace/didChangeWorkspaceFolders": {"event": {"added": [{"uri": "file:///a", "name": "a"}], "removed": []}},
        "textDocument/didShowCompletion": {"item": {"command": {"arguments": ["id"]}}},
        "textDocument/didPartiallyAcceptCompletion": {"item": {"insertText": "x"}, "acceptedLength": 1},
        "codecompose/didDismissCompletion": {"item": {"command": {"arguments": ["id"]}}, "reason": "ignored"},
        "$/cancelRequest": {"id": 1},
        "$/setTrace": {"value": "off"},
        "window/workDoneProgress/cancel": {"token": 1},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def document(session: Session, workspace: Path) -> str:
    return await session.open(workspace / "steady.py", HELLO, "python")


async def alive(session: Session, uri: str) -> bool:
    return len(await session.inline(uri, len(HELLO), trigger="invoked")) == 1


BAD_INLINE: list[Any] = [
    None,
    [],
    {},
    5,
    "text",
    {"position": {"line": 0, "character": 0}, "context": {"triggerKind": 1}},
    {"textDocument": {"uri": "URI"}, "context": {"triggerKind": 1}},
    {"textDocument": {"uri": "URI"}, "position": {"line": 0, "character": 0}},
    {"textDocument": {"uri": "URI"}, "position": {"line": -1, "character": 0}, "context": {"triggerKind": 1}},
    {"textDocument": {"uri": "URI"}, "position": {"line": 0, "character": 2**70}, "context": {"triggerKind": 1}},
    {"textDocument": {"uri": "URI"}, "position": {"line": "one", "character": 0}, "context": {"triggerKind": 1}},
    {"textDocument": {"uri": 5}, "position": {"line": 0, "character": 0}, "context": {"triggerKind": 1}},
    {"textDocument": "URI", "position": {"line": 0, "character": 0}, "context": {"triggerKind": 1}},
    {"textDocument": {"uri": "URI"}, "position": {"line": 0, "character": 0}, "context": None},
    {"textDocument": {"uri": "URI"}, "position": {"line": 0, "character": 0}, "context": {}},
]


@pytest.mark.parametrize("params", BAD_INLINE)
async def test_a_request_that_cannot_be_understood_is_answered_empty_or_with_invalid_params(
    params: Any, session: Session, document: str
) -> None:
    if isinstance(params, dict) and params.get("textDocument") == {"uri": "URI"}:
        params = params | {"textDocument": {"uri": document}}
    (answer,) = await asyncio.gather(
        session.raw_request("textDocument/inlineCompletion", params), return_exceptions=True
    )
    assert answer == {"items": []} or answer.code == INVALID_PARAMS
    assert await alive(session, document)


async def test_a_position_far_outside_the_text_is_its_end(session: Session, document: str) -> None:
    params = {
        "textDocument": {"uri": document},
        "position": {"line": 2**31 - 1, "character": 2**31 - 1},
        "context": {"triggerKind": 1},
    }
    (item,) = (await session.raw_request("textDocument/inlineCompletion", params))["items"]
    assert item["range"]["start"] == {"line": 1, "character": 6}


async def test_an_unknown_command_is_an_error(session: Session) -> None:
    with pytest.raises(JsonRpcException) as raised:
        await session.raw_request("workspace/executeCommand", {"command": "rm", "arguments": []})
    assert raised.value.code == INVALID_PARAMS


@given(data=st.data(), method=st.sampled_from(REQUESTS + NOTIFICATIONS))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_whatever_the_parameters_a_request_is_answered_and_the_server_lives(
    session: Session, document: str, data: st.DataObject, method: str
) -> None:
    params = data.draw(mutated(valid(document)[method]))
    if method in REQUESTS:
        try:
            await session.raw_request(method, params)
        except JsonRpcException as error:
            assert error.code in (INVALID_PARAMS, -32601, -32801)
    else:
        session.notify(method, params)
    state = await session.raw_request("test/state")
    assert state["tasks"] < 20
    assert session.log.count(b"Traceback") == 0


async def test_it_lived_through_all_that(session: Session, document: str) -> None:
    assert await alive(session, document)
    assert session.process.returncode is None


@given(values=mutated({"codecompose": {"maxTokens": 10, "ignore": ["*.x"], "disabledLanguages": ["go"], "model": "x"}}))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_settings_of_any_shape_are_survived(session: Session, document: str, values: Any) -> None:
    session.notify("workspace/didChangeConfiguration", {"settings": values})
    assert await session.raw_request("test/text", {"uri": document}) == HELLO


# On the wire itself.


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire() -> AsyncIterator[Wire]:
    async with process(*FAKE) as (_, wire):
        await wire.initialize()
        yield wire


def framed(body: bytes, *, length: int | None = None) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body) if length is None else length, body)


async def answers(wire: Wire) -> None:
    """Assert that the next request is answered."""
    wire.send("test/unknown", id=99)
    assert (await wire.answer(99))["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b"5", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 3, "method": 5}', -32600),
        (b'{"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {"jsonrpc": "2.0"}}', -32600),
    ],
)
async def test_what_is_no_message_is_answered_as_an_error(body: bytes, code: int, wire: Wire) -> None:
    wire.writer.write(framed(body))
    assert (await wire.receive())["error"]["code"] == code
    await answers(wire)


@pytest.mark.parametrize(
    "message",
    [
        b"rubbish\r\n\r\nmore rubbish\r\n",
        b"Content-Length: x\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        framed(b'{"jsonrpc": "2.0", "method": "$/unknown"}', length=10) + b"\r\n",
        framed(b'{"jsonrpc": "2.0", "method": "$/unknown"}', length=10),
        framed(b'{"jsonrpc": "2.0", "result": 5, "id": "never asked"}'),
        framed(b'{"jsonrpc": "2.0", "error": 5, "id": "never asked"}'),
        framed(b'{"jsonrpc": "2.0", "id": "never asked"}'),
        framed(b'{"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": []}}'),
        b"content-length:42\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n"
        b'{"jsonrpc": "2.0", "method": "$/unknown" }',
    ],
)
async def test_rubbish_on_the_wire_costs_no_more_than_itself(message: bytes, wire: Wire) -> None:
    wire.writer.write(message)
    await answers(wire)


async def test_a_message_that_never_ends_ends_with_the_connection() -> None:
    async with process(*FAKE) as (server, wire):
        await wire.initialize()
        wire.writer.write(b"Content-Length: 1000\r\n\r\n{")
        wire.writer.close()
        assert await asyncio.wait_for(server.wait(), 30) == 1
