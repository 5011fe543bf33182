"""A language server whose suggestions the test knows, and that writes down what it is told, one JSON object a line.

What it does about a line is said by the line's last character:

    =          several suggestions, one of them of two lines
    ?          the same, if they are asked for by hand
    another    no answer until the request is cancelled
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCEPTED = "codecompose.accepted"
SUGGESTIONS = ["apple pie", "apricot jam", "banana split\nwith cream"]


@dataclass(frozen=True, slots=True)
class ScriptedServer:
    """How an editor starts it, and what it was told."""

    log: Path

    @property
    def command(self) -> list[str]:
        return [sys.executable, __file__, str(self.log)]

    def forget(self) -> None:
        """Leave out what was told before."""
        self.log.unlink(missing_ok=True)

    def told(self, name: str) -> list[Any]:
        """What came under a name, in its order."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [told[name] for told in map(json.loads, lines) if name in told]


def serve(log: Path) -> None:
    from lsprotocol import types as lsp
    from pygls.lsp.server import LanguageServer

    server = LanguageServer("scripted", "1")

    def write(**told: Any) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")

    @server.feature(lsp.INITIALIZED)
    def ready(ls: LanguageServer, params: Any) -> None:
        ls.protocol.notify("didChangeStatus", {"kind": "Normal", "message": "ready", "busy": False})

    @server.feature(lsp.TEXT_DOCUMENT_INLINE_COMPLETION, lsp.InlineCompletionOptions())
    async def complete(ls: LanguageServer, params: lsp.InlineCompletionParams) -> lsp.InlineCompletionList:
        line = ls.workspace.get_text_document(params.text_document.uri).lines[params.position.line].strip()
        write(asked=line)
        if not line.endswith(("=", "?")):
            try:
                await asyncio.Event().wait()
            finally:
                write(cancelled=line)
        if line.endswith("?") and params.context.trigger_kind != lsp.InlineCompletionTriggerKind.Invoked:
            return lsp.InlineCompletionList([])
        range = lsp.Range(params.position, params.position)
        items = [
            lsp.InlineCompletionItem(text, range=range, command=lsp.Command("Count", ACCEPTED, arguments=[text]))
            for text in SUGGESTIONS
        ]
        return lsp.InlineCompletionList(items)

    @server.feature("textDocument/didShowCompletion")
    def shown(params: Any) -> None:
        write(shown=params.item.insertText)

    @server.feature("textDocument/didPartiallyAcceptCompletion")
    def partly_accepted(params: Any) -> None:
        write(partly_accepted=params.acceptedLength)

    @server.feature("codecompose/didDismissCompletion")
    def dismissed(params: Any) -> None:
        write(dismissed=params.reason)

    @server.command(ACCEPTED)
    def accepted(text: str) -> None:
        write(accepted=text)

    @server.command("codecompose.feedback")
    def feedback(given: dict[str, Any]) -> dict[str, Any]:
        write(feedback=given)
        return {"kept": True, "sent": False, "message": "Thank you."}

    server.start_io()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
