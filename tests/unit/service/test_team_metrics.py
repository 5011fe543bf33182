"""What is told to Prometheus and OpenTelemetry: names that the Grafana dashboard asks for, and of people no word."""

from __future__ import annotations

import json
import random
import re
from importlib.resources import files
from pathlib import Path

import pytest

from codecompose_ls.service.team import database
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.service.team.entries import enter
from codecompose_ls.service.team.opentelemetry import OpenTelemetry, is_wanted
from codecompose_ls.service.team.prometheus import Figures
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.ledger import Change
from tests.sessions import session
from tests.unit.service.team import PEOPLE, Service


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


async def scrape(service: Service) -> str:
    async with service.client("ben") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return answer.text


async def fill(service: Service, *names: str, language: str = "python") -> None:
    for name in names:
        said = session(random.Random(name + language), suggestions=5, language=language, at=database.now() - 90_000)
        await service.post(name, said)


async def test_every_query_of_the_grafana_dashboard_asks_for_what_there_is(service: Service) -> None:
    await fill(service, *PEOPLE)
    there = {line.split("{")[0].split(" ")[0] for line in (await scrape(service)).splitlines() if line[:1] != "#"}
    dashboard = json.loads((files("codecompose_ls.service.team") / "grafana.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"codecompose_\w+", query)}
    assert len(queries) >= 10 and asked and asked <= there
    labels = set(re.findall(r"by \(([\w, ]+)\)", " ".join(queries)))
    assert {label for group in labels for label in group.split(", ")} <= {
        "language", "source", "quantile", "kind", "status", "le", "route"
    }  # fmt: skip


async def test_no_label_names_a_person_and_small_groups_are_put_together(service: Service) -> None:
    await fill(service, *PEOPLE)
    await fill(service, "ben", language="cobol")
    text = await scrape(service)
    assert 'codecompose_shown{language="python"}' in text and "codecompose_people 6.0" in text
    assert "cobol" not in text and "other" not in text.partition("# HELP codecompose_shown")[2].partition("# HELP")[0]
    await fill(service, *PEOPLE[:4], language="ada")
    await fill(service, *PEOPLE[4:], language="zig")
    together = {gauge.name: gauge for gauge in Figures(TeamSource(service.engine), smallest_group=5).collect()}
    languages = {sample.labels["language"] for sample in together["codecompose_shown"].samples}
    assert languages == {"python", "other"}
    for name in PEOPLE:
        assert f'"{name}"' not in text and service.team.user_of(name) not in text


async def test_of_four_people_only_their_number_is_told(service: Service) -> None:
    await fill(service, *PEOPLE[:4])
    text = await scrape(service)
    assert "codecompose_people 4.0" in text and "codecompose_shown" not in text
    assert 'codecompose_events_total{kind="shown"} 20.0' in text and "codecompose_batches_total 4.0" in text


async def test_requests_are_counted_by_route(service: Service) -> None:
    async with service.client("ben") as client:
        await client.get("/v1/rollout")
        await client.get("/nothing/of/ben")
        await client.request("BREW", "/nothing")
    text = await scrape(service)
    assert 'codecompose_http_request_seconds_count{method="GET",route="/v1/rollout",status="404"} 1.0' in text
    assert 'codecompose_http_request_seconds_count{method="GET",route="other",status="404"} 1.0' in text
    assert 'method="other"' in text and "nothing" not in text


async def test_metrics_need_a_token_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    for service, status in ((Service(tmp_path), 401), (Service(tmp_path / "open", open_metrics=True), 200)):
        async with service.client() as client:
            assert (await client.get("/metrics")).status_code == status


def test_figures_are_worked_out_once_a_minute(service: Service) -> None:
    now = 0.0
    figures = Figures(TeamSource(service.engine), smallest_group=1, clock=lambda: now)
    enter(service.engine, "ben", session(random.Random(1), suggestions=1, at=database.now() - 90_000))
    first = list(figures.collect())
    enter(service.engine, "cho", session(random.Random(2), suggestions=1, at=database.now() - 90_000))
    assert list(figures.collect()) == first
    now = 61.0
    assert list(figures.collect()) != first


# OpenTelemetry.


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_it_is_on_by_the_standard_variables(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) is wanted


def test_spans_and_counts_reach_an_exporter() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="pip install 'codecompose-ls[otel]'")
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    exported = OpenTelemetry(SimpleSpanProcessor(spans), reader)
    exported.answered(method="POST", route="/v1/events", status=503, seconds=0.5)
    exported.entered(Change((Event(Kind.SHOWN), Event(Kind.SHOWN)), {}, {}))
    (span,) = spans.get_finished_spans()
    assert span.name == "POST /v1/events" and not span.status.is_ok
    assert span.end_time is not None and span.start_time is not None
    assert span.end_time - span.start_time == 500_000_000
    assert span.resource.attributes["service.name"] == "codecompose-ls"
    said = reader.get_metrics_data()
    assert said is not None
    (scope,) = said.resource_metrics[0].scope_metrics
    points = {metric.name: metric.data.data_points[0] for metric in scope.metrics}
    assert points["codecompose.events"].value == 2  # type: ignore[union-attr]
    assert points["codecompose.events"].attributes == {"codecompose.event.kind": "shown"}
    assert points["http.server.request.duration"].sum == 0.5  # type: ignore[union-attr]
    exported.close()
