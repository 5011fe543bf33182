"""The server: one object a connection, one handler a method, in the order of the protocol.

Handlers are thin and the loop never computes: the model loads in a thread, the engine runs in one of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from codecompose_ls import __version__
from codecompose_ls.index.files import Admission
from codecompose_ls.lsp import documents, inline_completion, model
from codecompose_ls.lsp.configuration import Configuration
from codecompose_ls.lsp.protocol import Protocol, converter
from codecompose_ls.lsp.status import StatusLine, compose
from codecompose_ls.settings import Settings
from codecompose_ls.types import Answer, CompletionRequest, Document

logger = logging.getLogger(__name__)


class Server(LanguageServer):
    """One connection and all it knows; `load` makes the backend that the settings name."""

    protocol: Protocol

    def __init__(self, load: model.Load = model.load) -> None:
        super().__init__("codecompose-ls", __version__, protocol_cls=Protocol, converter_factory=converter)
        self.configuration = Configuration(self.show)
        self.settings = Settings()
        self.model = model.Model(load, self.refresh)
        self.status = StatusLine(self.protocol.notify)
        #: The client has sent triggerKind 0, so it is of the days before LSP 3.18.
        self.counts_from_zero = False
        self._admissions: dict[Path | None, Admission] = {}
        self._refusal = ""
        self._failure = ""
        _register(self)

    # The transport's side.

    def connected(self, write: Callable[[bytes], None], hang_up: Callable[[int], None]) -> None:
        self.protocol.set_writer(_Writer(write))
        self.protocol.hang_up = hang_up

    def received(self, body: bytes) -> None:
        self.protocol.received(body)

    async def closed(self) -> None:
        await self.model.close()

    # The handlers' side.

    @property
    def workspace(self) -> documents.Workspace:
        return self.protocol.workspace

    def show(self, message: str, kind: lsp.MessageType = lsp.MessageType.Warning) -> None:
        self.window_show_message(lsp.ShowMessageParams(kind, message))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls could not attribute to a request; the typist can do nothing about it."""
        logger.error("%s: %s", getattr(source, "__name__", source), type(error).__name__)

    def configure(self, values: Any) -> None:
        """Take what the editor says of the settings and live by it."""
        roots = self.workspace.roots()
        self.settings = self.configuration.update(values, root=roots[0] if roots else None)
        self._admissions.clear()
        logging.getLogger("codecompose_ls").setLevel(self.settings.log_level.upper())

    def refresh(self) -> None:
        """Bring the status line up to date."""
        status = compose(
            enabled=self.settings.enabled,
            model=self.settings.model,
            loading=self.model.loading,
            fault=self.model.fault,
            refusal=self._refusal,
            failure=self._failure,
        )
        self.status.show(status)

    def admits(self, document: Document) -> bool:
        """Return whether a document may be read at all; if not, the status says why."""
        self._refusal = self._refusal_of(document)
        self.refresh()
        return not self._refusal and self.settings.enabled

    def _refusal_of(self, document: Document) -> str:
        if document.language in self.settings.disabled_languages:
            return f"switched off for {document.language} by the setting 'disabledLanguages'"
        path = self.workspace.path(document.uri)
        root = self.workspace.root_of(path) if path else None
        if root not in self._admissions:
            self._admissions[root] = Admission(root, self.settings.ignore)
        reason = self._admissions[root].refusal(path or Path(document.path), document.text)
        return f"{document.path}: {reason}" if reason else ""

    async def complete(self, request: CompletionRequest) -> Answer:
        """Ask the pipeline, unless the document must be left alone."""
        if not self.admits(request.document):
            return Answer(None, "off")
        pipeline = await self.model.pipeline()
        if pipeline is None:
            return Answer(None, "failed")
        answer = await pipeline.complete(request)
        self._failure = str(pipeline.last_error or "") if answer.reason == "failed" else ""
        self.refresh()
        return answer


class _Writer:
    """What pygls wants to write to."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write

    def close(self) -> None:
        """Nothing: the transport closes what it opened."""


def _register(server: Server) -> None:
    """Say who handles what."""
    server.feature(lsp.INITIALIZE)(initialize)
    server.feature(lsp.INITIALIZED)(initialized)
    server.feature(lsp.TEXT_DOCUMENT_INLINE_COMPLETION, lsp.InlineCompletionOptions())(
        inline_completion.inline_completion
    )
    server.command(inline_completion.ACCEPTED)(accepted)


def initialize(ls: Server, params: lsp.InitializeParams) -> None:
    ls.configure(params.initialization_options)


def initialized(ls: Server, _: lsp.InitializedParams) -> None:
    ls.configuration.report()
    ls.model.configure(ls.settings)


async def accepted(ls: Server, *arguments: Any) -> None:
    """The command of every item: the client runs it when the text has been inserted."""
    if ls.model.loaded and arguments and isinstance(arguments[0], str):
        ls.model.loaded.accepted(arguments[0])


def logs() -> None:
    """Log to stderr, in one line each, and never what is in a message (pygls logs whole ones at INFO)."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pygls").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.ERROR)


__all__ = ["Server", "asyncio", "logs"]
