"""Around every request: bounded bodies, security headers, HTTP metrics, and a last net under faults of ours."""

import re
import secrets
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pbx112.api.errors import internal_problem, too_large
from pbx112.domain.prompts import MOST_BYTES
from pbx112.services.metrics import Metrics

log = structlog.get_logger(__name__)

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
LARGEST_BODY = 64 * 1024
_LARGEST_OF = (
    # A whole configuration: 500 operators are some 200 KB.
    (re.compile(r"/v1/config"), 4 * 1024 * 1024),
    # A recording; from a page it comes with other fields of its form.
    (re.compile(r"/v1/prompts/[^/]+/[^/]+"), MOST_BYTES),
    (re.compile(r"/admin/entry"), 1024 * 1024),
    (re.compile(r"/admin/prompts"), MOST_BYTES + LARGEST_BODY),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def largest(path: str) -> int:
    """How many bytes a body that is sent to this path may have."""
    return next((most for pattern, most in _LARGEST_OF if pattern.fullmatch(path)), LARGEST_BODY)


class Guard:
    """ASGI middleware, outermost of ours. WebSockets pass untouched: they answer for themselves."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        answer = _Answer(send)
        try:
            await self._app(scope, _bounded(receive, largest(scope["path"])), answer.send)
        except Exception:
            await self._fault(scope, receive, answer)
        finally:
            self._count(scope, answer.status, time.perf_counter() - started)

    async def _fault(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        error_id = secrets.token_hex(6)
        log.exception("A request failed by a fault of ours.", id=error_id, method=scope["method"], route=_route(scope))
        if not answer.status:
            await internal_problem(error_id)(scope, receive, answer.send)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.http_request(method, _route(scope), status, seconds)


class _Answer:
    """The sending side of one request: adds the headers, and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message.get("headers", ())}
            added = [header for header in _HEADERS if header[0] not in present]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await self._send(message)


def _bounded(receive: Receive, most: int) -> Receive:
    """Only as much of a body as anybody may send; a route that reads no body never meets the bound."""
    taken = 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise too_large(most)
        return message

    return take


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "none")
