"""A circuit breaker: a server that keeps failing is left alone for a while, then tried with one request (Nygard 2007).

closed     every request may go; so many failures in a row open it
open       none may, until the cool-down is over; each time it is opened again, the cool-down is twice as long
half-open  one may, as a trial: its success closes the circuit, its failure opens it again
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

FAILURES = 3
COOL_DOWN_S, LONGEST_S = 5.0, 300.0


class State(str, Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Circuit:
    """Counts one server's failures; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._cool_down_s = COOL_DOWN_S
        #: When the cool-down is over; None while the circuit is closed.
        self._until: float | None = None
        self._on_trial = False

    @property
    def state(self) -> State:
        if self._until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._until else State.HALF_OPEN

    @property
    def wait_s(self) -> float:
        """Seconds until a request may go again."""
        return max(0.0, self._until - self._clock()) if self._until is not None else 0.0

    def admits(self) -> bool:
        """Return whether a request may go now; one that may must end in `succeeded`, `failed` or `abandoned`."""
        if self.state is State.HALF_OPEN and not self._on_trial:
            self._on_trial = True
            return True
        return self.state is State.CLOSED

    def succeeded(self) -> None:
        self._failures, self._cool_down_s = 0, COOL_DOWN_S
        self._until, self._on_trial = None, False

    def failed(self, *, hold_s: float = 0.0) -> None:
        """Count a failure; with `hold_s` the server itself has asked to be left alone for so long."""
        self._failures += 1
        reopened = self.state is State.HALF_OPEN
        self._on_trial = False
        if reopened:
            self._cool_down_s = min(2 * self._cool_down_s, LONGEST_S)
        if reopened or hold_s or self._failures >= FAILURES:
            wait_s = min(hold_s, LONGEST_S) or self._cool_down_s
            self._until = max(self._until or 0.0, self._clock() + wait_s)

    def abandoned(self) -> None:
        """The caller has left before anything was known; the next one may be the trial."""
        self._on_trial = False
