"""What a tuning run tells while it goes on, and what it has come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measurement:
    """A validation loss, in nats a token, and what had been spent until then."""

    step: int
    tokens: int
    seconds: float
    pf_seconds: float
    #: Mean training loss since the measurement before; NaN at the first.
    training: float
    validation: float


@dataclass(frozen=True, slots=True)
class TuningProgress:
    """Where a run is, after every step."""

    step: int
    tokens: int
    seconds: float
    #: 0 to 1, by time or by tokens, whichever is further.
    done: float
    #: Training loss of the step, in nats a token.
    loss: float
    best: Measurement
    tokens_per_second: float

    @property
    def seconds_left(self) -> float:
        return self.seconds * (1 - self.done) / max(self.done, 1e-9)


@dataclass(frozen=True, slots=True)
class TunedModel:
    """What a run has come to. `stopped` is "epochs", "deadline", "patience" or "interrupted"."""

    folder: Path
    strategy: str
    #: The first is the base's own, before any step; the weights written are those of `best`.
    losses: tuple[Measurement, ...]
    best: Measurement
    steps: int
    tokens: int
    seconds: float
    pf_seconds: float
    stopped: str
