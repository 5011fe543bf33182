"""Whether a project's own assistants may run: its user is asked once (DESIGN.md, Trust)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from codecompose_ls.errors import CodeComposeError
from codecompose_ls.lsp.message import plain

if TYPE_CHECKING:
    from codecompose_ls.assistants.library import Library
    from codecompose_ls.lsp.server import Server

_TRUST, _LATER = "Trust", "Not now"


class Trust:
    """Asks with window/showMessageRequest, in the background, and at most once for what a project brings."""

    def __init__(self, ls: Server) -> None:
        self._ls = ls
        self._asked: set[tuple[Path, tuple[str, ...]]] = set()
        self._asking: set[asyncio.Task[None]] = set()

    def ask_about(self, library: Library) -> None:
        """Ask, if there is anything to trust and a chat model that would be asked with it."""
        root, names = library.root, library.untrusted
        if root is None or not names or not self._ls.chat.is_named or (root, names) in self._asked:
            return
        self._asked.add((root, names))
        asking = asyncio.ensure_future(self._ask(root, names))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def _ask(self, root: Path, names: tuple[str, ...]) -> None:
        from codecompose_ls.assistants.library import trust

        question = (
            f"{root.name} brings assistants of its own ({', '.join(names)}): prompts that will be sent to your chat "
            "model with your code. Do you trust them?"
        )
        actions = [lsp.MessageActionItem(_TRUST), lsp.MessageActionItem(_LATER)]
        params = lsp.ShowMessageRequestParams(lsp.MessageType.Info, plain(question), actions)
        try:
            answer = await self._ls.window_show_message_request_async(params)
            if answer is not None and answer.title == _TRUST:
                await asyncio.to_thread(trust, root)
        except CodeComposeError as error:
            self._ls.show(str(error))
        except JsonRpcException:
            pass  # a client that cannot ask has not said yes
