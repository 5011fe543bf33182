"""textDocument/codeAction: Explain and Add input checks, for Python, by analysis alone.

Offering costs a glance at the text, for editors ask at every move of the cursor; the work is done when the action is
chosen, in a thread.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcContentModified, JsonRpcInvalidParams

from codecompose_ls.lsp import positions
from codecompose_ls.lsp.documents import TextDocument
from codecompose_ls.lsp.server import Server

EXPLAIN = "codecompose.explain"
EXPLAIN_KIND = "codecompose.explain"
CHECKS_KIND = f"{lsp.CodeActionKind.RefactorRewrite.value}.inputChecks"
OPTIONS = lsp.CodeActionOptions(code_action_kinds=[EXPLAIN_KIND, CHECKS_KIND], resolve_provider=True)

_FUNCTION = re.compile(r"^[ \t]*(?:async[ \t]+)?def\b", re.MULTILINE)


async def code_action(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """Offer what may be done with the selection."""
    uri = params.text_document.uri
    text, document = ls.workspace.opened(uri), ls.workspace.document(uri)
    if text is None or document is None or not ls.admits(document):
        return []
    # The one request that tells where the cursor has landed.
    ls.warm(uri, text.offset_at(params.range.end))
    if document.language != "python":
        return []
    actions = [_explain_action(uri, params.range)]
    end = text.offset_at(lsp.Position(params.range.end.line + 1, 0))
    if _FUNCTION.search(document.text, 0, end):
        action = _checks_action(uri, params.range, version=document.version)
        actions.append(action if _resolves_edits(ls) else await _with_edit(ls, action, text, params.range))
    only = params.context.only
    return [action for action in actions if only is None or any(_is_kind(action, kind) for kind in only)]


async def resolve(ls: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    """codeAction/resolve: compute the edit of Add input checks."""
    uri, selected, version = _data(action.data)
    text = ls.workspace.opened(uri)
    if text is None or text.version != version:
        raise JsonRpcContentModified("the document has changed since the action was offered")
    return await _with_edit(ls, action, text, selected)


async def explain(ls: Server, uri: str = "", selected: lsp.Range | None = None) -> str:
    """codecompose.explain: return an outline in Markdown; shown too, unless the client says that it does that."""
    from codecompose_ls.assistants.explain import explain

    text, document = ls.workspace.opened(uri), ls.workspace.document(uri)
    if text is None or document is None or selected is None or not ls.admits(document):
        raise JsonRpcInvalidParams("name a document that is open and may be read, and a range in it")
    start, end = text.offset_at(selected.start), text.offset_at(selected.end)
    markdown = await asyncio.to_thread(explain, text.source, start, end)
    if not _shows_explanations(ls):
        ls.show(markdown, lsp.MessageType.Info)
    return markdown


def _explain_action(uri: str, selected: lsp.Range) -> lsp.CodeAction:
    command = lsp.Command("Explain", EXPLAIN, arguments=[uri, selected])
    return lsp.CodeAction("Explain", kind=EXPLAIN_KIND, command=command)


def _checks_action(uri: str, selected: lsp.Range, *, version: int) -> lsp.CodeAction:
    data = {"uri": uri, "range": selected, "version": version}
    return lsp.CodeAction("Add input checks", kind=CHECKS_KIND, data=data)


async def _with_edit(ls: Server, action: lsp.CodeAction, text: TextDocument, selected: lsp.Range) -> lsp.CodeAction:
    """Return the action with its edit, or with the reason why there is none."""
    from codecompose_ls.assistants.input_checks import add_input_checks

    lines, source = list(text.lines), text.source
    start, end = text.offset_at(selected.start), text.offset_at(selected.end)
    edit = await asyncio.to_thread(add_input_checks, source, start, end)
    if edit is None:
        action.disabled = lsp.CodeActionDisabled("no parameter here says what it may be, or all are checked")
        return action
    where = positions.range_at(lines, edit.start, edit.end, text.encoding)
    action.edit = _workspace_edit(ls, text, lsp.TextEdit(where, edit.text))
    return action


def _data(data: Any) -> tuple[str, lsp.Range, int]:
    """Read back what `_checks_action` wrote, after its way through the client."""
    try:
        ends = [
            lsp.Position(int(end["line"]), int(end["character"]))
            for end in (data["range"]["start"], data["range"]["end"])
        ]
        return str(data["uri"]), lsp.Range(*ends), int(data["version"])
    except (KeyError, TypeError, ValueError) as error:
        raise JsonRpcInvalidParams("the action is not one that this server offered") from error


def _workspace_edit(ls: Server, text: TextDocument, edit: lsp.TextEdit) -> lsp.WorkspaceEdit:
    """Return the edit of one document, bound to its version where the client can tell versions apart."""
    workspace = ls.client_capabilities.workspace
    if workspace and workspace.workspace_edit and workspace.workspace_edit.document_changes:
        identifier = lsp.OptionalVersionedTextDocumentIdentifier(text.uri, text.version)
        return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(identifier, [edit])])
    return lsp.WorkspaceEdit(changes={text.uri: [edit]})


def _resolves_edits(ls: Server) -> bool:
    capabilities = ls.client_capabilities.text_document
    action = capabilities.code_action if capabilities else None
    return bool(action and action.resolve_support and "edit" in action.resolve_support.properties)


def _shows_explanations(ls: Server) -> bool:
    """Clients say so with the capability `experimental: {"codecompose": {"explain": true}}`."""
    experimental = ls.client_capabilities.experimental
    ours = experimental.get("codecompose") if isinstance(experimental, dict) else None
    return bool(isinstance(ours, dict) and ours.get("explain"))


def _is_kind(action: lsp.CodeAction, kind: str) -> bool:
    """Kinds are hierarchical: `refactor` holds `refactor.rewrite`, and the empty kind holds all."""
    return not kind or action.kind == kind or str(action.kind).startswith(f"{kind}.")
