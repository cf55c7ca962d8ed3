"""Whether the service lives, whether it can work, and what it counts."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import cast

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from pbx112.api.answers import answer
from pbx112.api.errors import readiness_status
from pbx112.api.parts import ApiParts, Parts
from pbx112.services.alarms import public_alarm
from pbx112.services.health import Readiness


async def get_alive(parts: Parts) -> Response:
    """The process runs and answers; nothing else is asked."""
    return answer(
        {
            "status": "alive",
            "version": parts.version,
            "node": parts.node,
            "demo": parts.demo,
            "started_at": parts.started_at,
        }
    )


async def get_ready(request: Request, parts: Parts) -> Response:
    """Each part by name. 503 when one of them cannot do its work; calls are taken by Asterisk all the same."""
    readiness = cast(Readiness, request.app.state.readiness)
    found = await readiness.parts()
    ready = all(part.ok for part in found)
    body = {
        "status": "ready" if ready else "not-ready",
        "node": parts.node,
        "parts": {part.name: {"ok": part.ok, "detail": part.detail} for part in found},
        "alarms": [public_alarm(alarm) for alarm in parts.alarms()],
        "gaps": parts.gaps(),
    }
    status, headers = readiness_status(ready)
    return answer(body, status=status, headers=headers)


async def get_metrics(parts: Parts) -> Response:
    """Counters and gauges in Prometheus' text format. From memory: no table is read."""
    source = cast(CollectorRegistry, _Everything(parts))
    return Response(generate_latest(source), media_type=None, headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Everything:
    """What was counted, and how the parts stand at this moment."""

    def __init__(self, parts: ApiParts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        yield from self._parts.metrics.registry.collect()
        yield from self._now()

    def _now(self) -> Iterable[Metric]:
        parts, live, lag = self._parts, self._parts.live.state, self._parts.journal()
        yield _gauge("pbx112_ami_connected", "1 while the AMI link is up.", float(parts.telephone.connected))
        yield _gauge("pbx112_asterisk_channels", "Channels in Asterisk.", live.channels)
        yield CounterMetricFamily("pbx112_ami_reconnects", "AMI links built anew.", value=parts.ami_reconnects())
        yield CounterMetricFamily("pbx112_ami_tainted_events", "Forged AMI events.", value=live.tainted_events)
        drift = CounterMetricFamily("pbx112_board_drift", "What snapshots corrected on the board.", labels=["kind"])
        for kind, times in live.drift.items():
            drift.add_metric([kind], times)
        yield drift
        yield _gauge("pbx112_journal_healthy", "1 while the journal is read.", float(lag.healthy))
        yield _gauge("pbx112_journal_lag_bytes", "Journal bytes not in the database yet.", lag.bytes_behind)
        yield _gauge("pbx112_journal_lag_ms", "Age of the oldest unread line.", lag.oldest_unread_ms or 0)
        yield _gauge("pbx112_feed_clients", "Clients of the live feed.", parts.feed.listeners)
        yield CounterMetricFamily("pbx112_feed_cut_off", "Clients that were too slow.", value=parts.feed.cut_off)
        yield _gauge("pbx112_tasks", "Tasks of the service's event loop: steady, whatever comes.", _tasks())
        uptime = (datetime.now(UTC) - parts.started_at).total_seconds()
        yield _gauge("pbx112_uptime_seconds", "Seconds since the service started.", uptime)
        for name, count in (("members", "Operators logged in."), ("waiting", "Callers waiting.")):
            family = GaugeMetricFamily(f"pbx112_queue_{name}", count, labels=["queue"])
            for queue in live.queues:
                family.add_metric([queue.name], len(getattr(queue, name)))
            yield family
        alarms = GaugeMetricFamily("pbx112_alarm", "1 for each alarm that is up.", labels=["key", "level"])
        for alarm in parts.alarms():
            alarms.add_metric([alarm.key, alarm.level], 1)
        yield alarms


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # outside of a loop there are none
        return 0


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
