"""What other files say, put beside the text around a cursor: chosen once for a place, and kept while one types there.

Snippets stand ahead of all else in a prompt, so another choice means that an engine reads everything anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from codecompose_ls.completion.window import Window
from codecompose_ls.types import Context, Snippet

#: A cursor that moved fewer lines than this is still at the same place.
SAME_PLACE_LINES = 30
#: Who finds nothing within this time is not waited for.
PATIENCE_MS = 50.0

#: Finds at most so many characters of snippets for a request, on any thread (`index.snippets.snippets_of`).
Find = Callable[[Context, int], tuple[Snippet, ...]]


@dataclass(frozen=True, slots=True)
class _Choice:
    line: int
    limit: int
    snippets: tuple[Snippet, ...]


class Beside:
    """The choices for the documents that are open. `find` is None where there is no index to choose from."""

    def __init__(self, find: Find | None = None, *, patience_ms: float = PATIENCE_MS) -> None:
        self._find, self._patience_ms = find, patience_ms
        self._choices: dict[str, _Choice] = {}

    async def choose(self, window: Window, *, limit: int) -> tuple[Snippet, ...]:
        """Return at most `limit` characters of snippets for a cursor, those of the last time if it is still there."""
        if self._find is None or limit <= 0:
            return ()
        line = window.before.count("\n")
        choice = self._choices.get(window.uri)
        if choice is None or choice.limit != limit or abs(line - choice.line) >= SAME_PLACE_LINES:
            search = asyncio.to_thread(self._find, window.context(multiline=False), limit)
            try:
                found = await asyncio.wait_for(search, self._patience_ms / 1000)
            except asyncio.TimeoutError:
                found = ()
            choice = self._choices[window.uri] = _Choice(line, limit, found)
        return choice.snippets

    def forget(self, uri: str) -> None:
        """Forget a document."""
        self._choices.pop(uri, None)
