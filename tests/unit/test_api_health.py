"""Health, metrics, documentation: open to everybody, at both addresses."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pbx112.api.models import Ready
from pbx112.domain.live import LiveState
from pbx112.services.health import PartHealth
from pbx112.services.metrics import Metrics
from tests.support.web import FakeLag, FakeLive, FakeTelephone, bearer, client_of, make_parts


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_given_the_service_when_it_is_asked_whether_it_lives_then_it_says_what_it_is(prefix: str) -> None:
    async with client_of(make_parts()) as client:
        answer = await client.get(f"{prefix}/health/live")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "alive",
        "version": "0.1.0",
        "node": "node1",
        "demo": True,
        "started_at": "2025-01-31T10:00:00.000005Z",
    }


async def test_given_every_part_but_the_database_when_readiness_is_asked_then_503_names_the_part() -> None:
    async with client_of(make_parts()) as client:
        answer = await client.get("/v1/health/ready")
    body = answer.json()
    Ready.model_validate(body)
    assert (answer.status_code, body["status"]) == (503, "not-ready")
    assert {name: part["ok"] for name, part in body["parts"].items()} == {
        "database": False,
        "asterisk": True,
        "journal": True,
        "agi": True,
    }
    assert "Calls go on" in body["parts"]["database"]["detail"]
    assert "retry-after" in answer.headers


async def test_given_parts_in_trouble_when_readiness_is_asked_then_each_says_so_in_words() -> None:
    parts = make_parts(
        telephone=FakeTelephone(connected=False),
        live=FakeLive(LiveState()),
        journal=lambda: FakeLag(bytes_behind=9, healthy=False, problem="The file cannot be opened."),
        agi=lambda: PartHealth("agi", False, "The port is taken."),
    )
    async with client_of(parts) as client:
        found = (await client.get("/health/ready")).json()["parts"]
    assert not any(part["ok"] for part in found.values())
    assert found["journal"]["detail"] == "The file cannot be opened."
    assert "AMI" in found["asterisk"]["detail"]


def metrics_in(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_given_requests_and_calls_when_metrics_are_scraped_then_they_are_counted() -> None:
    metrics = Metrics()
    call: dict[str, Any] = {"id": "a", "direction": "inbound", "outcome": "answered", "drill": False, "wait_ms": 4200}
    for _ in range(3):
        metrics.call_seen(call)
    metrics.call_seen({**call, "id": "b", "outcome": None})
    metrics.agi_request("finished", 0.004)
    async with client_of(
        make_parts(metrics=metrics, journal=lambda: FakeLag(17, 30), ami_reconnects=lambda: 4)
    ) as client:
        await client.get("/v1/queues/112", headers=bearer())
        await client.get("/v1/queues/113", headers=bearer())
        await client.get("/v1/no/such/path")
        first = await client.get("/metrics")
        found = metrics_in((await client.get("/v1/metrics")).text)
    assert first.headers["content-type"].startswith("text/plain")
    route = ("route", "/v1/queues/{name}")
    assert found["pbx112_http_requests_total", (("method", "GET"), route, ("status", "200"))] == 1
    assert found["pbx112_http_requests_total", (("method", "GET"), route, ("status", "404"))] == 1
    assert found["pbx112_http_requests_total", (("method", "GET"), ("route", "none"), ("status", "404"))] == 1
    assert found["pbx112_calls_total", (("drill", "no"), ("outcome", "answered"))] == 1
    assert found["pbx112_call_wait_seconds_bucket", (("le", "5.0"),)] == 1
    assert found["pbx112_agi_requests_total", (("result", "finished"),)] == 1
    assert found["pbx112_ami_connected", ()] == 1
    assert found["pbx112_journal_lag_bytes", ()] == 17
    assert found["pbx112_journal_lag_ms", ()] == 30
    assert found["pbx112_queue_waiting", (("queue", "112"),)] == 1
    assert found["pbx112_ami_reconnects_total", ()] == 4


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_given_the_documentation_when_it_is_read_then_it_names_every_door_and_loads_nothing(prefix: str) -> None:
    async with client_of(make_parts()) as client:
        schema = (await client.get(f"{prefix}/openapi.json")).json()
        docs = await client.get(f"{prefix}/docs")
    assert "/v1/calls/{id}" in schema["paths"]
    assert "/docs" not in schema["paths"]
    assert schema["paths"]["/v1/calls"]["get"]["security"] == [{"password": []}]
    assert "security" not in schema["paths"]["/v1/token"]["post"]
    assert docs.headers["content-type"].startswith("text/html")
    assert "<script" not in docs.text and "http" not in docs.text.replace("HTTP", "").replace("http-equiv", "")
    for path in schema["paths"]:
        assert path in docs.text


@pytest.mark.parametrize(("lang", "word"), [("id", "darurat"), ("en", "Emergency")])
async def test_given_the_first_page_when_it_is_opened_then_it_says_what_this_is(lang: str, word: str) -> None:
    async with client_of(make_parts(lang=lang)) as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert word in page.text and "demo" in page.text
    assert 'href="/docs"' in page.text
