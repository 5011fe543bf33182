"""Documents as they open, change, are saved and close; pygls has applied the change when a handler here is called."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types as lsp

from codecompose_ls.lsp import configuration
from codecompose_ls.lsp.server import Server
from codecompose_ls.settings import PROJECT_FILE


def did_open(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    opened(ls, params.text_document.uri)


def did_change(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    changed(ls, params.text_document.uri, params.content_changes)


def did_save(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    """A project's settings hold as soon as they are saved."""
    path = ls.workspace.path(params.text_document.uri)
    if path is not None and path.name == PROJECT_FILE:
        configuration.apply(ls)


def did_close(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    ls.forget(params.text_document.uri)


def notebook_did_open(ls: Server, params: lsp.DidOpenNotebookDocumentParams) -> None:
    for cell in params.cell_text_documents:
        opened(ls, cell.uri)


def notebook_did_change(ls: Server, params: lsp.DidChangeNotebookDocumentParams) -> None:
    cells = params.change.cells
    if cells is None:
        return
    if cells.structure:
        for gone in cells.structure.did_close or ():
            ls.forget(gone.uri)
        for cell in cells.structure.did_open or ():
            opened(ls, cell.uri)
    for content in cells.text_content or ():
        changed(ls, content.document.uri, content.changes)


def notebook_did_close(ls: Server, params: lsp.DidCloseNotebookDocumentParams) -> None:
    for cell in params.cell_text_documents:
        ls.forget(cell.uri)


def opened(ls: Server, uri: str) -> None:
    """Follow a document that may be read; its cursor is at its start, as far as a server can know."""
    document = ls.workspace.document(uri)
    if document is not None and ls.admits(document):
        ls.life.opened(uri, document.language, document.text)
        ls.warm(uri, 0)


def changed(ls: Server, uri: str, changes: Sequence[lsp.TextDocumentContentChangeEvent]) -> None:
    """Read along while the client debounces: the cursor is where the last change ended."""
    text = ls.workspace.opened(uri)
    if text is None:
        return
    ls.life.changed(uri, text.source)
    edits = [change for change in changes if isinstance(change, lsp.TextDocumentContentChangePartial)]
    if edits:
        start = min(edits[-1].range.start, edits[-1].range.end)
        ls.warm(uri, text.offset_at(start) + len(edits[-1].text))
