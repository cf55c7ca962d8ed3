"""Alarms told to another system by HTTP POST. Nobody waits for the receiver, and a dead one costs nothing but memory
for a few notices.
"""

import asyncio
import hashlib
import hmac
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

import httpx
import orjson
import structlog

from pbx112.services.alarms import Notice

log = structlog.get_logger(__name__)

SIGNATURE = "X-PBX112-Signature"
_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class WebhookTimes:
    """The webhook's waits in seconds, and how often one notice is tried."""

    deadline: float = 5.0
    tries: int = 6
    retry_first: float = 1.0
    retry_most: float = 30.0


class Webhook:
    """Tells one receiver of alarms, in order. `offer` at once, `run` for ever.

    The body is JSON: `{key, level, state: raised|cleared, text, node, at}`. With a secret, the header
    X-PBX112-Signature is `sha256=` and the HMAC-SHA256 of the body in hex. TLS is verified, redirections are not
    followed, proxies of the environment are not used; the answer's body is not read. `count` is told how each notice
    ended: `sent`, `refused` (the receiver does not want it), `failed` (given up), `dropped` (no room).
    """

    def __init__(
        self,
        url: str,
        secret: str | None,
        *,
        count: Callable[[str], None] = lambda _: None,
        untold: Callable[[str], None] = lambda _: None,
        most: int = 100,
        times: WebhookTimes | None = None,
    ) -> None:
        self._url = url
        self._receiver = httpx.URL(url).host  # the rest of an address may be a secret
        self._secret = secret.encode() if secret else None
        self._count = count
        self._untold = untold
        self._most = most
        self._times = times or WebhookTimes()
        self._notices: deque[Notice] = deque()
        self._news = asyncio.Event()
        self._away = False

    def offer(self, notice: Notice) -> None:
        """Take a notice, at once. When there is no room the oldest one is dropped."""
        if len(self._notices) >= self._most:
            self._lost(self._notices.popleft(), "dropped")
        self._notices.append(notice)
        self._news.set()

    async def run(self) -> None:
        """Send what is offered, for ever."""
        # Reading the system's certificates takes some time, which the event loop does not have.
        context = await asyncio.to_thread(ssl.create_default_context)
        async with httpx.AsyncClient(
            verify=context, trust_env=False, follow_redirects=False, timeout=self._times.deadline
        ) as client:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._notices:
                    await self._deliver(client, self._notices.popleft())

    async def _deliver(self, client: httpx.AsyncClient, notice: Notice) -> None:
        body = body_of(notice)
        for attempt in range(self._times.tries):
            if attempt:
                await asyncio.sleep(min(self._times.retry_first * 2.0 ** (attempt - 1), self._times.retry_most))
            result = await self._post(client, body)
            if result is None:
                self._away = self._tell_back()
                self._count("sent")
                return
            if not result.again:
                log.error("The alarm webhook was refused.", receiver=self._receiver, reason=result.reason)
                self._lost(notice, "refused")
                return
            if not self._away:
                log.warning(
                    "The alarm webhook fails; it is tried again.", receiver=self._receiver, reason=result.reason
                )
            self._away = True
        log.error("An alarm could not be told by webhook.", receiver=self._receiver, alarm=notice.key)
        self._lost(notice, "failed")

    def _lost(self, notice: Notice, result: str) -> None:
        self._count(result)
        self._untold(notice.key)

    def _tell_back(self) -> bool:
        if self._away:
            log.info("The alarm webhook works again.", receiver=self._receiver)
        return False

    async def _post(self, client: httpx.AsyncClient, body: bytes) -> "_Failed | None":
        """One try. None when the receiver has taken it."""
        headers = {"Content-Type": "application/json", "User-Agent": "pbx112"}
        if self._secret is not None:
            headers[SIGNATURE] = signature_of(self._secret, body)
        try:
            async with asyncio.timeout(self._times.deadline):
                async with client.stream("POST", self._url, content=body, headers=headers) as answer:
                    status = answer.status_code
        except TimeoutError:
            return _Failed("no answer in time", again=True)
        except Exception as error:
            # Whatever the receiver sends (or a fault of ours): the alarms go on. Its words may hold the address.
            return _Failed(type(error).__name__, again=True)
        if 200 <= status < 300:
            return None
        return _Failed(f"HTTP status {status}", again=status >= 500 or status in _AGAIN)


@dataclass(frozen=True, slots=True)
class _Failed:
    reason: str
    again: bool


def body_of(notice: Notice) -> bytes:
    """The JSON that is sent."""
    at = notice.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    names = ("key", "level", "state", "text", "node")
    return orjson.dumps({**{name: getattr(notice, name) for name in names}, "at": at})


def signature_of(secret: bytes, body: bytes) -> str:
    """What the header says of a body."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
