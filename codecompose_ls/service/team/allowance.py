"""Allowance: how much one person may send, as a bucket that fills again (Turner 1986)."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Allowance:
    """Each may take `burst` at once and `rate` a second in the long run; counted by this process alone."""

    def __init__(self, *, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = Lock()

    def take(self, who: str, amount: float) -> float:
        """Take so much; return 0, or the seconds until there is as much, in which case nothing was taken."""
        with self._lock:
            now = self._clock()
            left, then = self._left.get(who, (self._burst, now))
            left = min(self._burst, left + (now - then) * self._rate)
            wait_s = max(0.0, (min(amount, self._burst) - left) / self._rate)
            self._left[who] = (left if wait_s else left - amount, now)
            return wait_s
