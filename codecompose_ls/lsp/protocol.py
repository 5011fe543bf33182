"""pygls' protocol, made to answer every request exactly once.

pygls 2.1 drops a request whose parameters do not convert, or that comes after shutdown. Here a message stays plain JSON
until it is known to be one; what then does not convert is answered with InvalidParams.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar

from cattrs import Converter
from lsprotocol import types as lsp
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCProtocol,
    JsonRPCRequestMessage,
    LanguageServerProtocol,
    lsp_method,
)
from pygls.protocol import default_converter as pygls_converter

from codecompose_ls.lsp.documents import Workspace

logger = logging.getLogger(__name__)

Json = dict[str, Any]
T = TypeVar("T")

#: Where the request that is being answered wants its progress told.
work_done_token: ContextVar[lsp.ProgressToken | None] = ContextVar("work_done_token", default=None)


class JsonRpcRequestFailed(JsonRpcException):
    """LSP 3.17 "RequestFailed": all was well with the request; the message says in one line why nothing came of it."""

    CODE = lsp.LSPErrorCodes.RequestFailed.value


#: What comes and goes while somebody types.
_TYPED = (
    lsp.DidOpenTextDocumentNotification,
    lsp.DidChangeTextDocumentNotification,
    lsp.TextDocumentContentChangePartial,
    lsp.InlineCompletionRequest,
)
_ANSWERED = (lsp.InlineCompletionResponse, lsp.InlineCompletionList, lsp.InlineCompletionItem)


def converter() -> Converter:
    """Return pygls' converter, where a value that an enumeration does not know stays as it came.

    Clients newer than lsprotocol name capabilities it has not heard of, and older ones send triggerKind 0; neither is a
    reason to refuse the whole message.
    """
    found: Converter = pygls_converter()  # type: ignore[no-untyped-call]

    def member(value: Any, kind: type[Enum]) -> Any:
        try:
            return kind(value)
        except ValueError:
            return value

    for kind in lsp.ALL_TYPES_MAP.values():
        if isinstance(kind, type) and issubclass(kind, Enum):
            found.register_structure_hook(kind, member)
    return found


class Protocol(LanguageServerProtocol):
    """One connection: `received` takes the bytes of a message and never raises."""

    hang_up: Callable[[int], None]

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace that pygls made, with documents of our own in it."""
        made = super().workspace
        folders = list(made.folders.values())
        return Workspace(made.root_uri, lsp.TextDocumentSyncKind.Incremental, folders, made.position_encoding)

    @lsp_method(lsp.EXIT)
    def lsp_exit(self, *_: Any) -> None:  # type: ignore[override]
        """End the connection; the exit status says whether shutdown came first, as the specification wants."""
        self.hang_up(0 if self._shutdown else 1)

    @lsp_method(lsp.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(self, params: lsp.ExecuteCommandParams) -> Any:  # type: ignore[override]
        """Run a command with its arguments as they came. Cancelling the request cancels it; pygls would run it on."""
        handler = self.fm.commands.get(params.command)
        if handler is None:
            raise JsonRpcInvalidParams(f"there is no command {params.command!r}")
        work_done_token.set(params.work_done_token)
        result = handler(*(params.arguments or ()))
        return await result if inspect.isawaitable(result) else result

    def structure(self, value: Any, kind: type[T]) -> T:
        """Return a part of free-form parameters as lsprotocol's type. Raises `JsonRpcInvalidParams`."""
        try:
            return self._converter.structure(value, kind)
        except Exception as error:
            raise JsonRpcInvalidParams("the parameters are malformed") from error

    def prepare(self) -> None:
        """Make the converter's code for the messages of typing, which it otherwise makes at the first of each kind."""
        for asked in _TYPED:
            self._converter.get_structure_hook(asked)
        for answered in _ANSWERED:
            self._converter.get_unstructure_hook(answered)

    def received(self, body: bytes) -> None:
        """Take one message off the wire."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            logger.error("a message is not JSON (%s)", type(error).__name__)
            self._refuse(None, JsonRpcParseError("the message is not JSON"))
            return
        self.handle_message(message)

    def handle_message(self, message: Any) -> None:
        """Check, convert and dispatch a message; a request that fails on the way is answered with what was wrong."""
        identity = message.get("id") if isinstance(message, dict) else None
        try:
            super().handle_message(self._structured(message))
        except JsonRpcException as error:
            logger.warning("%s: %s", _method(message), error.message)
            if _wants_answer(message):
                self._refuse(identity, error)
        except Exception as error:
            # The text of a foreign exception may quote the message, and with it the user's code.
            logger.error("%s: %s", _method(message), type(error).__name__)
            if _wants_answer(message):
                self._refuse(identity, JsonRpcInternalError(type(error).__name__))

    def _structured(self, message: Any) -> Any:
        """Return the message as lsprotocol's type, or raise the error that answers it."""
        if not isinstance(message, dict) or message.get("jsonrpc") != JsonRPCProtocol.VERSION:
            raise JsonRpcInvalidRequest("not a JSON-RPC 2.0 message")
        if "id" in message and (isinstance(message["id"], bool) or not isinstance(message["id"], int | str)):
            raise JsonRpcInvalidRequest("the id must be a number or a string")
        if "method" not in message:
            return self._reply(message)
        method = message["method"]
        if not isinstance(method, str):
            raise JsonRpcInvalidRequest("the method must be a string")
        self._check_order(method)
        asks = "id" in message
        kind = self.get_message_type(method) or (JsonRPCRequestMessage if asks else JsonRPCNotification)
        if kind in (JsonRPCRequestMessage, JsonRPCNotification):
            # pygls makes objects of free-form parameters; as JSON they cannot surprise anyone.
            identity = {"id": message["id"]} if asks else {}
            return kind(method=method, jsonrpc=JsonRPCProtocol.VERSION, params=message.get("params"), **identity)
        if method == lsp.SHUTDOWN:
            message = {**message, "params": None}  # some clients send {} or []
        try:
            return self._converter.structure(message, kind)
        except Exception as error:
            raise JsonRpcInvalidParams("the parameters are malformed") from error

    def _reply(self, message: Json) -> Any:
        """Return a client's answer to us; one that makes no sense is an error, so that nobody waits for ever."""
        try:
            return self.structure_message(message)
        except JsonRpcException:
            error = lsp.ResponseError(JsonRpcInvalidParams.CODE, "the client's answer makes no sense")
            return lsp.ResponseErrorMessage(id=message.get("id"), error=error)

    def _check_order(self, method: str) -> None:
        """Hold the life cycle: initialize first and once, nothing but exit after shutdown."""
        if method == lsp.EXIT:
            return
        if self._shutdown:
            raise JsonRpcInvalidRequest("the server is shutting down")
        initialized = self._workspace is not None
        if method == lsp.INITIALIZE and initialized:
            raise JsonRpcInvalidRequest("initialize was sent before")
        if method != lsp.INITIALIZE and not initialized:
            raise JsonRpcServerNotInitialized("initialize comes first")

    def _refuse(self, identity: Any, error: JsonRpcException) -> None:
        known = isinstance(identity, int | str) and not isinstance(identity, bool)
        self._send_response(identity if known else None, error=error.to_response_error())  # type: ignore[arg-type]


def _wants_answer(message: Any) -> bool:
    """Return whether a message is a request, or so odd that it may have been meant as one."""
    return not isinstance(message, dict) or ("id" in message) == ("method" in message)


def _method(message: Any) -> str:
    """Name a message in the log by its method alone."""
    method = message.get("method") if isinstance(message, dict) else None
    return method if isinstance(method, str) and method in lsp.METHOD_TO_TYPES else "message"
