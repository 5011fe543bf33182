"""Which weights answer in which folder of the workspace: loaded in the background, swapped between two requests.

The setting `model` decides if the user has set it; otherwise what has been promoted for the folder, else what the
user's team rolls out, else the shipped base. What answered before answers until the new weights are ready. A promotion
is noticed at the next request or landing of the cursor, and within `TICK_S` when nobody types, so that the new weights
are there before the next key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codecompose_ls.backends.connect import title
from codecompose_ls.errors import ModelError
from codecompose_ls.lsp.weights import Load, Weights
from codecompose_ls.models import promotions
from codecompose_ls.models.promotions import Promotions
from codecompose_ls.settings import Settings

if TYPE_CHECKING:
    from codecompose_ls.backends.backend import Backend
    from codecompose_ls.completion.pipeline import Pipeline
    from codecompose_ls.index.prior import Locate

logger = logging.getLogger(__name__)

#: Between two looks at what has been promoted.
TICK_S = 2.0
_UNSET = Settings().model


@dataclass(frozen=True, slots=True)
class Standing:
    """How it is with the weights of a folder.

    `fault` is why nothing answers, `notice` what else there is to know: why others answer than were promoted, or what
    the backend says of itself.
    """

    model: str
    loading: bool = False
    fault: str = ""
    notice: str = ""


@dataclass
class _Place:
    """A folder: the weights it should have, and the pipeline and weights that answer."""

    wanted: Weights
    pipeline: Pipeline | None = None
    answering: Weights | None = None


class Models:
    """Holds a pipeline for each folder.

    `changed` is called when a standing has, `swapped` when other weights answer than before.
    """

    def __init__(self, load: Load, locate: Locate, *, changed: Callable[[], None], swapped: Callable[[], None]) -> None:
        self._load, self._locate = partial(load, locate=locate), locate
        self._changed, self._swapped = changed, swapped
        self._settings = Settings()
        #: The model that a team rolls out: the setting `model` names it, but its user has not.
        self._rolled_out = ""
        self._roots: set[Path] = set()
        self._weights: dict[tuple[object, ...], Weights] = {}
        self._places: dict[Path | None, _Place] = {}
        self._watch, self._promotions = promotions.Watch(), Promotions()
        #: Why it is not known what has been promoted.
        self._fault = ""
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tick: asyncio.TimerHandle | None = None

    @property
    def pipelines(self) -> list[Pipeline]:
        """All that can answer."""
        return [place.pipeline for place in self._places.values() if place.pipeline]

    def standing(self, root: Path | None) -> Standing:
        place = self._places.get(root)
        if place is None:
            return Standing(title(self._settings), loading=any(one.is_loading for one in self._weights.values()))
        weights = self._chosen(place)
        notice = place.wanted.fault if weights is not place.wanted else self._fault
        backend = weights.backend
        said = notice or (backend.notice if backend else "")
        return Standing(title(weights.settings), weights.is_loading, weights.fault, said)

    def configure(self, settings: Settings, roots: Iterable[Path], *, rolled_out: str = "") -> None:
        """Serve these folders by these settings from now on; loads in the background what they name."""
        self._settings, self._rolled_out = settings, rolled_out
        before, self._roots = self._roots, set(roots)
        for root in before - self._roots:
            self._leave(root)
        for pipeline in self.pipelines:
            pipeline.configure(settings)
        if settings.enabled:
            self._watch.has_changed()
            self._read()
            self._assign()
            for root in self._roots:
                self._place(root)
            if not self._roots:
                self._place(None)
            if self._tick is None:
                self._look_again()
        self._changed()

    async def pipeline(self, root: Path | None) -> Pipeline | None:
        """Return who answers in a folder; waits for weights that are being loaded if nobody else does.

        None when there is nobody.
        """
        self.notice()
        place = self._place(root)
        while place.pipeline is None and self._chosen(place).is_loading:
            await asyncio.wait({self._chosen(place).loading})
        if place.pipeline is None:
            self._serve()  # here, should those who have waited be woken before the one who serves
        return None if self._chosen(place).fault else place.pipeline

    def notice(self) -> None:
        """Live by what has been promoted since; costs microseconds if nothing has."""
        if self._watch.has_changed():
            self._read()
            self._assign()
            self._changed()

    async def settled(self) -> None:
        """Wait until nothing is being loaded."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Stop everything under way."""
        if self._tick is not None:
            self._tick.cancel()
        for task in {*self._tasks, *(weights.loading for weights in self._weights.values())}:
            task.cancel()
        for pipeline in self.pipelines:
            pipeline.close()
        await asyncio.gather(*(weights.close() for weights in self._weights.values()))

    # What each folder should have.

    def _read(self) -> None:
        try:
            self._promotions, self._fault = promotions.read(), ""
        except ModelError as error:
            self._promotions, self._fault = Promotions(), str(error)
            logger.error("%s", error)

    def _place(self, root: Path | None) -> _Place:
        if root not in self._places:
            self._places[root] = _Place(self._named_for(root))
            self._serve()
        return self._places[root]

    def _leave(self, root: Path) -> None:
        place = self._places.pop(root, None)
        if place is not None and place.pipeline is not None:
            place.pipeline.close()

    def _assign(self) -> None:
        """Give every folder the weights that it should have now; what could not be loaded is tried again."""
        for key in [key for key, weights in self._weights.items() if weights.fault]:
            del self._weights[key]
        for root, place in self._places.items():
            place.wanted = self._named_for(root)
        self._serve()
        for weights in self._dispensable():
            self._follow(weights.close())

    def _named_for(self, root: Path | None) -> Weights:
        name = self._settings.model
        if name in (_UNSET, self._rolled_out) and root is not None:
            name = self._promotions.promoted(root) or name
        return self._loaded(name)

    def _chosen(self, place: _Place) -> Weights:
        """Return the weights that should answer: those wanted or, where they cannot be used, the next in line."""
        chosen = place.wanted
        for name in (self._settings.model, _UNSET if self._settings.model == self._rolled_out else ""):
            if chosen.fault and name and name != chosen.settings.model:
                chosen = self._loaded(name)
        return chosen

    def _loaded(self, name: str) -> Weights:
        settings = replace(self._settings, model=name)
        key = settings.backend_parts
        if key not in self._weights:
            self._weights[key] = Weights(settings, self._load, turn=self._turn)
            self._follow(self._arrive(self._weights[key]))
        return self._weights[key]

    # What each folder has.

    async def _arrive(self, weights: Weights) -> None:
        await asyncio.wait({weights.loading})
        self._serve()
        # Loading is over when what was there before is gone.
        await asyncio.gather(*(one.close() for one in self._dispensable()))

    def _serve(self) -> None:
        """Let weights answer that are ready."""
        swapped = False
        for place in self._places.values():
            weights = self._chosen(place)
            if weights.backend is not None and weights is not place.answering:
                swapped = swapped or place.answering is not None
                self._answer(place, weights.backend)
                place.answering = weights
        if swapped:
            self._swapped()

    def _answer(self, place: _Place, backend: Backend) -> None:
        if place.pipeline is not None:
            place.pipeline.swap(backend)
            return
        from codecompose_ls.completion.beside import Beside
        from codecompose_ls.completion.pipeline import Pipeline
        from codecompose_ls.index.snippets import snippets_of

        place.pipeline = Pipeline(backend, self._settings, beside=Beside(snippets_of(self._locate)))

    def _dispensable(self) -> list[Weights]:
        """Forget the weights that no folder needs any more, and return them; they are the caller's to close."""
        needed = {id(one) for place in self._places.values() for one in (self._chosen(place), place.answering)}
        gone = [key for key, one in self._weights.items() if id(one) not in needed and not one.fault]
        return [self._weights.pop(key) for key in gone]

    def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background; those who wait for what is under way wait for it, too."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._followed)

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed()

    def _look_again(self) -> None:
        self._tick = asyncio.get_running_loop().call_later(TICK_S, self._look_again)
        if self._settings.enabled:
            self.notice()
