"""The chat model that the settings name: connected when it is first wanted, and anew after they have changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from codecompose_ls.settings import Settings

if TYPE_CHECKING:
    from codecompose_ls.backends.chat import Chat


class ChatModel:
    """`configure` and `close` are called on the event loop."""

    def __init__(self) -> None:
        self._settings = Settings()
        self._connecting: asyncio.Future[Chat | None] | None = None

    @property
    def is_named(self) -> bool:
        """Whether the settings name one."""
        return self._settings.chat != "none"

    def configure(self, settings: Settings) -> None:
        """Live by these settings from now on; nothing is loaded or asked before it is wanted."""
        if settings.chat_parts != self._settings.chat_parts:
            self.close()
        self._settings = settings

    async def get(self) -> Chat | None:
        """Return the model, or None where the settings name none. Raises `CodeComposeError` for what is missing."""
        if not self.is_named:
            return None
        # What was missing may be there by now.
        if self._connecting is None or (self._connecting.done() and self._connecting.exception()):
            self._connecting = asyncio.ensure_future(asyncio.to_thread(_connect, self._settings))
        return await asyncio.shield(self._connecting)

    def close(self) -> None:
        """Let go of the model; it is connected again when it is wanted."""
        if self._connecting is not None:
            self._connecting.add_done_callback(_close)
            self._connecting = None


def _connect(settings: Settings) -> Chat | None:
    # Imports what speaks HTTP, which takes a while.
    from codecompose_ls.backends.connect import connect_chat

    return connect_chat(settings)


def _close(connected: asyncio.Future[Chat | None]) -> None:
    chat = None if connected.cancelled() or connected.exception() else connected.result()
    if chat is not None:
        chat.close()
