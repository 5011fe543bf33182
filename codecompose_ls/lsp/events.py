"""What the client says became of a suggestion; every message may be missing, late or malformed.

`textDocument/didShowCompletion` {item}, `textDocument/didPartiallyAcceptCompletion` {item, acceptedLength} in UTF-16
from the start, `codecompose/didDismissCompletion` {item, reason}, and the item's command when it was inserted.
"""

from __future__ import annotations

from typing import Any

from lsprotocol.types import PositionEncodingKind

from codecompose_ls.lsp import positions
from codecompose_ls.lsp.server import Server

DID_SHOW = "textDocument/didShowCompletion"
DID_PARTIALLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"
DID_DISMISS = "codecompose/didDismissCompletion"


async def did_show(ls: Server, params: Any) -> None:
    """The text has been drawn: time it, and prepare what would follow it."""
    if id := suggestion_id(params):
        ls.life.drawn(id)
        for pipeline in ls.models.pipelines:
            await pipeline.shown(id)


def did_partially_accept(ls: Server, params: Any) -> None:
    """A word or a line of the text has been taken."""
    if id := suggestion_id(params):
        text, length = params["item"].get("insertText"), params.get("acceptedLength")
        if isinstance(text, str) and isinstance(length, int) and length > 0:
            ls.life.partly_accepted(id, len(text) - positions.code_points(text, length, PositionEncodingKind.Utf16))


def did_dismiss(ls: Server, params: Any) -> None:
    """The text has been refused."""
    if id := suggestion_id(params):
        reason = params.get("reason")
        ls.life.dismissed(id, reason if isinstance(reason, str) else "")
        for pipeline in ls.models.pipelines:
            pipeline.dismissed(id)


async def accepted(ls: Server, *arguments: Any) -> None:
    """The command of every item: the client runs it when it has inserted the text."""
    if arguments and isinstance(arguments[0], str):
        ls.life.accepted(arguments[0])
        for pipeline in ls.models.pipelines:
            pipeline.accepted(arguments[0])


def suggestion_id(params: Any) -> str | None:
    """Find the id in the item that a client sends back."""
    try:
        id = params["item"]["command"]["arguments"][0]
    except (KeyError, IndexError, TypeError):
        return None
    return id if isinstance(id, str) else None
