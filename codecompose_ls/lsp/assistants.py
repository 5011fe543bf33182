"""The commands of assistants: `codecompose.assist` carries one out, `codecompose.assistants` lists them for menus.

Pieces of an answer go to the token that the request names, as `$/progress` {"kind": "assist", "text"}; an edit is
offered by workspace/applyEdit before the answer. Whatever fails is one line.
"""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from codecompose_ls.assistants.outcome import ANALYSIS, Outcome
from codecompose_ls.errors import CodeComposeError
from codecompose_ls.lsp.place import Asked, Place
from codecompose_ls.lsp.progress import Bar
from codecompose_ls.lsp.protocol import JsonRpcRequestFailed, work_done_token
from codecompose_ls.lsp.server import Server
from codecompose_ls.lsp.workspace_edit import CHANGED, obstacle, workspace_edit
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.types import Document

if TYPE_CHECKING:
    from codecompose_ls.assistants.assistant import Assistant
    from codecompose_ls.backends.chat import Chat

ASSIST, ASSISTANTS, EXPLAIN = "codecompose.assist", "codecompose.assistants", "codecompose.explain"
#: The edit of a code action has been made.
MADE, COUNT_TITLE = "codecompose.editMade", "Count the edit"
#: An editor that gives no reason has asked its user.
NOT_TAKEN = "you did not take the edit; it can be offered again"

Json = dict[str, Any]


async def assist(ls: Server, *arguments: Any) -> Json:
    """codecompose.assist: ask an assistant, show its answer as it comes, and have its edit made."""
    asked = Asked.read(ls, arguments[0] if len(arguments) == 1 else None)
    place = Place.of(ls, asked)
    if place is None and ls.workspace.document(asked.uri) is not None and ls.refusal:
        raise JsonRpcRequestFailed(ls.refusal)
    if place is None:
        raise JsonRpcInvalidParams("name a document that is open, and a range in it")
    try:
        return await _Errand(ls, asked, place).run()
    except CodeComposeError as error:
        raise JsonRpcRequestFailed(str(error)) from error


async def assistants(ls: Server, *arguments: Any) -> list[Json]:
    """codecompose.assistants: list what can be asked of a document, and why some of it cannot be now."""
    uri = arguments[0].get("uri") if arguments and isinstance(arguments[0], dict) else None
    document = ls.workspace.document(uri) if isinstance(uri, str) else None
    if document is None or not ls.admits(document):
        return []
    library = await ls.library(document.uri)
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
    known = {one.name for one in (await ls.library(document.uri)).assistants} if document else set()
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


class _Errand:
    """One request, from what was asked to its answer."""

    def __init__(self, ls: Server, asked: Asked, place: Place) -> None:
        self._ls, self._asked, self._place = ls, asked, place
        self._began = time.perf_counter()
        self._assistant: Assistant
        self._model = ""
        self._is_heard = False
        self._bar: Bar | None = None

    async def run(self) -> Json:
        self._assistant = (await self._ls.library(self._asked.uri)).find(self._asked.name)
        if self._asked.version not in (None, self._place.document.version):
            return self._answer(None, refusal=CHANGED)
        outcome = await self._carried_out()
        applied, refusal = False, outcome.refusal
        if outcome.edits:
            applied, refusal = await self._apply(outcome)
        return self._answer(outcome, applied=applied, refusal=refusal)

    async def _carried_out(self) -> Outcome:
        """Have the task carried out; whoever cancels this stops it."""
        from codecompose_ls.assistants.carry_out import carry_out

        ls, stop, task = self._ls, threading.Event(), self._place.task(self._assistant)
        chat, absent = await self._chat()
        self._began = time.perf_counter()
        running = asyncio.current_task()
        assert running is not None
        self._bar = bar = Bar(ls, self._assistant.title, token=work_done_token.get(), cancel=running.cancel)
        bar.show(message=f"asking {chat.model}" if chat else "reading the code")
        try:
            return await carry_out(
                task, chat=chat, stop=stop, show=self._show, tell=self._tell, find=ls.snippets, absent=absent
            )
        except asyncio.CancelledError:
            if self._is_heard:
                self._record(Kind.ASSIST_DISMISSED, reason="cancelled")
            raise
        finally:
            stop.set()
            bar.end()

    async def _chat(self) -> tuple[Chat | None, str]:
        """Return the chat model; where it is not needed and cannot be had, why not."""
        from codecompose_ls.assistants.carry_out import needs_chat

        try:
            return await self._ls.chat.get(), ""
        except CodeComposeError as error:
            if needs_chat(self._assistant, self._place.document.language):
                raise
            return None, str(error)

    def _tell(self, line: str) -> None:
        if self._bar is not None:
            self._bar.show(message=f"{line}; cancelling ends the wait")

    def _show(self, text: str, model: str) -> None:
        if not text:
            return
        if not self._is_heard:
            self._is_heard, self._model = True, model
            self._record(Kind.ASSISTED, latency_ms=(time.perf_counter() - self._began) * 1000)
        if self._asked.token is not None:
            piece = {"kind": "assist", "text": text}
            self._ls.protocol.notify(lsp.PROGRESS, lsp.ProgressParams(self._asked.token, piece))

    async def _apply(self, outcome: Outcome) -> tuple[bool, str]:
        """Offer the edits; return whether they were made, and why not."""
        ls, title = self._ls, self._assistant.title
        if why := obstacle(ls, outcome.edits):
            return False, why
        edit = workspace_edit(ls, outcome.edits, title=title, description=outcome.description)
        try:
            result = await ls.workspace_apply_edit_async(lsp.ApplyWorkspaceEditParams(edit, label=title))
            applied, why = result.applied, result.failure_reason or ""
        except JsonRpcException as error:
            applied, why = False, error.message
        if applied:
            self._record(Kind.ASSIST_APPLIED)
        else:
            self._record(Kind.ASSIST_DISMISSED, reason="failed" if why else "rejected")
        if applied:
            return True, ""
        return False, f"the editor could not make the edit: {why}" if why else NOT_TAKEN

    def _answer(self, outcome: Outcome | None, *, applied: bool = False, refusal: str = "") -> Json:
        markdown = outcome.markdown if outcome else ""
        if not shows(self._ls, "assist") and not (self._asked.name == "explain" and shows(self._ls, "explain")):
            if markdown and not applied:
                self._ls.show(markdown, lsp.MessageType.Info)
            elif outcome and outcome.notice:
                self._ls.show(outcome.notice)
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
        language, model = self._place.document.language, PurePath(self._model).name
        event = Event(kind, language, model, source=self._assistant.name, latency_ms=latency_ms, reason=reason)
        self._ls.life.tell(event)


def shows(ls: Server, what: str) -> bool:
    """Return whether a client says that it shows answers itself: `experimental: {"codecompose": {"assist": true}}`."""
    experimental = ls.client_capabilities.experimental
    ours = experimental.get("codecompose") if isinstance(experimental, dict) else None
    return bool(isinstance(ours, dict) and ours.get(what))
