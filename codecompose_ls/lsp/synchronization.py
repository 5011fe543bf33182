"""Documents as they open, change, are saved and close; pygls has applied the change when a handler here is called."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types as lsp

from codecompose_ls.languages import LANGUAGES
from codecompose_ls.lsp import configuration
from codecompose_ls.lsp.server import Server
from codecompose_ls.settings import PROJECT_FILE

_WATCHING = "codecompose.files"
_EXTENSIONS = [extension[1:] for language in LANGUAGES.values() for extension in language.extensions]


def did_open(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    opened(ls, params.text_document.uri)


def did_change(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    changed(ls, params.text_document.uri, params.content_changes)


def did_save(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    """A project's settings hold as soon as they are saved."""
    ls.indexes.saved(params.text_document.uri)
    path = ls.workspace.path(params.text_document.uri)
    if path is not None and path.name == PROJECT_FILE:
        configuration.apply(ls)


def did_change_watched_files(ls: Server, params: lsp.DidChangeWatchedFilesParams) -> None:
    """What other programs change counts as what is saved does."""
    uris = [change.uri for change in params.changes]
    ls.indexes.changed_on_disk(uris)
    if any(uri.endswith(f"/{PROJECT_FILE}") for uri in uris):
        configuration.apply(ls)


def watch(ls: Server) -> None:
    """Ask the client to tell of changes to files, if it can be asked."""
    from codecompose_ls.index.ignore import IGNORE_FILES

    capabilities = ls.client_capabilities.workspace
    watched = capabilities and capabilities.did_change_watched_files
    if watched and watched.dynamic_registration:
        globs = (f"**/*.{{{','.join(_EXTENSIONS)}}}", f"**/{{{','.join((*IGNORE_FILES, PROJECT_FILE))}}}")
        options = lsp.DidChangeWatchedFilesRegistrationOptions([lsp.FileSystemWatcher(glob) for glob in globs])
        registration = lsp.Registration(_WATCHING, lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        ls.client_register_capability(lsp.RegistrationParams([registration]))


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
        ls.indexes.opened(uri)
        ls.life.opened(uri, document.language, document.text)
        ls.landing.at(uri, 0)


def changed(ls: Server, uri: str, changes: Sequence[lsp.TextDocumentContentChangeEvent]) -> None:
    """Read along while the client debounces: the cursor is where the last change ended."""
    text = ls.workspace.opened(uri)
    if text is None:
        return
    ls.life.changed(uri, text.source)
    ls.indexes.edited(uri)
    edits = [change for change in changes if isinstance(change, lsp.TextDocumentContentChangePartial)]
    if edits:
        start = min(edits[-1].range.start, edits[-1].range.end)
        ls.landing.at(uri, text.offset_at(start) + len(edits[-1].text))
