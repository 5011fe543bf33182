"""What arms are compared by: ratios of two sums over users, defined as in docs/metrics.md."""

from __future__ import annotations

from dataclasses import dataclass, field

#: A slower answer counts as this slow: by then nobody waits any more, and one hung request must not decide.
SLOWEST_MS = 10_000.0


@dataclass(frozen=True, slots=True)
class Sums:
    """What one user's suggestions came to over some days."""

    requested: float = 0
    failed: float = 0
    #: Requests that got a suggestion, and the sum of their milliseconds, each at most `SLOWEST_MS`.
    answered: float = 0
    latency_ms: float = 0
    shown: float = 0
    accepted: float = 0
    #: Of accepted text, what the latest look found.
    characters_retained: float = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.requested + other.requested,
            self.failed + other.failed,
            self.answered + other.answered,
            self.latency_ms + other.latency_ms,
            self.shown + other.shown,
            self.accepted + other.accepted,
            self.characters_retained + other.characters_retained,
        )


@dataclass(frozen=True, slots=True)
class User:
    """One user's sums since they joined their arm, and over some days before, which no arm can have changed."""

    since: Sums
    before: Sums = field(default_factory=Sums)


@dataclass(frozen=True, slots=True)
class Metric:
    """A ratio of two fields of `Sums`. `scale` is a difference worth seeing, where no guard rail names one."""

    name: str
    numerator: str
    denominator: str
    more_is_better: bool
    scale: float
    #: Whether the numerator counts some of what the denominator counts.
    is_share: bool = False


METRICS = {
    metric.name: metric
    for metric in (
        Metric("acceptance_rate", "accepted", "shown", True, scale=0.02, is_share=True),
        Metric("retained_per_shown", "characters_retained", "shown", True, scale=0.5),
        Metric("latency_ms", "latency_ms", "answered", False, scale=20.0),
        Metric("error_rate", "failed", "requested", False, scale=0.005, is_share=True),
    )
}
