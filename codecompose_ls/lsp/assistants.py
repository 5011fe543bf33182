"""The commands of assistants: `codecompose.assist` carries one out, `codecompose.assistants` lists them for menus.

Pieces of an answer go to the token that the request names, as `$/progress` {"kind": "assist", "text"}; an edit is
offered by workspace/applyEdit before the answer. Whatever fails is one line.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from codecompose_ls.assistants.outcome import ANALYSIS, Outcome
from codecompose_ls.errors import CodeComposeError
from codecompose_ls.lsp.progress import Bar
from codecompose_ls.lsp.protocol import JsonRpcRequestFailed, work_done_token
from codecompose_ls.lsp.server import Server
from codecompose_ls.lsp.workspace_edit import obstacle, workspace_edit
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.types import Document

if TYPE_CHECKING:
    from codecompose_ls.assistants.assistant import Assistant
    from codecompose_ls.assistants.task import Task
    from codecompose_ls.backends.chat import Chat

ASSIST, ASSISTANTS, EXPLAIN = "codecompose.assist", "codecompose.assistants", "codecompose.explain"
#: The edit of a code action has been made.
MADE, COUNT_TITLE = "codecompose.editMade", "Count the edit"

_CHANGED = "the document has changed meanwhile, so nothing was done: ask again"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks for; `version` is that of the document which `range` and `diagnostics` belong to."""

    name: str
    uri: str
    range: lsp.Range
    version: int | None = None
    #: Where the pieces of the answer go.
    token: lsp.ProgressToken | None = None
    diagnostics: tuple[lsp.Diagnostic, ...] = ()


async def assist(ls: Server, *arguments: Any) -> Json:
    """codecompose.assist: ask an assistant, show its answer as it comes, and have its edit made."""
    asked = _asked(ls, arguments)
    try:
        return await _Errand(ls, asked).run()
    except CodeComposeError as error:
        raise JsonRpcRequestFailed(str(error)) from error


async def assistants(ls: Server, *arguments: Any) -> list[Json]:
    """codecompose.assistants: list what can be asked of a document, and why some of it cannot be now."""
    uri = arguments[0].get("uri") if arguments and isinstance(arguments[0], dict) else None
    document = ls.workspace.document(uri) if isinstance(uri, str) else None
    if document is None or not ls.admits(document):
        return []
    library = await ls.library(document)
    found = [assistant for assistant in library.assistants if assistant.knows(document.language)]
    return [
        {"name": one.name, "title": one.title, "kind": one.kind, "disabled": await reason(ls, one, document)}
        for one in found
    ]


async def explain(ls: Server, *arguments: Any) -> str:
    """codecompose.explain (uri, range): as `assist` does, for clients of before there was that; they show Markdown."""
    if len(arguments) != 2 or not isinstance(arguments[0], str):
        raise JsonRpcInvalidParams("the arguments are a document and a range in it")
    answer = await assist(ls, {"name": "explain", "uri": arguments[0], "range": arguments[1]})
    return str(answer["markdown"])


async def made(ls: Server, *arguments: Any) -> None:
    """codecompose.editMade (name, uri): count what analysis did; it may be computed and never taken."""
    name, uri = arguments if len(arguments) == 2 else (None, None)
    document = ls.workspace.document(uri) if isinstance(uri, str) else None
    known = {one.name for one in (await ls.library(document)).assistants} if document else set()
    if document is not None and name in known:
        for kind in (Kind.ASSISTED, Kind.ASSIST_APPLIED):
            ls.life.tell(Event(kind, document.language, ANALYSIS, source=name))


async def reason(ls: Server, assistant: Assistant, document: Document) -> str:
    """Say why an assistant cannot be asked now; empty where it can."""
    from codecompose_ls.assistants.carry_out import needs_chat

    missing = needs_chat(assistant, document.language)
    if not missing:
        return ""
    try:
        return "" if await ls.chat.get() else missing
    except CodeComposeError as error:
        return str(error)


def task_of(ls: Server, assistant: Assistant, asked: Asked) -> Task:
    """Return the task for the document as it is now."""
    from codecompose_ls.assistants.task import Diagnostic, Task

    text, document = ls.workspace.opened(asked.uri), ls.workspace.document(asked.uri)
    assert text is not None and document is not None
    root = ls.root_of(asked.uri)
    diagnostics = (
        Diagnostic(text.offset_at(one.range.start), text.offset_at(one.range.end), one.message, one.source or "")
        for one in asked.diagnostics
    )
    start, end = text.offset_at(asked.range.start), text.offset_at(asked.range.end)
    ignore = ls.configuration.settings(root).ignore
    return Task(assistant, document, start, end, tuple(diagnostics), root, ignore)


class _Errand:
    """One request, from what was asked to its answer."""

    def __init__(self, ls: Server, asked: Asked) -> None:
        document = ls.workspace.document(asked.uri)
        if document is None or not ls.admits(document):
            raise JsonRpcInvalidParams("name a document that is open and may be read, and a range in it")
        self._ls, self._asked, self._document = ls, asked, document
        self._began = time.perf_counter()
        self._assistant: Assistant
        self._model = ""
        self._is_heard = False

    async def run(self) -> Json:
        ls, asked = self._ls, self._asked
        self._assistant = (await ls.library(self._document)).find(asked.name)
        if asked.version not in (None, self._document.version):
            return self._answer(None, refusal=_CHANGED)
        outcome = await self._carried_out()
        applied, refusal = False, outcome.refusal
        if outcome.edits:
            applied, refusal = await self._apply(outcome)
        return self._answer(outcome, applied=applied, refusal=refusal)

    async def _carried_out(self) -> Outcome:
        """Have the task carried out; whoever cancels this stops it."""
        from codecompose_ls.assistants.carry_out import carry_out

        ls, stop = self._ls, threading.Event()
        task = task_of(ls, self._assistant, self._asked)
        chat = await self._chat()
        self._began = time.perf_counter()
        running = asyncio.current_task()
        assert running is not None
        bar = Bar(ls, self._assistant.title, token=work_done_token.get(), cancel=running.cancel)
        bar.show(message=f"asking {chat.model}" if chat else "reading the code")
        self._model = chat.model if chat else ANALYSIS
        try:
            return await carry_out(task, chat=chat, stop=stop, show=self._show, find=ls.snippets)
        except asyncio.CancelledError:
            if self._is_heard:
                self._record(Kind.ASSIST_DISMISSED, reason="cancelled")
            raise
        finally:
            stop.set()
            bar.end()

    async def _chat(self) -> Chat | None:
        """Return the chat model, where it is needed or can be had."""
        from codecompose_ls.assistants.carry_out import needs_chat

        try:
            return await self._ls.chat.get()
        except CodeComposeError:
            if needs_chat(self._assistant, self._document.language):
                raise
            return None

    def _show(self, text: str) -> None:
        if not text:
            return
        if not self._is_heard:
            self._is_heard = True
            self._record(Kind.ASSISTED, latency_ms=(time.perf_counter() - self._began) * 1000)
        if self._asked.token is not None:
            piece = {"kind": "assist", "text": text}
            self._ls.protocol.notify(lsp.PROGRESS, lsp.ProgressParams(self._asked.token, piece))

    async def _apply(self, outcome: Outcome) -> tuple[bool, str]:
        """Offer the edits; return whether they were made, and why not."""
        ls, title, now = self._ls, self._assistant.title, self._ls.workspace.opened(self._asked.uri)
        if now is None or (now.version or 0) != self._document.version:
            return False, _CHANGED
        if why := obstacle(ls, outcome.edits):
            return False, why
        edit = workspace_edit(ls, outcome.edits, title=title, description=outcome.description)
        try:
            result = await ls.workspace_apply_edit_async(lsp.ApplyWorkspaceEditParams(edit, label=title))
            applied, why = result.applied, result.failure_reason or ""
        except JsonRpcException as error:
            applied, why = False, error.message
        self._record(Kind.ASSIST_APPLIED if applied else Kind.ASSIST_DISMISSED)
        return applied, "" if applied else f"the editor did not make the edit{f': {why}' if why else ''}"

    def _answer(self, outcome: Outcome | None, *, applied: bool = False, refusal: str = "") -> Json:
        markdown = outcome.markdown if outcome else ""
        if not shows(self._ls, "assist") and not (self._asked.name == "explain" and shows(self._ls, "explain")):
            if markdown and not (outcome and outcome.edits):
                self._ls.show(markdown, lsp.MessageType.Info)
            if refusal:
                self._ls.show(refusal)
        return {
            "name": self._assistant.name,
            "title": self._assistant.title,
            "markdown": markdown,
            "madeBy": outcome.made_by if outcome else "",
            "applied": applied,
            "refusal": refusal,
        }

    def _record(self, kind: Kind, *, latency_ms: float | None = None, reason: str | None = None) -> None:
        language, model = self._document.language, PurePath(self._model).name
        event = Event(kind, language, model, source=self._assistant.name, latency_ms=latency_ms, reason=reason)
        self._ls.life.tell(event)


def shows(ls: Server, what: str) -> bool:
    """Return whether a client says that it shows answers itself: `experimental: {"codecompose": {"assist": true}}`."""
    experimental = ls.client_capabilities.experimental
    ours = experimental.get("codecompose") if isinstance(experimental, dict) else None
    return bool(isinstance(ours, dict) and ours.get(what))


def _asked(ls: Server, arguments: tuple[Any, ...]) -> Asked:
    """Read what a client has sent. Raises `JsonRpcInvalidParams`."""
    said = arguments[0] if len(arguments) == 1 else None
    if not isinstance(said, dict) or not all(isinstance(said.get(key), str) for key in ("name", "uri")):
        raise JsonRpcInvalidParams('the argument is an object {"name", "uri", "range", "version"}')
    version, token, diagnostics = (said.get(key) for key in ("version", "partialResultToken", "diagnostics"))
    return Asked(
        said["name"],
        said["uri"],
        ls.protocol.structure(said.get("range"), lsp.Range),
        version if isinstance(version, int) else None,
        token if isinstance(token, int | str) else None,
        tuple(ls.protocol.structure(one, lsp.Diagnostic) for one in diagnostics or ()),
    )
