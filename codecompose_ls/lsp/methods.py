"""Who answers what: one handler a method, in the order of the specification."""

from __future__ import annotations

from lsprotocol import types as lsp

from codecompose_ls.lsp import (
    assistants,
    code_actions,
    completion,
    configuration,
    events,
    feedback,
    inline_completion,
    log,
    synchronization,
    weights,
)
from codecompose_ls.lsp.server import Server
from codecompose_ls.telemetry.editors import editor_of


def server(load: weights.Load = weights.load) -> Server:
    """Return a server that is ready for a client."""
    log.to_stderr()
    server = Server(load)
    server.feature(lsp.INITIALIZE)(initialize)
    server.feature(lsp.INITIALIZED)(initialized)
    server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)(synchronization.did_open)
    server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)(synchronization.did_change)
    server.feature(lsp.TEXT_DOCUMENT_DID_SAVE, lsp.SaveOptions(include_text=False))(synchronization.did_save)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)(synchronization.did_change_watched_files)
    server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)(synchronization.did_close)
    server.feature(lsp.NOTEBOOK_DOCUMENT_DID_OPEN)(synchronization.notebook_did_open)
    server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CHANGE)(synchronization.notebook_did_change)
    server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CLOSE)(synchronization.notebook_did_close)
    server.feature(lsp.TEXT_DOCUMENT_INLINE_COMPLETION, lsp.InlineCompletionOptions())(
        inline_completion.inline_completion
    )
    server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, code_actions.OPTIONS)(code_actions.code_action)
    server.feature(lsp.CODE_ACTION_RESOLVE)(code_actions.resolve)
    server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)(configuration.did_change_configuration)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(configuration.did_change_workspace_folders)
    server.feature(events.DID_SHOW)(events.did_show)
    server.feature(events.DID_PARTIALLY_ACCEPT)(events.did_partially_accept)
    server.feature(events.DID_DISMISS)(events.did_dismiss)
    server.command(inline_completion.ACCEPTED)(events.accepted)
    server.command(feedback.FEEDBACK)(feedback.feedback)
    server.command(assistants.ASSIST)(assistants.assist)
    server.command(assistants.ASSISTANTS)(assistants.assistants)
    server.command(assistants.MADE)(assistants.made)
    server.command(assistants.EXPLAIN)(assistants.explain)
    return server


def initialize(ls: Server, params: lsp.InitializeParams) -> None:
    ls.life.editor = editor_of(params.client_info.name if params.client_info else None)
    ls.configuration.start(params.initialization_options)
    ls.configure()
    if ls.settings.popup:
        completion.offer(ls)


async def initialized(ls: Server, _: lsp.InitializedParams) -> None:
    ls.settle()
    await ls.prepare()
    synchronization.watch(ls)
