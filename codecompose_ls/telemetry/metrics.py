"""Metrics: the figures of any set of buckets, under the names and with the definitions of docs/metrics.md."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from codecompose_ls.telemetry import histogram
from codecompose_ls.telemetry.events import OUTCOMES, RETENTION_S
from codecompose_ls.telemetry.ledger import MILLION, Bucket, Counters, Key

#: What buckets can be told apart by.
DIMENSIONS = Key._fields
#: Seconds between two keystrokes: the mean of 168,000 people (Dhakal et al. 2018, CHI).
KEYSTROKE_S = 0.239
#: Of the funnel: requests; those with a suggestion; suggestions that were seen; accepted in whole or in part; and
#: mostly unchanged so many seconds later.
STAGES = ("requested", "answered", "shown", "accepted", *(f"retained_{after_s}" for after_s in RETENTION_S))


@dataclass(frozen=True, slots=True)
class Retained:
    """What was left of accepted text after a while: of how many suggestions, how alike on average, how many characters,
    how many there had been, and how many suggestions were mostly unchanged (edit similarity of at least 0.67)."""

    suggestions: int
    edit_similarity: float
    characters: int
    accepted_characters: int
    mostly_unchanged: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from request to answer, of the requests that got a suggestion; at most 5 % off."""

    requests: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Milliseconds from drawing a suggestion to its user's decision; at most 5 % off."""

    suggestions: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Assistant:
    """How often an assistant ran, and what became of it."""

    assisted: int
    applied: int
    dismissed: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the suggestions were worth. Rates are fractions, None where there is nothing to divide by."""

    requested: int = 0
    generated: int = 0
    cached: int = 0
    empty: int = 0
    filtered: int = 0
    cancelled: int = 0
    failed: int = 0
    filtered_by: dict[str, int] = field(default_factory=dict)
    #: (generated + cached) / (requested - cancelled)
    coverage: float | None = None
    shown: int = 0
    accepted: int = 0
    partly_accepted: int = 0
    dismissed: int = 0
    typed_over: int = 0
    #: accepted / shown, and Wilson's 95 % interval
    acceptance_rate: float | None = None
    acceptance_rate_low: float | None = None
    acceptance_rate_high: float | None = None
    accepted_characters: int = 0
    typed_characters: int = 0
    #: accepted_characters / (accepted_characters + typed_characters); None of a position, where typing is not counted
    percent_code_typed: float | None = None
    #: accepted_characters less one key for each acceptance, whole or partial
    keystrokes_saved: int = 0
    #: an estimate: keystrokes_saved at 0.239 s each, less what it took to decide for what was accepted
    time_saved_s: float = 0.0
    #: of accepted_characters, what each suggestion's latest look found
    characters_retained: int = 0
    #: by seconds since the acceptance
    retained: dict[int, Retained] = field(default_factory=dict)
    #: by source
    latency_ms: dict[str, Latency] = field(default_factory=dict)
    time_to_decision_ms: Decision | None = None
    #: by stage, from requested to retained
    funnel: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    #: by name
    assistants: dict[str, Assistant] = field(default_factory=dict)


def metrics(buckets: Iterable[Bucket]) -> Metrics:
    """Return the figures of some buckets together."""
    return _metrics(_sum(buckets))


def breakdown(buckets: Iterable[Bucket], *, by: str) -> dict[str, Metrics]:
    """Return the figures by one of `DIMENSIONS`: days in their order, others by how much was shown.

    Raises ValueError for another dimension.
    """
    if by not in DIMENSIONS:
        raise ValueError(f"{by} is none of {', '.join(DIMENSIONS)}")
    groups: dict[str, list[Bucket]] = {}
    for bucket in buckets:
        groups.setdefault(getattr(bucket.key, by), []).append(bucket)
    rows = {value: _metrics(_sum(group), typing=by != "position") for value, group in groups.items()}
    if by == "position":
        rows.pop("", None)
    order = (lambda row: (row[0],)) if by == "day" else (lambda row: (-row[1].shown, -row[1].requested, row[0]))
    return dict(sorted(rows.items(), key=order))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of hits / n (Wilson 1927); 0 to 1 for n = 0."""
    if not n:
        return 0.0, 1.0
    z = 1.959963984540054
    share, square = hits / n, z * z / n
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / n + square / (4 * n)) / (1 + square)
    # At 0 and 1 rounding could leave the share itself outside.
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def _sum(buckets: Iterable[Bucket]) -> Counters:
    sums: dict[str, int] = {}
    for bucket in buckets:
        for name, value in bucket.counters.items():
            sums[name] = sums.get(name, 0) + value
    return Counter(sums)


def _metrics(sums: Counters, *, typing: bool = True) -> Metrics:
    outcomes = {kind.value: sums[kind.value] for kind in OUTCOMES}
    requested, shown, accepted = sum(outcomes.values()), sums["shown"], sums["accepted"]
    answered, waited_for = sums["generated"] + sums["cached"], requested - sums["cancelled"]
    typed = max(0, sums["typed_characters"])
    written = sums["accepted_characters"] + typed
    low, high = wilson(accepted, shown) if shown else (None, None)
    retained = {after_s: look for after_s in RETENTION_S if (look := _retained(sums, after_s))}
    taken = accepted + sums["partly_accepted"]
    kept = (sums[f"retained.{after_s}.mostly_unchanged"] for after_s in RETENTION_S)
    saved = sums["accepted_characters"] - sums["acceptances"]
    return Metrics(
        **outcomes,
        requested=requested,
        filtered_by=_by_name(sums, "filtered."),
        coverage=answered / waited_for if waited_for else None,
        shown=shown,
        accepted=accepted,
        partly_accepted=sums["partly_accepted"],
        dismissed=sums["dismissed"],
        typed_over=sums["typed_over"],
        acceptance_rate=accepted / shown if shown else None,
        acceptance_rate_low=low,
        acceptance_rate_high=high,
        accepted_characters=sums["accepted_characters"],
        typed_characters=typed,
        percent_code_typed=sums["accepted_characters"] / written if written and typing else None,
        keystrokes_saved=saved,
        time_saved_s=saved * KEYSTROKE_S - sums["accepted_decision_ms"] / 1000,
        characters_retained=sums["characters_retained"],
        retained=retained,
        latency_ms=_latencies(sums),
        time_to_decision_ms=_decision(sums),
        funnel=dict(zip(STAGES, (requested, answered, shown, taken, *kept), strict=True)),
        assistants=_assistants(sums),
    )


def _by_name(sums: Counters, prefix: str) -> dict[str, int]:
    """Return the sums that begin with the prefix, the greatest first."""
    found = {name[len(prefix) :]: value for name, value in sums.items() if name.startswith(prefix) and value}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _retained(sums: Counters, after_s: int) -> Retained | None:
    n = sums[f"retained.{after_s}.suggestions"]
    if not n:
        return None
    return Retained(
        suggestions=n,
        edit_similarity=sums[f"retained.{after_s}.similarity"] / MILLION / n,
        characters=sums[f"retained.{after_s}.characters"],
        accepted_characters=sums[f"retained.{after_s}.accepted_characters"],
        mostly_unchanged=sums[f"retained.{after_s}.mostly_unchanged"],
    )


def _latencies(sums: Counters) -> dict[str, Latency]:
    by_source: dict[str, dict[int, int]] = {}
    for name, count in _by_name(sums, "latency.").items():
        source, _, bin = name.rpartition(".")
        by_source.setdefault(source, {})[int(bin)] = count
    return {source: Latency(*_percentiles(counts)) for source, counts in sorted(by_source.items())}


def _decision(sums: Counters) -> Decision | None:
    counts = {int(bin): count for bin, count in _by_name(sums, "decision.").items()}
    return Decision(*_percentiles(counts)) if counts else None


def _percentiles(counts: dict[int, int]) -> tuple[int, float, float]:
    return sum(counts.values()), histogram.percentile(counts, 0.5), histogram.percentile(counts, 0.95)


def _assistants(sums: Counters) -> dict[str, Assistant]:
    columns = [_by_name(sums, prefix) for prefix in ("assisted.", "assist_applied.", "assist_dismissed.")]
    names = sorted({name for column in columns for name in column})
    return {name: Assistant(*(column.get(name, 0) for column in columns)) for name in names}
