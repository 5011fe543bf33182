"""textDocument/codeAction: the assistants that make sense for a selection.

Offering costs a glance at the text, for editors ask at every move of the cursor. What a chat model does runs as a
command; an edit that analysis makes at once is computed when the action is chosen, in a thread.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcContentModified, JsonRpcInvalidParams

from codecompose_ls.errors import CodeComposeError
from codecompose_ls.lsp.assistants import ASSIST, COUNT_TITLE, EXPLAIN, MADE, reason, shows
from codecompose_ls.lsp.place import Asked, Place
from codecompose_ls.lsp.protocol import JsonRpcRequestFailed
from codecompose_ls.lsp.server import Server
from codecompose_ls.lsp.workspace_edit import CHANGED, has_changed, workspace_edit

if TYPE_CHECKING:
    from codecompose_ls.assistants.assistant import Assistant

#: The roots of our kinds: texts to show, and edits.
SHOWN_KIND, EDIT_KIND = "codecompose", f"{lsp.CodeActionKind.RefactorRewrite.value}.codecompose"
OPTIONS = lsp.CodeActionOptions(code_action_kinds=[SHOWN_KIND, EDIT_KIND], resolve_provider=True)


async def code_action(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """Offer what may be done with the selection."""
    from codecompose_ls.assistants.task import offers

    uri = params.text_document.uri
    asked = Asked("", uri, params.range, diagnostics=tuple(params.context.diagnostics))
    place = Place.of(ls, asked)
    if place is None:
        return []
    # The one request that tells where the cursor has landed.
    ls.landing.at(uri, place.end)
    asked = replace(asked, version=place.document.version)
    offered = offers(place.document, place.start, place.end, place.diagnostics, await ls.library(uri))
    actions = [
        await _action(ls, assistant, replace(asked, name=assistant.name), place)
        for assistant in offered
        if _is_wanted(_kind(assistant), params.context.only)
    ]
    return [action for action in actions if action is not None]


async def resolve(ls: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    """codeAction/resolve: compute the edit of what analysis does."""
    if action.data is None:
        return action  # it is whole, but VS Code asks for whatever has no edit
    if not isinstance(action.data, dict):
        raise JsonRpcInvalidParams("the action is not one that this server offered")
    asked = Asked.read(ls, action.data)
    place = Place.of(ls, asked)
    if place is None or place.document.version != asked.version:
        raise JsonRpcContentModified("the document has changed since the action was offered")
    try:
        assistant = (await ls.library(asked.uri)).find(asked.name)
    except CodeComposeError as error:
        raise JsonRpcRequestFailed(str(error)) from error
    return await _with_edit(ls, action, assistant, place)


async def _action(ls: Server, assistant: Assistant, asked: Asked, place: Place) -> lsp.CodeAction | None:
    """Return the action; None for one that cannot be taken now where the client cannot be told why."""
    from codecompose_ls.assistants.carry_out import needs_chat

    can = _capabilities(ls)
    action = lsp.CodeAction(assistant.title, kind=_kind(assistant))
    if why := await reason(ls, assistant, place.document):
        action.disabled = lsp.CodeActionDisabled(why)
        return action if can.disabled_support else None
    if assistant.edits and not ls.chat.is_named and not needs_chat(assistant, place.document.language):
        action.data = asked.told
        return action if _resolves_edits(can) else await _with_edit(ls, action, assistant, place)
    if ls.chat.is_named and can.tag_support and lsp.CodeActionTag.LlmGenerated in can.tag_support.value_set:
        action.tags = [lsp.CodeActionTag.LlmGenerated]
    action.command = lsp.Command(assistant.title, ASSIST, arguments=[_argument(assistant, asked)])
    if assistant.name == "explain" and shows(ls, "explain") and not shows(ls, "assist"):
        action.command = lsp.Command(assistant.title, EXPLAIN, arguments=[asked.uri, asked.range])
    return action


async def _with_edit(ls: Server, action: lsp.CodeAction, assistant: Assistant, place: Place) -> lsp.CodeAction:
    """Return the action with its edit, or with the reason why there is none."""
    from codecompose_ls.assistants.carry_out import carry_out

    try:
        outcome = await carry_out(place.task(assistant), chat=None, stop=threading.Event(), show=lambda *_: None)
    except CodeComposeError as error:
        action.disabled = lsp.CodeActionDisabled(str(error))
        return action
    if not outcome.edits or has_changed(ls, outcome.edits):
        action.disabled = lsp.CodeActionDisabled(outcome.refusal or CHANGED)
        return action
    action.edit = workspace_edit(ls, outcome.edits)
    # The client runs it when it has made the edit.
    action.command = lsp.Command(COUNT_TITLE, MADE, arguments=[assistant.name, place.document.uri])
    return action


def _argument(assistant: Assistant, asked: Asked) -> dict[str, Any]:
    """Return what `codecompose.assist` is told; diagnostics go along, for no other request has them."""
    diagnostics = {"diagnostics": list(asked.diagnostics)} if "diagnostics" in assistant.wants else {}
    return {**asked.told, **diagnostics}


def _kind(assistant: Assistant) -> str:
    return f"{EDIT_KIND if assistant.edits else SHOWN_KIND}.{assistant.name}"


def _is_wanted(kind: str, only: Any) -> bool:
    """Kinds are hierarchical: `refactor` holds `refactor.rewrite`, and the empty kind holds all."""
    return only is None or any(not asked or kind == asked or kind.startswith(f"{asked}.") for asked in map(_text, only))


def _text(kind: lsp.CodeActionKind | str) -> str:
    return kind.value if isinstance(kind, lsp.CodeActionKind) else kind


def _capabilities(ls: Server) -> lsp.CodeActionClientCapabilities:
    text_document = ls.client_capabilities.text_document
    return (text_document and text_document.code_action) or lsp.CodeActionClientCapabilities()


def _resolves_edits(can: lsp.CodeActionClientCapabilities) -> bool:
    return bool(can.resolve_support and "edit" in can.resolve_support.properties)
