"""A bar in the editor for work that takes a while: LSP 3.18 "Work Done Progress", of a request or by the server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server


class Bar:
    """Appears when it is first told of progress; nothing at all for a client that shows no bars.

    `token` is what a request names for its progress; without one the server asks for a bar. With `cancel` the user can
    end the work, and how far it is nobody knows.
    """

    def __init__(
        self,
        ls: Server,
        title: str,
        *,
        token: lsp.ProgressToken | None = None,
        cancel: Callable[[], object] | None = None,
    ) -> None:
        self._ls = ls
        self._title = title
        self._given, self._cancel = token, cancel
        self._token: lsp.ProgressToken | None = None
        self._message = ""
        self._begun = False

    def show(self, *, share: float | None = None, message: str) -> None:
        """Tell what is being done and how far it is, 0 to 1."""
        self._message = message
        window = self._ls.client_capabilities.window
        if self._begun:
            self._tell(lsp.WorkDoneProgressReport(message=message, percentage=_percentage(share)))
        elif self._given is not None:
            self._token = self._given
            self._begin()
        elif self._token is None and window and window.work_done_progress:
            self._token = token = str(uuid.uuid4())
            params = lsp.WorkDoneProgressCreateParams(token)
            asked = self._ls.protocol.send_request(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE, params)
            asked.add_done_callback(lambda answer: self._created(answer, token))

    def end(self) -> None:
        """Take the bar away."""
        if self._begun:
            assert self._token is not None
            self._tell(lsp.WorkDoneProgressEnd())
            self._ls.protocol.progress.tokens.pop(self._token, None)
        self._token, self._begun = None, False

    def _created(self, answer: Future[Any], token: str) -> None:
        # Only when the client has said yes may there be progress, and by then there may be nothing to tell.
        if self._token == token and not answer.cancelled() and answer.exception() is None:
            self._begin()

    def _begin(self) -> None:
        assert self._token is not None
        self._begun = True
        if self._cancel is None:
            self._tell(lsp.WorkDoneProgressBegin(self._title, percentage=0))
            return
        cancel, cancelled = self._cancel, Future[None]()
        # pygls cancels it when the client says window/workDoneProgress/cancel.
        self._ls.protocol.progress.tokens[self._token] = cancelled
        cancelled.add_done_callback(lambda _: cancel())
        self._tell(lsp.WorkDoneProgressBegin(self._title, cancellable=True, message=self._message or None))

    def _tell(self, value: lsp.WorkDoneProgressBegin | lsp.WorkDoneProgressReport | lsp.WorkDoneProgressEnd) -> None:
        assert self._token is not None
        self._ls.protocol.notify(lsp.PROGRESS, lsp.ProgressParams(self._token, value))


def _percentage(share: float | None) -> int | None:
    return None if share is None else int(100 * share)
