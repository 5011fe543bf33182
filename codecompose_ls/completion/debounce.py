"""How long to wait for the next key before the model is asked."""

from __future__ import annotations

from collections import deque

from codecompose_ls.settings import Settings

#: Keys further apart than this are no rhythm but a pause.
PAUSE_MS = 1000.0
SAMPLES = 10
#: A typist whose next key is late by this share of the usual interval has stopped.
SHARE = 0.6


class Debounce:
    """Learns the rhythm of typing from the moments of the automatic requests, in milliseconds."""

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=SAMPLES)
        self._last: float | None = None

    def note(self, now: float) -> None:
        """Take in the moment of an automatic request."""
        if self._last is not None and 0 < now - self._last < PAUSE_MS:
            self._intervals.append(now - self._last)
        self._last = now

    def wait_ms(self, settings: Settings, *, idle: bool) -> float:
        """Return the wait: none for an idle backend, else as the settings say."""
        if idle:
            return 0.0
        if settings.debounce == "fixed" or not self._intervals:
            return float(settings.debounce_ms)
        mean = sum(self._intervals) / len(self._intervals)
        return min(float(settings.debounce_ms), SHARE * mean)
