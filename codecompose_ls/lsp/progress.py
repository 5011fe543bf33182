"""A bar in the editor for work the server does by itself: LSP 3.18 "Server Initiated Progress"."""

from __future__ import annotations

import uuid
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server


class Bar:
    """Appears when it is first told of progress; nothing at all for a client that shows no bars."""

    def __init__(self, ls: Server, title: str) -> None:
        self._ls = ls
        self._title = title
        self._token: str | None = None
        self._begun = False

    def show(self, *, share: float, message: str) -> None:
        """Tell how far the work is, 0 to 1."""
        window = self._ls.client_capabilities.window
        if self._token is None and window and window.work_done_progress:
            self._token = token = str(uuid.uuid4())
            params = lsp.WorkDoneProgressCreateParams(token)
            asked = self._ls.protocol.send_request(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE, params)
            asked.add_done_callback(lambda answer: self._begin(answer, token))
        if self._begun:
            self._tell(lsp.WorkDoneProgressReport(message=message, percentage=int(100 * share)))

    def end(self) -> None:
        """Take the bar away."""
        if self._begun:
            self._tell(lsp.WorkDoneProgressEnd())
        self._token, self._begun = None, False

    def _begin(self, answer: Future[Any], token: str) -> None:
        # Only when the client has said yes may there be progress, and by then there may be nothing to tell.
        if self._token == token and not answer.cancelled() and answer.exception() is None:
            self._begun = True
            self._tell(lsp.WorkDoneProgressBegin(self._title, percentage=0))

    def _tell(self, value: lsp.WorkDoneProgressBegin | lsp.WorkDoneProgressReport | lsp.WorkDoneProgressEnd) -> None:
        assert self._token is not None
        self._ls.protocol.notify(lsp.PROGRESS, lsp.ProgressParams(self._token, value))
