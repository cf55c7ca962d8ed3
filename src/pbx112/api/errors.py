"""Errors of the service as HTTP: RFC 9457 problem documents. HTTP codes stand in this file only."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pbx112.api.json_text import json_bytes
from pbx112.domain import errors

log = structlog.get_logger(__name__)

URN = "urn:pbx112:problem:"
RETRY_AFTER = {"Retry-After": "5"}

STATUS_OF: Mapping[type[errors.Pbx112Error], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.VersionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.BadInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ConfigurationInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EditConflict: HTTPStatus.PRECONDITION_FAILED,
    errors.CallNotTalking: HTTPStatus.CONFLICT,
    errors.CallOfAnotherNode: HTTPStatus.CONFLICT,
    errors.TransferRefused: HTTPStatus.CONFLICT,
    errors.TransferTaken: HTTPStatus.CONFLICT,
    errors.LastAdmin: HTTPStatus.CONFLICT,
    errors.NotAllowed: HTTPStatus.FORBIDDEN,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.CannotCallBack: HTTPStatus.CONFLICT,
    errors.CallbackTaken: HTTPStatus.CONFLICT,
    errors.OperatorNotReady: HTTPStatus.CONFLICT,
    errors.CannotConvert: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AsteriskUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AsteriskRefused: HTTPStatus.CONFLICT,
    errors.ApplyFailed: HTTPStatus.CONFLICT,
    errors.OutcomeUnknown: HTTPStatus.GATEWAY_TIMEOUT,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The nearest class in an error's line of ancestors counts; an error without one is a fault of ours: 500."""

HEADERS_OF: Mapping[HTTPStatus, Mapping[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: RETRY_AFTER,
}

_WORDS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media"}


def status_of(error: errors.Pbx112Error) -> HTTPStatus:
    """The HTTP code for an error of ours."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return STATUS_OF[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(
    status: int, slug: str, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """A problem document."""
    body = {"type": f"{URN}{slug}", "title": title, "status": int(status), "detail": detail, **more}
    return Response(json_bytes(body), int(status), headers, media_type="application/problem+json")


def internal_problem(error_id: str) -> Response:
    """The answer to a fault of ours: only an id, which stands in the log beside what happened."""
    detail = f"The service made a mistake; it is in the log under {error_id}."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service made a mistake.", detail, id=error_id)


def of_error(error: errors.Pbx112Error) -> Response:
    """An error of ours as a problem document; its class's first sentence is the title."""
    status = status_of(error)
    title = re.split(r"[.;:\n]", cleandoc(type(error).__doc__ or error.slug), maxsplit=1)[0]
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("An error without an HTTP code reached the web door.", slug=error.slug, error=str(error))
    detail = str(error) or title
    return problem(status, error.slug, f"{title}.", detail, headers=HEADERS_OF.get(status), **_more(error))


def _more(error: errors.Pbx112Error) -> dict[str, Any]:
    """What a program, or a form, wants to know of each fault by itself."""
    if isinstance(error, errors.ConfigurationFaulty):
        return {"errors": [{"field": field, "message": words} for field, words in error.faults[:200]]}
    if isinstance(error, errors.ApplyFailed):
        return {"told": list(error.told)}
    return {}


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem document."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.Pbx112Error)  # noqa: S101 - the registration below says so
        return of_error(error)

    async def validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return of_validation(error.errors())

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return of_http(error)

    app.add_exception_handler(errors.Pbx112Error, ours)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)


def of_http(error: HTTPException) -> Response:
    """An error of the web's own, such as an address that is none."""
    slug = _WORDS.get(error.status_code, "http-error")
    title = HTTPStatus(error.status_code).phrase
    return problem(error.status_code, slug, title, str(error.detail), headers=error.headers)


def of_validation(found: Any) -> Response:
    """Input that does not fit its description: each fault by field, without repeating the input."""
    faults = [
        {"field": ".".join(str(step) for step in one["loc"]), "message": one["msg"].removeprefix("Value error, ")}
        for one in found
    ]
    detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)[:1000]
    title = "The input cannot be accepted; nothing was changed."
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-input", title, detail, errors=faults[:50])


def readiness_status(ready: bool) -> tuple[int, Mapping[str, str] | None]:
    """Status and headers of the readiness answer."""
    return (HTTPStatus.OK, None) if ready else (HTTPStatus.SERVICE_UNAVAILABLE, RETRY_AFTER)


def too_large(limit: int) -> HTTPException:
    """A body longer than anybody needs; raised while it is read."""
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request's body has at most {limit} bytes.")
