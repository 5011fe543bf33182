"""What other files say, put beside the text around a cursor: chosen once for a place, and kept while one types there.

Snippets stand ahead of all else in a prompt, so another choice means that an engine reads everything anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from codecompose_ls.completion.window import Window
from codecompose_ls.types import Context, Snippet

logger = logging.getLogger(__name__)

#: A cursor that moved fewer lines than this is still at the same place.
SAME_PLACE_LINES = 30
#: A search is waited for so long; what it finds later is for the next request.
PATIENCE_MS = 50.0

#: Finds at most so many characters of snippets for a request, on any thread (`index.snippets.snippets_of`).
Find = Callable[[Context, int], tuple[Snippet, ...]]


@dataclass(frozen=True, slots=True)
class _Choice:
    line: int
    limit: int
    search: asyncio.Task[tuple[Snippet, ...]]


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
            search = asyncio.ensure_future(asyncio.to_thread(self._find, window.context(multiline=False), limit))
            choice = self._choices[window.uri] = _Choice(line, limit, search)
        if not choice.search.done():
            await asyncio.wait({choice.search}, timeout=self._patience_ms / 1000)
        if not choice.search.done():
            return ()
        found = _found(choice.search)
        if not found:
            # The index may know more when it is asked next.
            self._choices.pop(window.uri, None)
        return found

    def forget(self, uri: str) -> None:
        """Forget a document."""
        self._choices.pop(uri, None)


def _found(search: asyncio.Task[tuple[Snippet, ...]]) -> tuple[Snippet, ...]:
    try:
        return search.result()
    except Exception:
        # They are an extra: a fault in them must not cost the suggestion.
        logger.exception("no snippets")
        return ()
