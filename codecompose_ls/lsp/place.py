"""What a client asks an assistant for, and the text it is about as that was when it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from codecompose_ls.types import Document

if TYPE_CHECKING:
    from codecompose_ls.assistants.assistant import Assistant
    from codecompose_ls.assistants.task import Diagnostic, Task
    from codecompose_ls.lsp.server import Server


@dataclass(frozen=True, slots=True)
class Asked:
    """`version` is that of the document which `range` and `diagnostics` belong to."""

    name: str
    uri: str
    range: lsp.Range
    version: int | None = None
    #: Where the pieces of the answer go.
    token: lsp.ProgressToken | None = None
    diagnostics: tuple[lsp.Diagnostic, ...] = ()
    #: What the user adds to the question.
    instructions: str = ""

    @classmethod
    def read(cls, ls: Server, said: Any) -> Asked:
        """Read the argument of `codecompose.assist`. Raises `JsonRpcInvalidParams`."""
        if not isinstance(said, dict) or not all(isinstance(said.get(key), str) for key in ("name", "uri")):
            raise JsonRpcInvalidParams('the argument is an object {"name", "uri", "range", "version"}')
        version, token, diagnostics = (said.get(key) for key in ("version", "partialResultToken", "diagnostics"))
        return cls(
            said["name"],
            said["uri"],
            ls.protocol.structure(said.get("range"), lsp.Range),
            version if isinstance(version, int) else None,
            token if isinstance(token, int | str) else None,
            tuple(ls.protocol.structure(diagnostics or [], list[lsp.Diagnostic])),
            str(said.get("instructions") or ""),
        )

    @property
    def told(self) -> dict[str, Any]:
        """The same as `read` takes it, without what only some assistants want."""
        return {"name": self.name, "uri": self.uri, "range": self.range, "version": self.version}


@dataclass(frozen=True, slots=True)
class Place:
    """A selection in a document, start to end in code points; all of it may change while an assistant is at work."""

    document: Document
    start: int
    end: int
    diagnostics: tuple[Diagnostic, ...]
    root: Path | None
    ignore: tuple[str, ...]
    instructions: str

    @classmethod
    def of(cls, ls: Server, asked: Asked) -> Place | None:
        """Return the place that is asked about; None where the document is not open or must be left alone."""
        from codecompose_ls.assistants.task import Diagnostic

        text, document = ls.workspace.opened(asked.uri), ls.workspace.document(asked.uri)
        if text is None or document is None or not ls.admits(document):
            return None
        root = ls.root_of(asked.uri)
        diagnostics = (
            Diagnostic(text.offset_at(one.range.start), text.offset_at(one.range.end), one.message, one.source or "")
            for one in asked.diagnostics
        )
        start, end = text.offset_at(asked.range.start), text.offset_at(asked.range.end)
        ignore = ls.configuration.settings(root).ignore
        return cls(document, start, end, tuple(diagnostics), root, ignore, asked.instructions)

    def task(self, assistant: Assistant) -> Task:
        """Return the task of doing something here."""
        from codecompose_ls.assistants.task import Task

        return Task(
            assistant,
            self.document,
            self.start,
            self.end,
            diagnostics=self.diagnostics,
            root=self.root,
            ignore=self.ignore,
            instructions=self.instructions,
        )
