"""Interruption: SIGINT and SIGTERM ask a run to stop at its next step, so that it can save what it has."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


class stopping_on_signals:
    """While inside, SIGINT and SIGTERM call `stop`; a second one interrupts at once."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop_run = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: object) -> None:
        self._stop_run()
        signal.signal(number, self._before[number])
