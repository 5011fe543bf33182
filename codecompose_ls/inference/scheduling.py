"""How threads that compute are treated, by the system and by Python, so that those that listen stay quick."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

#: How long a thread keeps Python to itself while others wait for it. A key is answered by two threads in turn, and each
#: would wait 5 ms, Python's own choice, for every thread that is in the midst of computing.
TURN_S = 0.0005


def take_short_turns() -> None:
    """Have all threads of this process give way to one another sooner than they would by themselves."""
    sys.setswitchinterval(TURN_S)


def compute_in_batch() -> None:
    """Mark the calling thread, and those it will start, as computing: Linux' SCHED_BATCH (man 7 sched).

    Its share of the processor stays the same, unlike with a higher nice value, which leaves it less while a build
    runs. But the runtime's threads sleep and wake at every operator, and each time may push aside the event loop,
    which is in the midst of a key; a batch thread waits its turn. Elsewhere than on Linux it does nothing.
    """
    if sys.platform == "linux":
        # An older kernel or a sandbox may forbid it. Who runs us as idle, or in real time, means it.
        with suppress(OSError):
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
