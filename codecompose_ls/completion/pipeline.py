"""The road of a keystroke: typed through, cache, in-flight join, debounce, context, backend, postprocess; one answer.

Nothing already known waits. `complete` never raises but when its own task is cancelled; a newer request for the same
document takes the place of an older one, which answers "superseded". Knows nothing about LSP, models or telemetry.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from codecompose_ls.backends.backend import Backend, Priority
from codecompose_ls.completion.beside import Beside
from codecompose_ls.completion.confidence import Features, confidence
from codecompose_ls.completion.debounce import Debounce
from codecompose_ls.completion.flight import Ask, Flight
from codecompose_ls.completion.given import Given
from codecompose_ls.completion.known import Known
from codecompose_ls.completion.scope import parser_for, scope_at
from codecompose_ls.completion.stopping import Place, opening
from codecompose_ls.completion.trigger import silence
from codecompose_ls.completion.turn import Turn, View, view_of
from codecompose_ls.settings import Settings
from codecompose_ls.types import Answer, Clock, CompletionRequest, Context, Document, Sampling, Source

#: A backend silent for so long is taken for hung.
PATIENCE_MS = 10_000.0


def now_ms() -> float:
    """Milliseconds of the monotonic clock."""
    return time.perf_counter() * 1000


class Pipeline:
    """Answers completion requests with one backend. All methods are called on one event loop."""

    def __init__(
        self,
        backend: Backend,
        settings: Settings,
        *,
        clock: Clock = now_ms,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        patience_ms: float = PATIENCE_MS,
        confidence: Callable[[Features], float] = confidence,
        beside: Beside | None = None,
    ) -> None:
        self.backend, self.settings = backend, settings
        #: The backend's last failure in one line, for the status; empty again after a success.
        self.last_error = ""
        self._clock, self._sleep, self._patience_ms = clock, sleep, patience_ms
        self._known = Known(settings, confidence)
        self._debounce = Debounce()
        self._beside = beside or Beside()
        self._turns: dict[str, Turn] = {}
        self._flights: dict[str, Flight] = {}
        self._speculations: set[asyncio.Task[None]] = set()
        #: The languages whose parsers are loaded.
        self._parsed: set[str] = set()

    async def complete(self, request: CompletionRequest) -> Answer:
        """Answer a request, exactly once; raises nothing but CancelledError, when the calling task is cancelled."""
        turn, uri = Turn(self._clock), request.document.uri
        try:
            view = self._view(request)
            answer = turn.answer(None, "off") if self._is_off(request.document) else self._known.answer(view, turn)
            if answer is None:
                self._join(view, turn)
            self._supersede(uri)
            if answer is not None:
                return answer
            self._turns[uri] = turn
            turn.task = asyncio.ensure_future(self._ask(view, turn))
            answer = await turn.outcome(patience_ms=self._patience_ms)
            if answer is None:
                self.last_error = f"no answer within {self._patience_ms / 1000:g} s: the model is overloaded or hangs"
            return answer or turn.answer(None, "failed")
        except Exception as error:
            # Whatever went wrong, the editor gets its one answer and the status says why.
            self.last_error = f"{type(error).__name__}: {error}"
            return turn.answer(None, "failed")
        finally:
            turn.board(None)
            if self._turns.get(uri) is turn:
                del self._turns[uri]

    async def shown(self, suggestion_id: str) -> None:
        """Start generating what would follow if this suggestion were accepted; returns at once."""
        on_screen = self._known.on_screen(suggestion_id)
        if on_screen is not None and self.settings.speculate and not self._is_off(on_screen.document):
            task = asyncio.ensure_future(self._speculate(on_screen))
            self._speculations.add(task)
            task.add_done_callback(self._speculations.discard)

    def accepted(self, suggestion_id: str) -> None:
        """Take note that a suggestion has become text; what was prepared after it stays."""
        self._known.retire(suggestion_id)

    def dismissed(self, suggestion_id: str) -> None:
        """Forget a suggestion that was not wanted."""
        self._known.retire(suggestion_id)

    async def warm(self, document: Document, offset: int) -> None:
        """Let the backend read the window around a cursor that has just landed; never raises."""
        if not self._is_off(document) and not self.is_asked(document.uri):
            view = self._view(CompletionRequest(document, offset))
            await self.backend.warm(await self._context(view))
            if document.language not in self._parsed:
                self._parsed.add(document.language)
                await asyncio.to_thread(parser_for, document.language)

    async def context(self, document: Document, offset: int) -> Context:
        """Return what the backend is told of a cursor, one line being asked for."""
        return await self._context(self._view(CompletionRequest(document, offset)))

    def is_asked(self, uri: str) -> bool:
        """Say whether a generation is under way for a document; then its cursor is being read around already."""
        return uri in self._flights

    def closed(self, uri: str) -> None:
        """Forget a document."""
        self._supersede(uri)
        self._stop(uri)
        self._known.forget(uri)
        self._beside.forget(uri)

    def configure(self, settings: Settings) -> None:
        """Answer by these settings from now on."""
        if settings != self.settings:
            self.settings = settings
            self._known.configure(settings)

    def swap(self, backend: Backend) -> None:
        """Ask another backend from now on, requests under way included; the old one is the caller's to close.

        What the old one said is forgotten, on the screen too: an answer is always the present backend's.
        """
        self.backend = backend
        self._known.clear()
        for uri in list(self._flights):
            self._stop(uri)

    def close(self) -> None:
        """Stop all work; requests that still wait are answered as superseded."""
        for task in self._speculations:
            task.cancel()
        for uri in {*self._turns, *self._flights}:
            self._supersede(uri)
            self._stop(uri)

    # What has to be generated.

    def _join(self, view: View, turn: Turn) -> None:
        """Join the document's generation under way if its text can serve this request, else stop it."""
        flight = self._flights.get(view.document.uri)
        if flight is not None:
            typed = flight.typed_since(view.key)
            if typed is None:
                flight.stop()
            else:
                turn.board(flight, typed=typed)

    async def _ask(self, view: View, turn: Turn) -> Answer:
        """Wait for the flight joined or, without one or when it comes to nothing, for one of our own."""
        if turn.flight is not None:
            answer = await self._landing(turn.flight, view, turn, joined=True)
            if answer is not None:
                return answer
        if not view.invoked:
            if rule := silence(view.window):
                return turn.answer(None, f"trigger:{rule}")
            await self._wait(turn)
        while True:
            # Seen anew, since the backend may have been swapped meanwhile.
            view = self._view(view.request)
            ask = await self._ask_for(view, priority=Priority.REQUEST)
            if ask.key.model != self.backend.model:
                continue
            turn.lap("context")
            flight = self._launch(ask)
            turn.board(flight)
            answer = await self._landing(flight, view, turn, joined=False)
            if answer is not None:
                return answer

    async def _wait(self, turn: Turn) -> None:
        self._debounce.note(turn.started)
        wait_ms = self._debounce.wait_ms(self.settings, idle=self.backend.idle)
        if wait_ms > 0:
            await self._sleep(wait_ms / 1000)
        turn.lap("debounce")

    async def _ask_for(self, view: View, *, priority: Priority) -> Ask:
        scope = None
        if self.settings.multi_line == "scope":
            document = view.document
            scope = scope_at(document.text, view.offset, language=document.language, tail=view.window.tail)
        place = Place(view.window, scope)
        # Silence is for automatic requests. A text that was given to an invoked one serves them, too: it is known.
        sampling = Sampling(max_tokens=self.settings.max_tokens, opening=opening(place) if view.invoked else None)
        context = await self._context(view, multiline=scope is not None)
        return Ask(view.key, place, context, sampling, priority=priority, invoked=view.invoked)

    async def _context(self, view: View, *, multiline: bool = False) -> Context:
        snippets = await self._beside.choose(view.window, limit=self.backend.snippet_chars)
        return replace(view.window.context(multiline=multiline), snippets=snippets)

    def _launch(self, ask: Ask) -> Flight:
        self._stop(ask.key.uri)
        flight = self._flights[ask.key.uri] = Flight(ask, self.backend)
        flight.task.add_done_callback(lambda _: self._land(flight))
        return flight

    def _land(self, flight: Flight) -> None:
        """Keep what came of a flight."""
        key = flight.ask.key
        if self._flights.get(key.uri) is flight:
            del self._flights[key.uri]
        if flight.task.cancelled():
            return
        entry = flight.task.result()
        if entry.reason == "failed":
            self.last_error = flight.error
        elif entry.reason not in ("cancelled", "diverged"):
            self.last_error = ""
            self._known.keep(key, entry)

    async def _landing(self, flight: Flight, view: View, turn: Turn, *, joined: bool) -> Answer | None:
        """Wait for a flight and answer with what came of it; None when it has to be asked again, and by ourselves."""
        typed = flight.typed
        entry = await flight.landed()
        turn.lap("generate")
        if entry is None:
            gone = joined or flight.backend is not self.backend
            return None if gone else turn.answer(None, "cancelled")
        if entry.text and entry.text.startswith(typed):
            source = Source.JOINED if joined else Source.ENGINE
            answer = self._known.give(entry, view, turn, typed=typed, source=source)
        else:
            answer = None
        if answer is not None:
            return answer
        final = not joined or (not typed and not view.invoked and entry.reason.startswith(("empty", "filtered")))
        return turn.answer(None, entry.reason or "empty") if final else None

    async def _speculate(self, on_screen: Given) -> None:
        """Fill the cache for the cursors that follow an acceptance, the nearest first, until one has a suggestion."""
        for document, offset in on_screen.next_cursors():
            view = self._view(CompletionRequest(document, offset))
            entry = self._known.of(view.key)
            if entry is None and not silence(view.window):
                ask = await self._ask_for(view, priority=Priority.SPECULATE)
                if document.uri in self._flights or ask.key.model != self.backend.model:
                    return
                entry = await self._launch(ask).landed()
                if entry is None or entry.reason in ("cancelled", "failed"):
                    return
            if entry is not None and entry.text and not self._known.is_doubtful(entry):
                return

    # Small things.

    def _view(self, request: CompletionRequest) -> View:
        return view_of(request, model=self.backend.model, limits=self.backend.window_chars)

    def _is_off(self, document: Document) -> bool:
        return not self.settings.enabled or document.language in self.settings.disabled_languages

    def _supersede(self, uri: str) -> None:
        turn = self._turns.pop(uri, None)
        if turn is not None and turn.task is not None:
            turn.task.cancel()

    def _stop(self, uri: str) -> None:
        flight = self._flights.get(uri)
        if flight is not None:
            flight.stop()
