"""Prometheus: GET /metrics, what this process does and what the team's suggestions came to in the last seven days.

docs/how-to/team.md lists the names; grafana.json beside this file is a dashboard of them.
"""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from codecompose_ls.errors import CodeComposeError
from codecompose_ls.service.dashboard.filters import NONE
from codecompose_ls.service.dashboard.router import today
from codecompose_ls.service.dashboard.source import Source
from codecompose_ls.telemetry.ledger import Bucket, Change
from codecompose_ls.telemetry.metrics import Metrics, breakdown, metrics
from codecompose_ls.telemetry.rollup import rolled_up, users

PATH = "/metrics"
DAYS = 7
#: For so long figures are told again before they are worked out anew.
FRESH_S = 60.0
#: Languages of too few people, together.
OTHER = "other"

#: Of `Metrics`, by language.
_FIGURES = {
    "requested": "Requests for a suggestion",
    "shown": "Suggestions that were seen",
    "accepted": "Suggestions accepted in whole",
    "acceptance_rate": "accepted / shown",
    "percent_code_typed": "Characters accepted / characters accepted or typed, 0 to 1",
    "keystrokes_saved": "Characters accepted less a key each",
    "characters_retained": "Characters that were still there at the latest look",
    "failed": "Requests that failed",
}


class Prometheus:
    """Implements `Observer`; its registry is its own, so that several applications of one process do not meet."""

    def __init__(self, source: Source, *, smallest_group: int) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "codecompose_http_request_seconds",
            "From a request to the end of its answer",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._events = Counter("codecompose_events", "Events entered", ["kind"], registry=self.registry)
        self._batches = Counter("codecompose_batches", "Batches of events entered", registry=self.registry)
        self.registry.register(Figures(source, smallest_group=smallest_group))

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route or OTHER, str(status)).observe(seconds)

    def entered(self, change: Change) -> None:
        self._batches.inc()
        for kind, count in Counts(event.kind for event in change.events).items():
            self._events.labels(kind.value).inc(count)

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.get(PATH)
        def metrics() -> Response:
            return Response(generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        return routes


class Figures(Collector):
    """The team's figures of the last `DAYS` days, from its database: the same on every server, so never add them up."""

    def __init__(self, source: Source, *, smallest_group: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._smallest_group, self._clock = source, smallest_group, clock
        self._known: list[GaugeMetricFamily] = []
        self._until = -1.0

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Say nothing beforehand: nobody has asked yet."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        if self._clock() >= self._until:
            try:
                self._known = list(self._gauges())
            except CodeComposeError:
                # What the process does is told all the same; that a figure is missing says enough.
                self._known = []
            self._until = self._clock() + FRESH_S
        return self._known

    def _gauges(self) -> Iterable[GaugeMetricFamily]:
        found = self._source(since=today() - timedelta(days=DAYS - 1), until=None)
        total = len({user for bucket in found for user in bucket.users})
        everyone = GaugeMetricFamily("codecompose_people", f"People with an event in the last {DAYS} days")
        everyone.add_metric([], total)
        yield everyone
        if total < self._smallest_group:
            return
        rows = breakdown(self._grouped(found), by="language")
        for name, meaning in _FIGURES.items():
            gauge = GaugeMetricFamily(f"codecompose_{name}", f"{meaning}, last {DAYS} days", labels=["language"])
            for language, row in rows.items():
                if (value := getattr(row, name)) is not None:
                    gauge.add_metric([language], value)
            yield gauge
        yield _latency(metrics(found))

    def _grouped(self, found: list[Bucket]) -> list[Bucket]:
        """Put languages of too few people together, and leave those out if they are still too few."""
        counts = users(found, by="language")
        small = {language for language, count in counts.items() if count < self._smallest_group}

        def called(bucket: Bucket) -> Bucket:
            language = OTHER if bucket.key.language in small else bucket.key.language or NONE
            return replace(bucket, key=bucket.key._replace(language=language))

        named = [called(bucket) for bucket in found]
        others = {user for bucket in named if bucket.key.language == OTHER for user in bucket.users}
        kept = named if len(others) >= self._smallest_group else [one for one in named if one.key.language != OTHER]
        return rolled_up(kept, keep=("language",))


def _latency(total: Metrics) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(
        "codecompose_latency_ms", f"From request to answer, last {DAYS} days", labels=["source", "quantile"]
    )
    for source, latency in total.latency_ms.items():
        gauge.add_metric([source, "0.5"], latency.p50)
        gauge.add_metric([source, "0.95"], latency.p95)
    return gauge
