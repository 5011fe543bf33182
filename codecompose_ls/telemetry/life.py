"""Life: the state machine of suggestions, from request to retention; pure, driven by the server, tells events.

It learns from three sides: what the server answered, what became of the documents, and what the client says. A client
that has once said what it draws or partly accepts is taken at its word; for any other an answer counts as drawn, and
text that goes in at once up to the end of a word as partly accepted. The whole rest going in at once is an acceptance,
and so is the accept command, whatever the client does to the text.

Where the calls belong in the server, all on its event loop, none of them blocking:

    opened(uri, language, text)     didOpen; a cell that is opened
    changed(uri, text)              didChange, once a notification, with the text after all its changes
    closed(uri)                     didClose; a cell that is closed
    answered(request, answer)       the one answer to each request, superseded and cancelled ones included
    drawn(id)                       textDocument/didShowCompletion
    partly_accepted(id, rest)       textDocument/didPartiallyAcceptCompletion; rest = len(insertText) - acceptedLength
    accepted(id)                    the command codecompose.accepted
    dismissed(id, reason)           codecompose/didDismissCompletion
    tell(event)                     what an assistant did
    close()                         shutdown, before Store.close()

A `changed` costs a comparison of two texts (0.03 ms for 100 KB); `answered` one for equality.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath

from codecompose_ls.telemetry.answers import request_event
from codecompose_ls.telemetry.document import Document
from codecompose_ls.telemetry.edits import edit_between
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.ghost import Ghost, ghost_over
from codecompose_ls.telemetry.retention import Kept, Timer, edit_similarity
from codecompose_ls.telemetry.suggested import Suggested
from codecompose_ls.telemetry.typed import Typed
from codecompose_ls.types import Answer, CompletionRequest, Suggestion

#: A suggestion that stays on the screen for so long was seen.
DWELL_S = 0.75

#: Suggestions that are remembered; older ones have nothing more to come.
_REMEMBERED = 512
_RANKS = {Kind.DISMISSED: 0, Kind.TYPED_OVER: 0, Kind.PARTLY_ACCEPTED: 1, Kind.ACCEPTED: 2}
_DISMISSALS = frozenset({"rejected", "ignored", "replaced", "closed"})


class Life:
    """The suggestions of one server. `record` takes the events and may be exchanged at any time; `timer` is the
    event loop's `call_later`, `clock` counts seconds and never jumps."""

    def __init__(
        self, record: Callable[[Event], None], *, timer: Timer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.record = record
        #: What every event says: which editor this is (telemetry/editors.py), and the roll-out's group of its user.
        self.editor = ""
        self.cohort = ""
        self._timer = timer
        self._clock = clock
        self._open: dict[str, Document] = {}
        self._suggested: dict[str, Suggested] = {}
        self._typed = Typed(self.tell, timer=timer)
        self._model = ""
        self._client_tells = False
        #: What was shown last, and what each assistant answered last.
        self._shown: Suggested | None = None
        self._assisted: dict[str, Event] = {}

    # What becomes of the documents.

    def opened(self, uri: str, language: str, text: str) -> None:
        """Follow a document from now on."""
        self.closed(uri)
        self._open[uri] = Document(language, text)

    def changed(self, uri: str, text: str) -> None:
        """Count what was typed and accepted since the text before; unknown documents are no news."""
        document = self._open.get(uri)
        if document is None or document.text == text:
            return
        before = document.text
        edit, typed = document.change(text)
        if document.suggested is not None:
            ghost = document.suggested.ghost.follow(before, text, edit)
            if ghost is not None:
                typed = self._follow(document, document.suggested, ghost, typed)
            else:
                document.suggested.diverge(edit, typed)
                self._leave(document, Kind.TYPED_OVER)
        self._typed.count(typed, language=document.language, model=document.model or self._model)

    def closed(self, uri: str) -> None:
        """Forget a document; what was accepted in it is not looked at again."""
        document = self._open.pop(uri, None)
        if document is not None:
            self._leave(document, Kind.DISMISSED, "closed")
            for kept in document.kept.values():
                kept.forget()

    # What the server answers.

    def answered(self, request: CompletionRequest, answer: Answer) -> None:
        """Count one request; one that was switched off is none."""
        if answer.suggestion is None and answer.reason == "off":
            return
        uri = request.document.uri
        if uri not in self._open:
            self.opened(uri, request.document.language, request.document.text)
        document, suggestion, event = self._open[uri], answer.suggestion, request_event(request, answer)
        if suggestion is not None:
            suggested = self._suggest(document, request, suggestion, position=event.position)
            document.model = self._model = suggested.model
            source, characters = suggestion.source.value, len(suggestion.text)
            event = replace(event, suggestion=suggested.id, source=source, characters=characters)
        elif event.kind not in (Kind.CANCELLED, Kind.FAILED):
            self._leave(document, Kind.DISMISSED, "replaced")
        self.tell(replace(event, model=document.model or self._model))

    # What the client says.

    def drawn(self, id: str) -> None:
        """Time a suggestion from now on; drawing it again changes nothing."""
        suggested = self._suggested.get(id)
        if not self._client_tells and suggested is not None and suggested.dwell is not None:
            # It was timed from its answer, for want of this.
            suggested.dwell.cancel()
            suggested.dwell = None
        self._client_tells = True
        if suggested is not None and self._is_on_screen(suggested):
            suggested.drawn(self._clock())
            self._draw(suggested)

    def accepted(self, id: str) -> None:
        """Count a suggestion as accepted, whatever was seen of it so far."""
        self._claim(id, rest=0)

    def partly_accepted(self, id: str, rest: int) -> None:
        """Count all as accepted but the last `rest` characters of the suggestion."""
        self._client_tells = True
        self._claim(id, rest=rest)

    def dismissed(self, id: str, reason: str = "") -> None:
        """Take a suggestion off the screen; a reason that is not one of `_DISMISSALS` is told as "other"."""
        suggested = self._suggested.get(id)
        if suggested is not None and self._is_on_screen(suggested):
            reason = reason if reason in _DISMISSALS else "other"
            self._leave(self._open[suggested.uri], Kind.DISMISSED, reason)

    def close(self) -> None:
        """Tell what is left to tell; nothing is called after this."""
        for uri in list(self._open):
            self.closed(uri)
        self._typed.flush()

    # From answered to shown.

    def _suggest(
        self, document: Document, request: CompletionRequest, suggestion: Suggestion, *, position: Position | None
    ) -> Suggested:
        """Put a suggestion on the screen in place of the one before, unless it is the same one."""
        asked, now = request.document.text, document.text
        laid = ghost_over(asked, request.offset, suggestion)
        ghost = laid if asked == now else laid.follow(asked, now, edit_between(asked, now))
        live, known = document.suggested, self._suggested.get(suggestion.id)
        if live is not None and ghost is not None and live.ghost.is_same(ghost):
            live.ghost = replace(live.ghost, tail=ghost.tail)
            self._remember(suggestion.id, live)
            return live
        if live is not known:
            self._leave(document, Kind.DISMISSED, "replaced")
        if known is None:
            model = PurePath(suggestion.model).name
            known = Suggested(suggestion.id, request.document.uri, suggestion.language, model, laid, position=position)
            self._remember(suggestion.id, known)
        if ghost is not None:
            known.lay(ghost, now=self._clock())
            document.suggested = known
            if not self._client_tells:
                self._draw(known)
        return known

    def _remember(self, id: str, suggested: Suggested) -> None:
        self._suggested[id] = suggested
        if len(self._suggested) > _REMEMBERED:
            del self._suggested[next(iter(self._suggested))]

    def _is_on_screen(self, suggested: Suggested) -> bool:
        document = self._open.get(suggested.uri)
        return document is not None and document.suggested is suggested

    def _draw(self, suggested: Suggested) -> None:
        if not suggested.shown and suggested.dwell is None:
            suggested.dwell = self._timer(DWELL_S, lambda: self._show(suggested))

    def _show(self, suggested: Suggested) -> None:
        if suggested.dwell is not None:
            suggested.dwell.cancel()
            suggested.dwell = None
        self._shown = suggested
        if not suggested.shown:
            suggested.shown = True
            self.tell(suggested.event(Kind.SHOWN))

    # From shown to the end.

    def _follow(self, document: Document, suggested: Suggested, ghost: Ghost, typed: int) -> int:
        """Bring a suggestion up to its document; return the characters typed."""
        if ghost.position <= suggested.ghost.position:
            suggested.ghost = ghost
            return typed
        was_awaited = suggested.is_awaited
        accepted, typed = suggested.advance(ghost, typed, by_words=not self._client_tells)
        if accepted:
            self._accept(suggested, accepted)
        elif was_awaited:
            self._keep(document, suggested)
        if ghost.is_complete:
            self._leave(document, Kind.TYPED_OVER)
        return typed

    def _claim(self, id: str, *, rest: int) -> None:
        suggested = self._suggested.get(id)
        if suggested is None or suggested.end is Kind.ACCEPTED:
            return
        accepted, untyped = suggested.claim(rest)
        self._typed.count(-untyped, language=suggested.language, model=suggested.model)
        if accepted or not rest:
            self._accept(suggested, accepted)

    def _accept(self, suggested: Suggested, characters: int) -> None:
        suggested.accept(characters)
        self._show(suggested)
        self._end(suggested, Kind.ACCEPTED if suggested.is_whole else Kind.PARTLY_ACCEPTED)
        document = self._open.get(suggested.uri)
        if document is not None:
            self._keep(document, suggested)

    def _leave(self, document: Document, kind: Kind, reason: str | None = None) -> None:
        """Take what a document shows off its screen."""
        suggested, document.suggested = document.suggested, None
        if suggested is None:
            return
        if suggested.dwell is not None:
            suggested.dwell.cancel()
            suggested.dwell = None
        if suggested.shown:
            self._end(suggested, kind, reason)

    def _end(self, suggested: Suggested, kind: Kind, reason: str | None = None) -> None:
        before = suggested.end
        if before is None or _RANKS[kind] > _RANKS[before] or kind is before is Kind.PARTLY_ACCEPTED:
            suggested.end = kind
            characters = suggested.accepted if _RANKS[kind] else None
            is_decision = kind is not Kind.DISMISSED or reason == "rejected"  # Not: replaced, closed.
            decision_ms = (self._clock() - suggested.drawn_at) * 1000 if is_decision else None
            self.tell(suggested.event(kind, reason=reason, characters=characters, decision_ms=decision_ms))

    # After the end.

    def _keep(self, document: Document, suggested: Suggested) -> None:
        """Watch the accepted text from now on, once the document has it."""
        place = suggested.place()
        if place is None:
            return

        def look(after_s: int, kept: Kept) -> None:
            similarity = edit_similarity(kept.text, document.text[kept.span.start : kept.span.end])
            characters = round(similarity * suggested.accepted)
            self.tell(suggested.event(Kind.RETAINED, characters=characters, after_s=after_s, similarity=similarity))

        before = document.kept.pop(suggested.id, None)
        if before is not None:
            before.forget()
        document.kept[suggested.id] = Kept(*place, look=look, timer=self._timer)

    # Telling.

    def tell(self, event: Event) -> None:
        """Record an event as this editor's and this cohort's."""
        if event.kind is Kind.ASSISTED and event.source is not None:
            self._assisted[event.source] = event
        self.record(replace(event, editor=self.editor, cohort=self.cohort))

    # What feedback is about: language and model, "" for what is not known.

    def suggestion(self, id: str | None = None) -> tuple[str, str]:
        """Return where a suggestion came from; None is for the one shown last."""
        suggested = self._shown if id is None else self._suggested.get(id)
        return (suggested.language, suggested.model) if suggested else ("", self._model)

    def assistant(self, name: str) -> tuple[str, str]:
        """Return where an assistant's last answer came from."""
        event = self._assisted.get(name)
        return (event.language, event.model) if event else ("", "")
