"""WorkspaceEdits as the client can take them: bound to versions, to be confirmed, with new files (LSP 3.18)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from codecompose_ls.assistants.outcome import FileEdit
from codecompose_ls.lsp import positions

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server

CHANGED = "the document has changed meanwhile, so nothing was done: ask again"
#: The one annotation of an edit.
_ANNOTATION = "codecompose"


def workspace_edit(
    ls: Server, edits: Sequence[FileEdit], *, title: str = "", description: str = ""
) -> lsp.WorkspaceEdit:
    """Return the edit that a client is to make; with a `title` it is to be confirmed first, where the client can ask.

    Where it cannot tell versions apart the edit is plain.
    """
    can = _capabilities(ls)
    files = [(uri, list(group)) for uri, group in groupby(edits, key=lambda edit: edit.uri)]
    if not can.document_changes:
        return lsp.WorkspaceEdit(changes={uri: list(_text_edits(ls, group)) for uri, group in files})
    annotated = bool(title and can.change_annotation_support)
    changes: list[lsp.CreateFile | lsp.TextDocumentEdit] = []
    for uri, group in files:
        if group[0].creates:
            options = lsp.CreateFileOptions(ignore_if_exists=True)
            changes.append(lsp.CreateFile(uri, options=options, annotation_id=_ANNOTATION if annotated else None))
        text = ls.workspace.opened(uri)
        identifier = lsp.OptionalVersionedTextDocumentIdentifier(uri, text.version if text else None)
        plain = list(_text_edits(ls, group))
        marked = [lsp.AnnotatedTextEdit(_ANNOTATION, edit.range, edit.new_text) for edit in plain]
        changes.append(lsp.TextDocumentEdit(identifier, marked if annotated else plain))
    annotation = lsp.ChangeAnnotation(title, needs_confirmation=True, description=description or None)
    return lsp.WorkspaceEdit(
        document_changes=changes, change_annotations={_ANNOTATION: annotation} if annotated else None
    )


def has_changed(ls: Server, edits: Iterable[FileEdit]) -> bool:
    """Return whether an open document is not any more what its edit was made for."""
    texts = ((ls.workspace.opened(edit.uri), edit.source) for edit in edits)
    return any(text is not None and text.source != source for text, source in texts)


def obstacle(ls: Server, edits: Sequence[FileEdit]) -> str:
    """Say in one line why these edits cannot be made, as that a file has changed since; empty where nothing is in
    the way."""
    can, workspace = _capabilities(ls), ls.client_capabilities.workspace
    if not (workspace and workspace.apply_edit):
        return "this editor does not let a server edit (workspace/applyEdit)"
    if has_changed(ls, edits):
        return CHANGED
    for edit in edits:
        creates = can.document_changes and lsp.ResourceOperationKind.Create in (can.resource_operations or ())
        if edit.creates and not creates:
            return f"this editor cannot be asked to create a file, as {edit.uri.rpartition('/')[2]}"
    return ""


def _text_edits(ls: Server, edits: Iterable[FileEdit]) -> Iterable[lsp.TextEdit]:
    encoding = ls.workspace.position_encoding or lsp.PositionEncodingKind.Utf16
    for edit in edits:
        lines = positions.split_lines(edit.source)
        yield lsp.TextEdit(positions.range_at(lines, edit.start, edit.end, encoding), edit.text)


def _capabilities(ls: Server) -> lsp.WorkspaceEditClientCapabilities:
    workspace = ls.client_capabilities.workspace
    return (workspace and workspace.workspace_edit) or lsp.WorkspaceEditClientCapabilities()
