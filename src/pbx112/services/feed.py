"""The live feed: what changed, handed to every listening client. A slow client is cut off, never waited for."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import DatabaseUnavailable, Overloaded
from pbx112.services.metrics import Metrics
from pbx112.storage.calls import get_call
from pbx112.storage.engine import reading

log = structlog.get_logger(__name__)

Event = Mapping[str, Any]
"""One message of the feed: `{"type": "call" | "live" | "alarm" | "reload", ...}`, plain values."""


class Subscription:
    """One listener's place in the feed: a bounded queue, and whether it was too slow for it."""

    def __init__(self, queue_size: int) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(queue_size)
        self.overflowed = asyncio.Event()

    def offer(self, event: Event) -> bool:
        """Put the event into the queue; False when the listener is too slow, which it then stays."""
        if self.overflowed.is_set():
            return False
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overflowed.set()
            return False
        return True

    async def next(self, timeout: float) -> Event | None:
        """The next event; None when nothing happened for `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self._queue.get()
        except TimeoutError:
            return None


class Feed:
    """Hands each published event to all subscriptions. Never waits; used from one event loop."""

    def __init__(self, *, queue_size: int = 256, most_listeners: int = 256) -> None:
        self._queue_size = queue_size
        self._most_listeners = most_listeners
        self._listeners: set[Subscription] = set()
        self.cut_off = 0

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def publish(self, event: Event) -> None:
        """Hand the event to everybody; whoever has no room left is cut off."""
        slow = [listener for listener in self._listeners if not listener.offer(event)]
        for listener in slow:
            self._listeners.discard(listener)
            self.cut_off += 1

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Listen from now on. Raises Overloaded when too many listen already."""
        if len(self._listeners) >= self._most_listeners:
            raise Overloaded("Too many clients listen to the live feed; close some of them and try again.")
        subscription = Subscription(self._queue_size)
        self._listeners.add(subscription)
        try:
            yield subscription
        finally:
            self._listeners.discard(subscription)


class LivePublisher:
    """Publishes the live view when it changed, at most once in `interval` seconds."""

    def __init__(self, feed: Feed, view: Callable[[], Mapping[str, Any]], *, interval: float = 0.2) -> None:
        self._feed = feed
        self._view = view
        self._interval = interval
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Say that the live state changed (a callback for the AMI link; never blocks)."""
        self._changed.set()

    async def run(self) -> None:
        """Publish for ever; a storm of changes becomes one event an interval."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._feed.publish({"type": "live", "live": self._view()})
            await asyncio.sleep(self._interval)


class CallPublisher:
    """Turns the records' notifications into feed events with the whole call in them.

    `seen` is given each call too; it must return at once.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        feed: Feed,
        metrics: Metrics,
        *,
        seen: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._feed = feed
        self._metrics = metrics
        self._seen = seen

    async def notified(self, payload: str) -> None:
        """Publish the calls that a notification names (`{"node": .., "ids": [..] | null}`); never raises.

        When the calls are not named, or cannot be read now, the event `reload` tells the clients to ask again.
        """
        ids = call_ids_of(payload)
        if ids is None:
            self._feed.publish({"type": "reload"})
            return
        try:
            async with reading(self._engine) as connection:
                for id_ in ids:
                    self._publish(await get_call(connection, id_))
        except DatabaseUnavailable as error:
            log.warning(
                "Changed calls could not be read for the live feed; its clients will ask again.", reason=str(error)
            )
            self._feed.publish({"type": "reload"})

    def _publish(self, call: Mapping[str, Any] | None) -> None:
        if call is None:
            return
        self._metrics.call_seen(call)
        self._seen(call)
        self._feed.publish({"type": "call", "call": call})


def call_ids_of(payload: str) -> list[UUID] | None:
    """The calls a notification names; None when it names none, or cannot be read."""
    try:
        ids = json.loads(payload)["ids"]
        return None if ids is None else [UUID(id_) for id_ in ids]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
