"""textDocument/completion: the suggestion as one item of the popup, for editors without ghost text.

Off unless the setting `popup` asks for it, for an editor with both would show everything twice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from codecompose_ls.languages import TRIGGER_CHARACTERS
from codecompose_ls.lsp.inline_completion import ACCEPTED, ACCEPTED_TITLE, Line
from codecompose_ls.types import CompletionRequest, Suggestion

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server

OPTIONS = lsp.CompletionOptions(trigger_characters=list(TRIGGER_CHARACTERS))
_REGISTRATION = "codecompose.popup"
_WORD = re.compile(r"\w*\Z")


def offer(ls: Server) -> None:
    """Answer textDocument/completion from now on; during initialize this is advertised, later it is registered."""
    if lsp.TEXT_DOCUMENT_COMPLETION not in ls.protocol.fm.features:
        ls.feature(lsp.TEXT_DOCUMENT_COMPLETION, OPTIONS)(completion)


def register(ls: Server) -> None:
    """Offer it to a client that has been told otherwise; one that cannot be told anew has to be restarted."""
    offer(ls)
    capabilities = ls.client_capabilities.text_document
    if ls.server_capabilities.completion_provider:
        return
    if capabilities and capabilities.completion and capabilities.completion.dynamic_registration:
        options = lsp.CompletionRegistrationOptions(trigger_characters=OPTIONS.trigger_characters)
        registration = lsp.Registration(_REGISTRATION, lsp.TEXT_DOCUMENT_COMPLETION, options)
        ls.client_register_capability(lsp.RegistrationParams([registration]))
    else:
        ls.show("setting 'popup' takes effect when the server is started again")


async def completion(ls: Server, params: lsp.CompletionParams) -> lsp.CompletionList:
    """Answer with one item or none; never complete, for the next key may bring another suggestion."""
    uri = params.text_document.uri
    text, document = ls.workspace.opened(uri), ls.workspace.document(uri)
    if text is None or document is None or not ls.settings.popup:
        return lsp.CompletionList(is_incomplete=False, items=[])
    # A triggerKind of Invoked says nothing here: editors also send it for every letter of a word.
    request = CompletionRequest(document, text.offset_at(params.position))
    line = Line(text, params.position)
    suggestion = (await ls.complete(request)).suggestion
    return lsp.CompletionList(is_incomplete=True, items=[item(suggestion, line, request)] if suggestion else [])


def item(suggestion: Suggestion, line: Line, request: CompletionRequest) -> lsp.CompletionItem:
    """Return a suggestion as a popup item; with the word before the cursor in it, for popups filter by that word."""
    match = _WORD.search(request.document.text, 0, suggestion.offset)
    word = match.group() if match else ""
    text = word + suggestion.text
    return lsp.CompletionItem(
        label=text.strip().split("\n")[0],
        kind=lsp.CompletionItemKind.Text,
        detail="CodeCompose",
        sort_text="\0",
        filter_text=text,
        insert_text_format=lsp.InsertTextFormat.PlainText,
        insert_text_mode=lsp.InsertTextMode.AsIs,
        text_edit=lsp.TextEdit(line.range(suggestion.offset - len(word), suggestion.end), text),
        command=lsp.Command(ACCEPTED_TITLE, ACCEPTED, arguments=[suggestion.id]),
    )
