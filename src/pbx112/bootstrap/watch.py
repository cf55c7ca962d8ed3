"""Connects the watchdog: the alarm board with its webhook, the canary's drill call, and what is looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.bootstrap.drill import drill
from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import DatabaseUnavailable
from pbx112.domain.watch import Limits
from pbx112.services.alarms import Alarms
from pbx112.services.canary import Canary, is_busy
from pbx112.services.feed import Feed
from pbx112.services.metrics import Metrics
from pbx112.services.ports import JournalLagView, LiveSource
from pbx112.services.watchdog import Watchdog, Watched
from pbx112.settings import Settings

if TYPE_CHECKING:
    from pbx112.host.webhook import Webhook

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """The watchdog and what works for it."""

    watchdog: Watchdog
    canary: Canary
    webhook: Webhook | None

    def work(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What runs as long as the service does, each in a task of this name."""
        work = {
            "watchdog": self.watchdog.look_for_ever,
            "watchdog records": self.watchdog.ask_for_ever,
            "canary": self.canary.run,
        }
        return work if self.webhook is None else {**work, "alarm webhook": self.webhook.run}


def make_alarms(
    settings: Settings, feed: Feed, metrics: Metrics, changed: Callable[[], None]
) -> tuple[Alarms, Webhook | None]:
    """The alarm board, and the webhook where one is set."""
    if settings.alarm_webhook is None:
        return Alarms(feed, settings.node, changed=changed), None
    from pbx112.host.webhook import Webhook  # noqa: PLC0415  # an HTTP client that most centres' starts do not need

    secret = settings.alarm_webhook_secret
    webhook = Webhook(
        settings.alarm_webhook.get_secret_value(),
        secret.get_secret_value() if secret is not None else None,
        count=metrics.webhook,
        untold=lambda key: alarms.untold(key),  # noqa: PLW0108 - the board comes after what it tells
    )
    alarms = Alarms(feed, settings.node, tell=webhook.offer, changed=changed)
    return alarms, webhook


def make_watch(
    settings: Settings,
    engine: AsyncEngine,
    alarms: Alarms,
    webhook: Webhook | None,
    metrics: Metrics,
    *,
    live: LiveSource,
    configuration: Callable[[], Configuration],
    journal: Callable[[], JournalLagView],
    agi: Callable[[], bool],
) -> Watch:
    """The watchdog over these parts."""
    canary = Canary(lambda: place_canary(settings), settings.canary_minutes, metrics, busy=lambda: is_busy(live))
    limits = Limits(
        free_seconds=settings.watch_free_seconds,
        wait_seconds=settings.watch_wait_seconds,
        empty_queue=settings.watch_empty_queue,
        trunk_calls=settings.watch_trunk_calls,
    )
    watchdog = Watchdog(
        engine,
        settings.node,
        ZoneInfo(settings.timezone),
        settings.lang,
        Watched(live, configuration, journal, agi, canary),
        alarms,
        metrics,
        limits,
    )
    return Watch(watchdog, canary, webhook)


async def place_canary(settings: Settings) -> None:
    """One drill call, unless one is under way. A missing database is an alarm of its own, and no fault of the call."""
    try:
        await drill(settings, lambda line: log.debug("The canary's drill call.", step=line), patience=0)
    except DatabaseUnavailable as error:
        log.info("The canary's drill call came through; its record could not be asked for.", reason=str(error))
