"""How far a run is, and the learning rate there.

Pre-training: warm-up, constant, linear cool-down (WSD; Hägele et al. 2024). The constant part does not depend on the
length of the run, so a run can be prolonged from before its cool-down. Tuning: warm-up, then a cosine or a line down to
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

#: The last part of a run, in which the rate falls to FINAL of its peak.
COOL_DOWN, FINAL = 0.2, 0.02


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds of a run; whichever is reached first ends it. None is no bound."""

    minutes: float | None = None
    tokens: int | None = None

    def progress(self, *, seconds: float, tokens: int) -> float:
        """Return how much of the run is done, 1.0 at its end."""
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        by_tokens = tokens / self.tokens if self.tokens else 0.0
        return max(by_time, by_tokens)

    def less(self, seconds: float) -> Budget:
        """Return the budget with so many seconds kept back from its end."""
        if self.minutes is None:
            return self
        return replace(self, minutes=max(self.minutes - seconds / 60, 1e-6))


def is_cooling(progress: float) -> bool:
    """Return whether the cool-down has begun."""
    return progress >= 1 - COOL_DOWN


def rate(progress: float, step: int, *, warm_up: int) -> float:
    """Return the factor on the peak learning rate for the step numbered `step` from 0."""
    warm = min(1.0, (step + 1) / warm_up) if warm_up else 1.0
    cool = min(1.0, max(0.0, (1 - progress) / COOL_DOWN))
    return warm * (FINAL + (1 - FINAL) * cool)


def decay(progress: float, *, warm_up: float, shape: str) -> float:
    """Return the factor on the peak learning rate of a tuning run; `warm_up` is a share of the run."""
    if progress < warm_up:
        # Never nothing: the first step teaches, too.
        return max(progress / warm_up, 0.1)
    fallen = min(1.0, (progress - warm_up) / (1 - warm_up))
    return 0.5 * (1 + math.cos(math.pi * fallen)) if shape == "cosine" else 1 - fallen
