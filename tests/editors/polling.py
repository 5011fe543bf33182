"""Waiting for what an editor does: look, and look again, until a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def seen(look: Callable[[], T], *, seconds: float) -> T:
    """Look until what is seen is true or the time is over; returns what was seen last."""
    deadline = time.monotonic() + seconds
    while not (value := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def until(look: Callable[[], T], what: str, *, seconds: float = 60) -> T:
    """Look until what is seen is true; fails with `what` was waited for."""
    value = seen(look, seconds=seconds)
    assert value, f"waited {seconds} s for {what}"
    return value
