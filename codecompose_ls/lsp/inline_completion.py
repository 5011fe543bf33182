"""textDocument/inlineCompletion: ghost text (LSP 3.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp

from codecompose_ls.lsp import positions
from codecompose_ls.lsp.documents import TextDocument
from codecompose_ls.types import CompletionRequest, Suggestion, Trigger

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server

ACCEPTED = "codecompose.accepted"
ACCEPTED_TITLE = "Count the suggestion"

#: LSP 3.18 counts from 1; the clients of before, from 0.
_KINDS = {1: Trigger.INVOKED, 2: Trigger.AUTOMATIC}
_OLD_KINDS = {0: Trigger.INVOKED, 1: Trigger.AUTOMATIC}


async def inline_completion(ls: Server, params: lsp.InlineCompletionParams) -> lsp.InlineCompletionList:
    """Answer with one item or none."""
    uri = params.text_document.uri
    text, document = ls.workspace.opened(uri), ls.workspace.document(uri)
    if text is None or document is None:
        return lsp.InlineCompletionList([])
    selected = params.context.selected_completion_info
    request = CompletionRequest(
        document=document,
        offset=text.offset_at(params.position),
        trigger=trigger(ls, params.context.trigger_kind),
        selected=selected.text if selected else None,
        selected_start=text.offset_at(selected.range.start) if selected else None,
    )
    line = Line(text, params.position)
    suggestion = (await ls.complete(request)).suggestion
    return lsp.InlineCompletionList([item(suggestion, line)] if suggestion else [])


def trigger(ls: Server, kind: Any) -> Trigger:
    """Return what a triggerKind means from this client; a kind nobody knows yet is as good as automatic."""
    if not isinstance(kind, int):
        return Trigger.AUTOMATIC
    if kind == 0:
        ls.counts_from_zero = True
    return (_OLD_KINDS if ls.counts_from_zero else _KINDS).get(int(kind), Trigger.AUTOMATIC)


def item(suggestion: Suggestion, line: Line) -> lsp.InlineCompletionItem:
    """Return a suggestion as an item; its id rides in the command, the one place that every client sends back."""
    return lsp.InlineCompletionItem(
        insert_text=suggestion.text,
        range=line.range(suggestion.offset, suggestion.end),
        command=lsp.Command(ACCEPTED_TITLE, ACCEPTED, arguments=[suggestion.id]),
    )


class Line:
    """The line of the cursor as it was when the request came: the document may change before the answer."""

    def __init__(self, text: TextDocument, position: lsp.Position) -> None:
        self._number = positions.line_at(text.lines, position)
        self._start = text.offset_at(lsp.Position(self._number, 0))
        self._content = positions.content(text.lines[self._number]) if self._number < len(text.lines) else ""
        self._encoding = text.encoding

    def range(self, start: int, end: int) -> lsp.Range:
        """Return the range between two offsets, which must be on this line; what is off it is left out."""
        return lsp.Range(self._position(start), self._position(end))

    def _position(self, offset: int) -> lsp.Position:
        before = self._content[: max(0, offset - self._start)]
        return lsp.Position(self._number, positions.units(before, self._encoding))
