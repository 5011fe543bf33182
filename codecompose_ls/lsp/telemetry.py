"""Telemetry for the client: every event as it is stored, in LSP's `telemetry/event`, where the client asks for it.

It asks by `experimental: {"codecompose": {"telemetry": true}}` among its capabilities; clients that do not know what to
do with the notification never see one. Its parameters are a line of `codecompose-ls telemetry export`. With the setting
`telemetry` off there are no events.
"""

from __future__ import annotations

from lsprotocol import types as lsp

from codecompose_ls.lsp.assistants import shows
from codecompose_ls.lsp.server import Server
from codecompose_ls.telemetry.events import Event
from codecompose_ls.telemetry.wire import to_json


def tell_client(ls: Server, event: Event) -> None:
    """Send an event to a client that wants it."""
    if shows(ls, "telemetry"):
        ls.protocol.notify(lsp.TELEMETRY_EVENT, to_json(event))
