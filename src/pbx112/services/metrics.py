"""What the service counts about itself, for Prometheus. Counting is in memory: a scrape reads no table."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_REMEMBERED_CALLS = 10_000
_AGI_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_HTTP_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LOOK_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05)
_WAIT_BUCKETS = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds; the answering standards' thresholds (10, 15, 20) are among them."""


class Metrics:
    """Counters since this process started. One object a service: nothing stands in a global registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._http_requests = Counter(
            "pbx112_http_requests", "HTTP requests.", ["method", "route", "status"], registry=self.registry
        )
        self._http_seconds = Histogram(
            "pbx112_http_seconds", "HTTP response time.", ["route"], buckets=_HTTP_BUCKETS, registry=self.registry
        )
        self._agi_requests = Counter("pbx112_agi_requests", "AGI requests.", ["result"], registry=self.registry)
        self._agi_seconds = Histogram(
            "pbx112_agi_seconds", "AGI response time.", buckets=_AGI_BUCKETS, registry=self.registry
        )
        self._calls = Counter(
            "pbx112_calls", "Calls that ended, drills apart.", ["outcome", "drill"], registry=self.registry
        )
        self._waits = Histogram(
            "pbx112_call_wait_seconds",
            "Wait of answered calls from the INVITE, without drills.",
            buckets=_WAIT_BUCKETS,
            registry=self.registry,
        )
        self._disk_bytes = Gauge("pbx112_disk_free_bytes", "Free bytes.", ["holds"], registry=self.registry)
        self._disk_inodes = Gauge("pbx112_disk_free_inodes", "Free inodes.", ["holds"], registry=self.registry)
        self._writable = Gauge(
            "pbx112_journal_writable", "1 while the journal's folder can be written.", registry=self.registry
        )
        self._gaps = Gauge("pbx112_journal_gaps_day", "Gaps noticed in the last 24 hours.", registry=self.registry)
        self._recordings = Counter(
            "pbx112_recordings", "Recordings looked at after their calls.", ["state"], registry=self.registry
        )
        self._looks = Histogram(
            "pbx112_watchdog_look_seconds", "A look of the watchdog.", buckets=_LOOK_BUCKETS, registry=self.registry
        )
        self._faults = Counter("pbx112_watchdog_faults", "Rules that failed by themselves.", registry=self.registry)
        self._canary = Counter(
            "pbx112_canary", "Drill calls of the service itself.", ["result"], registry=self.registry
        )
        self._webhook = Counter("pbx112_alarm_webhook", "Alarms told by webhook.", ["result"], registry=self.registry)
        self._counted: OrderedDict[Any, None] = OrderedDict()

    def http_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `route` is the template, never the path asked for."""
        self._http_requests.labels(method, route, str(status)).inc()
        self._http_seconds.labels(route).observe(seconds)

    def agi_request(self, result: str, seconds: float) -> None:
        """Count one AGI request; `result` is a word from a short list (`answered`, `refused`, `failed` ..)."""
        self._agi_requests.labels(result).inc()
        self._agi_seconds.observe(seconds)

    def disks(self, free: Mapping[str, tuple[int, int]]) -> None:
        """Free bytes and inodes of each file system, by the first thing that lives there."""
        for name, (free_bytes, inodes) in free.items():
            self._disk_bytes.labels(name).set(free_bytes)
            self._disk_inodes.labels(name).set(inodes)

    def journal_writable(self, writable: bool) -> None:
        """Whether a line could be written in the journal's folder just now."""
        self._writable.set(writable)

    def journal_gaps(self, count: int) -> None:
        """How many gaps of the journal were noticed in the last day."""
        self._gaps.set(count)

    def recording(self, state: str) -> None:
        """Count one recording that was looked at."""
        self._recordings.labels(state).inc()

    def watchdog_look(self, seconds: float) -> None:
        """Count one look of the watchdog."""
        self._looks.observe(seconds)

    def watchdog_fault(self) -> None:
        """Count a rule of the watchdog that failed."""
        self._faults.inc()

    def canary(self, result: str) -> None:
        """Count one drill call of the service itself: `passed`, `failed` or `skipped`."""
        self._canary.labels(result).inc()

    def webhook(self, result: str) -> None:
        """Count one alarm for the webhook: `sent`, `refused`, `failed` or `dropped`."""
        self._webhook.labels(result).inc()

    def call_seen(self, call: Mapping[str, Any]) -> None:
        """Count a caller's call (public names) once, when it has ended; later changes of its record count no more."""
        if call["direction"] != "inbound" or call["outcome"] is None or call["id"] in self._counted:
            return
        self._counted[call["id"]] = None
        if len(self._counted) > _REMEMBERED_CALLS:
            self._counted.popitem(last=False)
        self._calls.labels(str(call["outcome"]), "yes" if call["drill"] else "no").inc()
        if call["outcome"] == "answered" and not call["drill"] and call["wait_ms"] is not None:
            self._waits.observe(call["wait_ms"] / 1000)
