"""Every answer: JSON as promised, errors as problem documents, headers, and nothing of the inside shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pbx112.api import errors as http_errors
from pbx112.api.json_text import json_bytes, time_text
from pbx112.api.models import Live
from pbx112.domain import errors
from pbx112.domain.errors import AsteriskRefused, AsteriskUnavailable, OutcomeUnknown, Pbx112Error
from tests.support.web import FakeTelephone, bearer, client_of, make_parts


def all_errors(base: type[Pbx112Error] = Pbx112Error) -> set[type[Pbx112Error]]:
    return {base}.union(*(all_errors(kind) for kind in base.__subclasses__()))


def test_given_times_then_always_utc_with_six_digits_and_z() -> None:
    west = datetime(2025, 1, 31, 17, 0, 0, tzinfo=timezone(timedelta(hours=7)))
    assert time_text(west) == "2025-01-31T10:00:00.000000Z"
    assert json_bytes({"at": datetime(2025, 1, 1, 0, 0, 0, 12, UTC), "none": None, "many": (1, 2)}) == (
        b'{"at":"2025-01-01T00:00:00.000012Z","none":null,"many":[1,2]}'
    )


def test_given_every_error_of_the_domain_then_it_has_a_stable_slug_and_no_two_share_one() -> None:
    ours = {kind for kind in all_errors() if kind.__module__ == errors.__name__}
    assert len({kind.slug for kind in ours}) == len(ours)


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/calls/", 404, "not-found"),
        ("DELETE", "/v1/calls", 405, "method-not-allowed"),
        ("GET", "/v1/queues/none", 404, "no-such-queue"),
        ("GET", "/v1/operators/none", 404, "no-such-operator"),
        ("GET", "/v1/agencies/none", 404, "no-such-agency"),
        ("GET", "/v1/trunks/none", 404, "no-such-trunk"),
        ("GET", "/v1/calls/not-a-uuid", 404, "no-such-call"),
        ("GET", "/v1/calls/00000000-0000-0000-0000-000000000000", 503, "database-unavailable"),
        ("GET", "/v1/calls", 503, "database-unavailable"),
        ("GET", "/v1/calls?limit=0", 422, "bad-input"),
        ("GET", "/v1/calls?limit=201", 422, "bad-input"),
        ("GET", "/v1/calls?since=yesterday", 422, "bad-input"),
        ("GET", "/v1/calls?since=2025-01-31T10:00:00", 422, "bad-input"),
        ("GET", "/v1/calls?since=2025-02-30T10:00:00Z", 422, "bad-input"),
        ("GET", "/v1/calls?since=0001-01-01T00:00:00%2B07:00", 422, "bad-input"),
        ("GET", "/v1/calls?since=2025-01-31T10:00:00+07:00", 422, "bad-input"),
        ("GET", "/v1/calls?state=dead", 422, "bad-input"),
        ("GET", "/v1/calls?outcome=unknown", 422, "bad-input"),
        ("GET", "/v1/calls?caller_class=x", 422, "bad-input"),
        ("GET", "/v1/calls?colour=red", 422, "bad-input"),
        ("GET", "/v1/calls?queue=112&queue=113", 422, "bad-input"),
        ("GET", "/v1/calls?number=%00", 422, "bad-input"),
        ("GET", "/v1/calls?q=" + "x" * 101, 422, "bad-input"),
        ("POST", "/v1/operators/op4/login", 422, "bad-input"),
        ("POST", "/v1/operators/op9/login", 404, "no-such-operator"),
        ("POST", "/v1/operators/op1/pause", 422, "bad-input"),
    ],
)
async def test_given_a_fault_when_it_is_answered_then_a_problem_document(
    method: str, path: str, status: int, slug: str
) -> None:
    async with client_of(make_parts()) as client:
        answer = await client.request(method, path, headers=bearer())
    body = answer.json()
    assert answer.status_code == body["status"] == status, body
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"urn:pbx112:problem:{slug}"
    assert body["title"] and body["detail"]
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_given_an_unknown_query_parameter_then_the_answer_names_it() -> None:
    async with client_of(make_parts()) as client:
        body = (await client.get("/v1/calls?colour=red", headers=bearer())).json()
    assert "colour" in body["detail"]
    assert "red" not in str(body["errors"])


@pytest.mark.parametrize(
    ("error", "status"), [(AsteriskUnavailable("x"), 503), (AsteriskRefused("x"), 409), (OutcomeUnknown("x"), 504)]
)
async def test_given_asterisk_in_trouble_when_an_operator_is_commanded_then_its_own_code(
    error: Pbx112Error, status: int
) -> None:
    async with client_of(make_parts(telephone=FakeTelephone(error=error))) as client:
        answer = await client.post("/v1/operators/op1/login", headers=bearer())
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:pbx112:problem:{error.slug}")
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_given_the_database_away_when_an_operator_is_commanded_then_asterisk_still_hears_it() -> None:
    telephone = FakeTelephone()
    async with client_of(make_parts(telephone=telephone)) as client:
        headers = bearer()
        await client.post("/v1/operators/op1/login", headers=headers)
        await client.post("/v1/operators/op1/pause", headers=headers, json={"reason": "makan siang"})
        await client.post("/v1/operators/op1/unpause", headers=headers)
        answer = await client.post("/v1/operators/op1/logout", headers=headers)
    assert answer.status_code == 200
    assert telephone.commands == [
        ("add", "112", "op1", 3),
        ("pause", "op1", True, "makan siang"),
        ("pause", "op1", False, ""),
        ("remove", "112", "op1"),
    ]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 65}, {"reason": "a\r\nAction: x"}, {"why": "x"}])
async def test_given_a_pause_reason_that_could_not_be_sent_then_it_is_refused(body: dict[str, Any]) -> None:
    telephone = FakeTelephone()
    async with client_of(make_parts(telephone=telephone)) as client:
        answer = await client.post("/v1/operators/op1/pause", headers=bearer(), json=body)
    assert (answer.status_code, telephone.commands) == (422, [])


async def test_given_a_body_that_is_too_large_then_413() -> None:
    async with client_of(make_parts()) as client:
        answer = await client.post("/v1/operators/op1/pause", headers=bearer(), json={"reason": "x" * 70_000})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:pbx112:problem:too-large"


async def test_given_a_fault_of_ours_then_500_with_an_id_and_nothing_of_the_inside() -> None:
    def broken() -> Any:
        raise ZeroDivisionError("a secret of the inside")

    async with client_of(make_parts(configuration=broken)) as client:
        answer = await client.get("/v1/queues", headers=bearer())
    body = answer.json()
    assert (answer.status_code, body["type"]) == (500, "urn:pbx112:problem:internal")
    assert body["id"] in body["detail"]
    assert "secret" not in answer.text and "Zero" not in answer.text


@pytest.mark.parametrize("path", ["/v1/queues", "/v1/nothing", "/health/live", "/", "/docs", "/metrics"])
async def test_given_any_answer_then_it_carries_the_security_headers(path: str) -> None:
    async with client_of(make_parts()) as client:
        headers = (await client.get(path, headers=bearer())).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]


async def test_given_the_board_when_it_is_asked_for_then_states_and_waiting_callers_are_told() -> None:
    async with client_of(make_parts()) as client:
        board = (await client.get("/v1/live", headers=bearer())).json()
        queue = (await client.get("/v1/queues/112", headers=bearer())).json()
        operator = (await client.get("/v1/operators/op2", headers=bearer())).json()
    Live.model_validate(board)
    assert [one["state"] for one in board["operators"]] == ["talking", "paused", "offline", "offline"]
    assert queue == board["queues"][0]
    assert queue["waiting"][0]["position"] == 1
    assert queue["waiting"][0]["since"] == "2025-01-31T10:00:00.000005Z"
    assert (operator["paused"], operator["paused_reason"], operator["logged_in"]) == (True, "makan", ["112"])


async def test_given_hostile_text_when_it_is_answered_then_json_keeps_it_inert() -> None:
    async with client_of(make_parts()) as client:
        answer = await client.get("/v1/calls/%3Cscript%3Ealert(1)%3C%2Fscript%3E", headers=bearer())
        page = await client.get("/?x=<script>alert(1)</script>")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "<script" not in page.text


def test_given_http_codes_then_they_stand_in_one_place() -> None:
    for kind in all_errors():
        if kind.__module__ == errors.__name__ and kind not in {Pbx112Error, errors.MigrationFailed}:
            error = kind([("field", "x")]) if kind is errors.ConfigurationFaulty else kind("x")
            assert http_errors.status_of(error) != 500, kind
