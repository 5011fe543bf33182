"""The models that the service answers for: their names, and the backends of those that were asked for lately."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from codecompose_ls.backends.backend import PromptBackend
from codecompose_ls.service.faults import Fault

#: Backends kept in memory; the one used longest ago goes first.
LOADED = 4


@dataclass(frozen=True, slots=True)
class Card:
    """A model's name; `parent` is the model that an adapter belongs to."""

    name: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model's weights are, and which engine runs them."""

    folder: Path
    engine: str


class Catalogue:
    """Loads a model when it is first asked for.

    `cards` lists what there is, anew each time; `place` says where a model's weights are and which engine runs them;
    `load` starts that engine. Both may raise `ModelError` or `EngineError`, and run in a thread.
    """

    def __init__(
        self,
        cards: Callable[[], Sequence[Card]],
        place: Callable[[str], Placement],
        load: Callable[[Placement], PromptBackend],
    ) -> None:
        self.cards = cards
        self._place, self._load = place, load
        self._loaded: OrderedDict[Placement, PromptBackend] = OrderedDict()
        self._users: Counter[Placement] = Counter()
        self._loading = asyncio.Lock()

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[PromptBackend]:
        """Give a model's backend for as long as the context lasts. Raises `Fault` for an unknown name."""
        if name not in {card.name for card in self.cards()}:
            known = "GET /v1/models lists those there are"
            raise Fault(404, f"no model '{name[:80]}': {known}", code="model_not_found", param="model")
        placement = await asyncio.to_thread(self._place, name)
        self._users[placement] += 1
        try:
            # One at a time: two would take twice the memory, and the second may ask for what the first one brings.
            async with self._loading:
                if placement not in self._loaded:
                    self._loaded[placement] = await asyncio.to_thread(self._load, placement)
                self._loaded.move_to_end(placement)
            yield self._loaded[placement]
        finally:
            self._users[placement] -= 1
            self._forget(keep=LOADED)

    def close(self) -> None:
        self._users.clear()
        self._forget(keep=0)

    def _forget(self, *, keep: int) -> None:
        """Close what nobody uses, the one used longest ago first, until so many are left."""
        idle = [placement for placement in self._loaded if not self._users[placement]]
        for placement in idle[: max(0, len(self._loaded) - keep)]:
            self._loaded.pop(placement).close()
