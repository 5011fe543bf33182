"""What has been suggested before: on the screen or in the cache; serves it again without asking a model.

A suggestion that was given stays given: it does not vanish for want of confidence while it is typed through.
"""

from __future__ import annotations

from collections.abc import Callable

from codecompose_ls.completion.brackets import covered
from codecompose_ls.completion.cache import Cache, Entry, Key
from codecompose_ls.completion.confidence import THRESHOLDS, Features
from codecompose_ls.completion.given import Fate, Given
from codecompose_ls.completion.turn import Turn, View
from codecompose_ls.settings import Settings
from codecompose_ls.types import Answer, Source, Suggestion


class Known:
    """The entries of all documents, and of each the one on the screen."""

    def __init__(self, settings: Settings, confidence: Callable[[Features], float]) -> None:
        self._settings, self._confidence = settings, confidence
        self._cache = Cache()
        self._given: dict[str, Given] = {}

    def answer(self, view: View, turn: Turn) -> Answer | None:
        """Answer with what is on the screen or in the cache; None when a model has to be asked."""
        answer = self._typed_through(view, turn) or self._cached(view, turn)
        if answer is None:
            turn.lap("lookup")
        return answer

    def give(
        self, entry: Entry, view: View, turn: Turn, *, typed: str, source: Source, on_screen: Given | None = None
    ) -> Answer | None:
        """Answer with what an entry has left after what was typed; None when that is nothing.

        An answer to an automatic request may be silence, unless the entry has been given before.
        """
        turn.lap("lookup")
        left, tail = entry.after(typed), view.window.tail
        text = left.text
        cover = covered(text, tail=tail, prefix=view.window.prefix, language=view.document.language)
        if text.strip() == tail[:cover].strip():
            return None
        if on_screen is None:
            if self.is_doubtful(left) and not view.invoked:
                return turn.answer(None, "filtered:confidence")
            self._cache.give(entry.id)
            on_screen = Given.at(view.document, view.offset, left, tail=tail, covered=cover)
        self._given[view.document.uri] = on_screen
        suggestion = Suggestion(
            id=entry.id,
            text=(view.request.selected or "") + text,
            offset=view.selected_start,
            end=view.request.offset + cover,
            source=source,
            language=view.document.language,
            model=entry.model,
            confidence=self._confidence(left.features),
        )
        return turn.answer(suggestion)

    def keep(self, key: Key, entry: Entry) -> None:
        """Keep what a model said."""
        self._cache.put(key, entry)

    def of(self, key: Key) -> Entry | None:
        """Return what a model said there, exactly."""
        return self._cache.get(key)

    def on_screen(self, suggestion_id: str) -> Given | None:
        """Return a suggestion as it was given, if it is the last of its document."""
        return next((given for given in self._given.values() if given.entry.id == suggestion_id), None)

    def is_doubtful(self, entry: Entry) -> bool:
        """Say whether an entry is too unsure to show up by itself, and has not been given yet."""
        return not entry.is_given and self._confidence(entry.features) < THRESHOLDS[self._settings.eagerness]

    def retire(self, suggestion_id: str) -> None:
        """Drop a suggestion that has become text, or was not wanted."""
        self._cache.evict(suggestion_id)
        self._given = {uri: given for uri, given in self._given.items() if given.entry.id != suggestion_id}

    def forget(self, uri: str) -> None:
        """Drop all of a document."""
        self._given.pop(uri, None)
        self._cache.forget(uri)

    def configure(self, settings: Settings) -> None:
        """Answer by these settings from now on; what was said under others is dropped."""
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._cache.clear()
        self._given.clear()

    def _typed_through(self, view: View, turn: Turn) -> Answer | None:
        on_screen = self._given.get(view.document.uri)
        if on_screen is None:
            return None
        fate = on_screen.fate(view.document, view.offset, tail=view.window.tail)
        if fate is Fate.TYPED_THROUGH:
            typed = on_screen.typed(view.document, view.offset)
            source = Source.TYPED_THROUGH if typed else Source.CACHE
            return self.give(on_screen.entry, view, turn, typed=typed, source=source, on_screen=on_screen)
        del self._given[view.document.uri]
        if fate is Fate.BACKSPACED:
            self._cache.evict(on_screen.entry.id)
        elif fate is Fate.DIVERGED:
            self._cache.renew(on_screen.entry.id)
        return None

    def _cached(self, view: View, turn: Turn) -> Answer | None:
        found = self._cache.find(view.key)
        if found is None:
            return None
        entry, typed = found
        if entry.text:
            source = Source.TYPED_THROUGH if typed else Source.CACHE
            return self.give(entry, view, turn, typed=typed, source=source)
        return None if view.invoked else turn.answer(None, entry.reason)
