"""OpenTelemetry: a span and a duration for every request, and events by kind, sent by OTLP over HTTP.

On by the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT and its kin), which the SDK reads itself; it needs the extra
`otel`. Nothing of it is imported otherwise.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from codecompose_ls import __version__
from codecompose_ls.errors import MissingExtraError
from codecompose_ls.telemetry.ledger import Change

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import SpanProcessor

_VARIABLES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
)  # fmt: skip


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the environment says where to export to."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_off and any(environment.get(name) for name in _VARIABLES)


class OpenTelemetry:
    """Implements `Observer`. Exports to where the environment says; `processor` and `reader` are for tests.

    Raises `MissingExtraError`.
    """

    def __init__(self, processor: SpanProcessor | None = None, reader: MetricReader | None = None) -> None:
        try:
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider

            processor, reader = processor or _processor(), reader or _reader()
        except ModuleNotFoundError as error:
            raise MissingExtraError("otel", error.name or "opentelemetry-sdk") from error
        name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "codecompose-ls"}
        resource = Resource.create({**name, "service.version": __version__})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(processor)
        self._metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("codecompose_ls", __version__)
        meter = self._metrics.get_meter("codecompose_ls", __version__)
        self._durations = meter.create_histogram("http.server.request.duration", "s", "From a request to its answer")
        self._events = meter.create_counter("codecompose.events", "{event}", "Events entered")

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
        ended = time.time_ns()
        span = self._tracer.start_span(
            f"{method} {route}".strip(),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=ended - int(seconds * 1e9),
        )
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)
        self._durations.record(seconds, attributes)

    def entered(self, change: Change) -> None:
        for kind, count in Counter(event.kind for event in change.events).items():
            self._events.add(count, {"codecompose.event.kind": kind.value})

    def close(self) -> None:
        """Send what is left."""
        self._traces.shutdown()
        self._metrics.shutdown()


def _processor() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


def _reader() -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    return PeriodicExportingMetricReader(OTLPMetricExporter())
