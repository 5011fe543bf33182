"""The state of one connection: what the handlers share. `methods` says who answers what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from codecompose_ls import __version__
from codecompose_ls.languages import LANGUAGES
from codecompose_ls.lsp import log, weights
from codecompose_ls.lsp.chat_model import ChatModel
from codecompose_ls.lsp.configuration import Configuration
from codecompose_ls.lsp.documents import Workspace
from codecompose_ls.lsp.index import Indexes
from codecompose_ls.lsp.landing import Landing
from codecompose_ls.lsp.message import plain
from codecompose_ls.lsp.models import Models
from codecompose_ls.lsp.progress import Bar
from codecompose_ls.lsp.protocol import Protocol, converter
from codecompose_ls.lsp.status import StatusLine, compose
from codecompose_ls.lsp.team import Team
from codecompose_ls.lsp.trust import Trust
from codecompose_ls.settings import PROJECT_FILE, Settings
from codecompose_ls.telemetry.events import Event
from codecompose_ls.telemetry.life import Life
from codecompose_ls.types import Answer, CompletionRequest, Context, Document, Snippet

if TYPE_CHECKING:
    from codecompose_ls.assistants.library import Library
    from codecompose_ls.index.files import Admission
    from codecompose_ls.telemetry.store import Store

logger = logging.getLogger(__name__)

NOTEBOOKS = lsp.NotebookDocumentSyncOptions(
    [lsp.NotebookDocumentFilterWithNotebook(notebook="*", cells=[lsp.NotebookCellLanguage(language="*")])]
)


class Server(LanguageServer):
    """One connection and all it knows; `load` makes the backend that the settings name.

    The loop never computes: the model loads in a thread, and its engine has one of its own.
    """

    protocol: Protocol
    life: Life

    def __init__(self, load: weights.Load = weights.load) -> None:
        super().__init__(
            "codecompose-ls",
            __version__,
            notebook_document_sync=NOTEBOOKS,
            protocol_cls=Protocol,
            converter_factory=converter,
        )
        #: What the user says; a project narrows it for its own documents.
        self.settings = Settings()
        self.configuration = Configuration(self.show)
        self.landing = Landing(self._warm)
        self.models = Models(
            load, lambda context: self.indexes.locate(context), changed=self.refresh, swapped=self.landing.again
        )
        self.indexes = Indexes(
            lambda: self.workspace,
            bar=lambda name: Bar(self, f"Indexing {name}"),
            ready=self.models.settled,
            changed=self.refresh,
        )
        self.chat = ChatModel()
        self.trust = Trust(self)
        self.team = Team(self)
        self.status = StatusLine(self.protocol.notify)
        #: The client has sent triggerKind 0, so it is of the days before LSP 3.18.
        self.counts_from_zero = False
        self._store: Store | None = None
        self._admissions: dict[Path | None, Admission] = {}
        #: Open documents, the last touched last; of that one, the folder it belongs to, and why it is left alone.
        self._touched: dict[str, None] = {}
        self._root: Path | None = None
        self._refusal = ""
        #: What the engine said when it failed last.
        self._failure = ""

    # What the transport calls.

    def connected(self, write: Callable[[bytes], None], hang_up: Callable[[int], None]) -> None:
        self.protocol.set_writer(_Writer(write))
        self.protocol.hang_up = hang_up
        self.life = Life(_uncounted, timer=asyncio.get_running_loop().call_later)

    def received(self, body: bytes) -> None:
        self.protocol.received(body)

    async def closed(self) -> None:
        self.life.close()
        self.team.close()
        self.indexes.close()
        if self._store is not None:
            self._store.close()
        self.chat.close()
        await self.models.close()

    # What the handlers call.

    @property
    def workspace(self) -> Workspace:
        return self.protocol.workspace

    def show(self, message: str, kind: lsp.MessageType = lsp.MessageType.Warning) -> None:
        """Show one line to the user."""
        self.window_show_message(lsp.ShowMessageParams(kind, plain(message)))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what belongs to no request; the typist can do nothing about it."""
        logger.error("%s: %s", getattr(source, "__name__", source), type(error).__name__)

    def configure(self, values: Any = None) -> None:
        """Take what the editor says of the settings and read the other sources again."""
        self.configuration.update(values)
        self.settings = self.configuration.settings()
        for root in self.workspace.roots():
            self.configuration.settings(root)
        self._admissions.clear()
        log.set_level(self.settings.log_level)

    def settle(self) -> None:
        """Live by the settings: report their problems, count or not, and have the model that they name."""
        self.configuration.report()
        self.life.record = self._counted() if self.settings.telemetry else _uncounted
        self.team.configure(self.settings)
        roots = self.workspace.roots()
        if not self._touched:
            self._root = roots[0] if roots else None
        self.models.configure(self.settings, roots, rolled_out=self.configuration.rolled_out("model"))
        self.chat.configure(self.settings)
        indexed = {root: _indexed(self.configuration.settings(root)) for root in roots}
        self.indexes.configure(indexed, outside=_indexed(self.settings))
        self._tell_of_last_touched()

    def _tell_of_last_touched(self) -> None:
        document = self.workspace.document(next(reversed(self._touched), ""))
        if document is None:
            self._refusal = ""
            self.refresh()
        else:
            self.admits(document)

    async def prepare(self) -> None:
        """Load in a thread what the first document will need; on the loop it would be in the way of the first keys."""
        await asyncio.to_thread(self.protocol.prepare)
        await asyncio.to_thread(import_module, "codecompose_ls.index.files")

    def _counted(self) -> Callable[[Event], None]:
        from codecompose_ls.lsp.telemetry import tell_client
        from codecompose_ls.telemetry.database import default_path
        from codecompose_ls.telemetry.store import Store

        self._store = self._store or Store(default_path(), tell=partial(tell_client, self))
        return self._store.record

    def refresh(self) -> None:
        """Bring the status line up to date; it tells of the document that was last touched."""
        status = compose(
            enabled=self.settings.enabled,
            weights=self.models.standing(self._root),
            refusal=self._refusal,
            failure=self._failure,
            index=self.indexes.status,
        )
        self.status.show(status)

    def admits(self, document: Document) -> bool:
        """Return whether a document may be read at all; if not, the status says why."""
        self._touched.pop(document.uri, None)
        self._touched[document.uri] = None
        self._root = self.root_of(document.uri)
        self._refusal = self._refusal_of(document, self._root)
        self.refresh()
        self.configuration.report()
        return self.settings.enabled and not self._refusal

    @property
    def refusal(self) -> str:
        """Why the document that was last touched is left alone; empty where it is not."""
        return self._refusal

    def _refusal_of(self, document: Document, root: Path | None) -> str:
        path = self.workspace.path(document.uri)
        settings = self.configuration.settings(root)
        if not settings.enabled:
            return f"switched off by {PROJECT_FILE}"
        if document.language in settings.disabled_languages:
            return f"switched off for {document.language} by the setting 'disabled_languages'"
        reason = self._admission(root, settings.ignore).refusal(path or Path(document.path), document.text)
        return f"{document.path} is left alone: {reason}" if reason else ""

    def root_of(self, uri: str) -> Path | None:
        """Return the folder that a document belongs to; None for one that lies nowhere."""
        path = self.workspace.path(uri)
        return self.workspace.root_of(path) if path else None

    async def library(self, uri: str) -> Library:
        """Return the assistants at hand for a document; asks the user, once, about those of its project."""
        from codecompose_ls.assistants.library import library

        found = await asyncio.to_thread(library, self.root_of(uri))
        for problem in found.problems:
            self.configuration.tell_once(problem)
        self.trust.ask_about(found)
        return found

    def snippets(self, context: Context, limit: int) -> tuple[Snippet, ...]:
        """Return what other files say of the names near a cursor, of at most so many characters; from any thread."""
        from codecompose_ls.index.snippets import snippets_of

        return snippets_of(self.indexes.locate)(context, limit)

    def _admission(self, root: Path | None, ignore: tuple[str, ...]) -> Admission:
        from codecompose_ls.index.files import Admission

        if root not in self._admissions:
            self._admissions[root] = Admission(root, ignore)
        return self._admissions[root]

    async def complete(self, request: CompletionRequest) -> Answer:
        """Ask the pipeline, unless the document must be left alone."""
        if not self.admits(request.document):
            return Answer(None, "off")
        answer = Answer(None, "cancelled")
        try:
            answer = await self._answer(request)
        finally:
            self.life.answered(request, answer)
        return answer

    async def _answer(self, request: CompletionRequest) -> Answer:
        pipeline = await self.models.pipeline(self.root_of(request.document.uri))
        if pipeline is None:
            return Answer(None, "failed")
        answer = await pipeline.complete(request)
        self._failure = pipeline.last_error
        self.refresh()
        return answer

    def forget(self, uri: str) -> None:
        """Drop what is known of a document that is no longer open."""
        self.life.closed(uri)
        self.indexes.closed(uri)
        for pipeline in self.models.pipelines:
            pipeline.closed(uri)
        self._touched.pop(uri, None)
        # An editor opens and closes its own settings, say, while the user is elsewhere.
        self._tell_of_last_touched()

    async def _warm(self, uri: str, offset: int) -> None:
        pipeline = await self.models.pipeline(self.root_of(uri))
        document = self.workspace.document(uri)
        if pipeline and document and not pipeline.is_asked(uri) and self.admits(document):
            await pipeline.warm(document, min(offset, len(document.text)))


def _indexed(settings: Settings) -> tuple[str, ...] | None:
    """Return the patterns of what is not to be indexed; None where nothing is."""
    if not (settings.enabled and settings.index):
        return None
    disabled = (LANGUAGES[id].extensions for id in settings.disabled_languages if id in LANGUAGES)
    return (*settings.ignore, *(f"*{extension}" for extensions in disabled for extension in extensions))


def _uncounted(_: Event) -> None:
    """Telemetry is switched off."""


class _Writer:
    """What pygls wants to write to."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write

    def close(self) -> None:
        """The transport closes what it opened."""
