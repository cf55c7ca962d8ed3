"""The live board: once by GET, or as it changes over a WebSocket."""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from fastapi import Response, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from pbx112.api.access import Access
from pbx112.api.admission import identify
from pbx112.api.answers import answer
from pbx112.api.json_text import json_bytes
from pbx112.api.parts import ApiParts, Parts
from pbx112.api.tokens import Identity
from pbx112.domain.errors import NotAllowed, NotAuthenticated, Overloaded
from pbx112.services.feed import Subscription
from pbx112.services.live_views import live_view

log = structlog.get_logger(__name__)

PING_SECONDS = 15.0
_TOKEN_DEADLINE = 10.0
_LOOK_SECONDS = 1.0
_SEND_DEADLINE = 10.0
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
_GONE = (WebSocketDisconnect, RuntimeError, TimeoutError)
"""How a send ends when the client has left, or reads too slowly."""


async def get_live(parts: Parts) -> Response:
    """The live board now: AMI link, queues with members and waiting callers, operators."""
    return answer(_live(parts))


def live_socket(access: Access) -> Any:
    """The WebSocket endpoint under a rule of the table of routes."""

    async def events(socket: WebSocket) -> None:
        """`snapshot` first, then `live`, `call`, `alarm`, `reload` as things change, `ping` when nothing does.

        The token comes as `?token=` or as the first message, `{"token": ".."}`.
        """
        parts: ApiParts = socket.app.state.parts
        await socket.accept()
        try:
            token = await _token(socket)
            identity = _admitted(parts, access, token)
            with parts.feed.subscribe() as subscription:
                await _stream(socket, parts, subscription, identity, _until_refused(parts, access, token))
        except (NotAuthenticated, NotAllowed) as error:
            await _close(socket, POLICY_VIOLATION, str(error))
        except Overloaded as error:
            await _close(socket, TRY_AGAIN_LATER, str(error))
        except (WebSocketDisconnect, RuntimeError):
            # The client went away; there is nobody left to tell.
            return
        except Exception:
            log.exception("The live feed of a client failed by a fault of ours.")
            await _close(socket, INTERNAL_ERROR, "The service made a mistake; it is in the log.")

    return events


def _admitted(parts: ApiParts, access: Access, token: str) -> Identity:
    identity = identify(parts, token)
    access.check(identity, {})
    return identity


async def _token(socket: WebSocket) -> str:
    token = socket.query_params.get("token")
    if token is None:
        try:
            async with asyncio.timeout(_TOKEN_DEADLINE):
                first = orjson.loads(await socket.receive_text())
            token = first["token"]
        except (TimeoutError, KeyError, TypeError, ValueError) as error:
            raise NotAuthenticated('Send {"token": ".."} first, or give it as ?token= .') from error
    return str(token)


async def _until_refused(parts: ApiParts, access: Access, token: str) -> str:
    """Looks again and again whether the token still opens this door; gives the reason when it does not."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            _admitted(parts, access, token)
        except (NotAuthenticated, NotAllowed) as error:
            return str(error)


async def _stream(
    socket: WebSocket,
    parts: ApiParts,
    subscription: Subscription,
    identity: Identity,
    refused: Coroutine[Any, Any, str],
) -> None:
    """Until the client leaves, the token ends or is void, or the client proves too slow."""
    refusal = asyncio.create_task(refused, name="live feed: still allowed")
    tasks = [
        asyncio.create_task(_send_all(socket, parts, subscription), name="live feed: send"),
        asyncio.create_task(_until_left(socket), name="live feed: receive"),
        asyncio.create_task(subscription.overflowed.wait(), name="live feed: too slow"),
        refusal,
    ]
    try:
        done, _ = await asyncio.wait(tasks, timeout=_left(identity), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        sent, *_ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(sent, Exception) and not isinstance(sent, _GONE):
        raise sent
    if not done:
        await _close(socket, POLICY_VIOLATION, "The token has expired; sign in again.")
    elif refusal in done and refusal.exception() is None:
        await _close(socket, POLICY_VIOLATION, refusal.result())
    elif subscription.overflowed.is_set() or tasks[0] in done:
        await _close(socket, TRY_AGAIN_LATER, "This client reads too slowly; connect again for a new snapshot.")


def _left(identity: Identity) -> float | None:
    """Seconds until the token ends; None: it does not by itself."""
    if identity.expires_at is None:
        return None
    return max((identity.expires_at - datetime.now(UTC)).total_seconds(), 0.0)


async def _send_all(socket: WebSocket, parts: ApiParts, subscription: Subscription) -> None:
    await _send(socket, {"type": "snapshot", "live": _live(parts)})
    while True:
        event = await subscription.next(PING_SECONDS)
        await _send(socket, event if event is not None else {"type": "ping", "at": datetime.now(UTC)})


async def _send(socket: WebSocket, event: Any) -> None:
    async with asyncio.timeout(_SEND_DEADLINE):
        await socket.send_text(json_bytes(event).decode())


async def _until_left(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.client_state is not WebSocketState.CONNECTED:
        return
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(2.0):
            # A close frame has room for 123 bytes of reason.
            await socket.close(code, reason.encode()[:120].decode(errors="ignore"))


def _live(parts: ApiParts) -> dict[str, Any]:
    return live_view(parts.configuration(), parts.live.state, parts.node, parts.alarms())
