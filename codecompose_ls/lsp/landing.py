"""Where the cursor has landed: the engine reads what is around it before anything is asked there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

#: A cursor has landed when it has been still for so long: clients that ask with every key do so before.
STILL_S = 0.01


class Landing:
    """Calls `read` with the document and the offset of a cursor that is still; only the last landing counts."""

    def __init__(self, read: Callable[[str, int], Awaitable[None]]) -> None:
        self._read = read
        self._cursor: tuple[str, int] | None = None
        self._unread: tuple[str, int] | None = None
        self._reading: asyncio.Task[None] | None = None

    def at(self, uri: str, offset: int) -> None:
        """Take note that the cursor has come to an offset of a document."""
        self._cursor = self._unread = (uri, offset)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read_all())

    def again(self) -> None:
        """Let weights that have just begun to answer read what the ones before them had."""
        if self._cursor is not None:
            self.at(*self._cursor)

    async def _read_all(self) -> None:
        while self._unread is not None:
            await asyncio.sleep(STILL_S)
            place, self._unread = self._unread, None
            await self._read(*place)
