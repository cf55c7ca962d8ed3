"""Looks at the files of ended calls: each must be there and last as long as what it should hold. One after the other.

What is to be looked at stands in the table, so nothing is forgotten over a restart, or while the database is away. It
is beside the calls: Asterisk records whatever becomes of this.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import DatabaseUnavailable
from pbx112.services.metrics import Metrics
from pbx112.services.ports import AlarmBoard
from pbx112.services.recording_file import FileFacts, read_recording
from pbx112.storage.engine import reading, transaction
from pbx112.storage.recordings import (
    DueRecording,
    Faulty,
    Measures,
    due_recordings,
    faults_among_last,
    write_measures,
)

log = structlog.get_logger(__name__)

KEY = "recording"
LAST = 20
"""The alarm is over when so many recordings in a row are fine."""

_TOLERANCE_MS, _TOLERANCE_SHARE = 2000, 0.02
"""Measured: 10 ms more than the time between answer and end. A lost packet or two is no fault; a piece missing is."""

_LOOK_SECONDS = 1.0
_MOST = 20
_TEXTS = {
    "en": {
        "missing": "The recording ({kind}) of call {call} of {at} (UTC) is missing.",
        "short": "The recording ({kind}) of call {call} of {at} (UTC) is too short: {seconds} of {expected} s.",
        "do": "{count} of the last {last} are missing or short. Look at the disk of Asterisk's monitor folder and at "
        "its log; calls go on.",
        "caller": "caller",
        "briefing": "briefing",
    },
    "id": {
        "missing": "Rekaman ({kind}) panggilan {call} pada {at} (UTC) tidak ada.",
        "short": "Rekaman ({kind}) panggilan {call} pada {at} (UTC) terlalu pendek: {seconds} dari {expected} detik.",
        "do": "{count} dari {last} terakhir tidak ada atau pendek. Periksa disk folder monitor Asterisk dan log-nya; "
        "panggilan tetap berjalan.",
        "caller": "penelepon",
        "briefing": "pengarahan",
    },
}


def judge(facts: FileFacts | None, expected_ms: int | None) -> Measures:
    """Whether a file is as it should be; `expected_ms` is None where nobody knows how long that is."""
    if facts is None:
        return Measures("missing")
    expected = expected_ms or 0
    short = facts.duration_ms < expected - _TOLERANCE_MS - expected * _TOLERANCE_SHARE
    return Measures("short" if short else "ok", facts.bytes, facts.duration_ms, facts.sha256)


class RecordingWatch:
    """Measures this node's recordings, writes what it finds beside the records, and keeps the alarm."""

    def __init__(
        self,
        engine: AsyncEngine,
        alarms: AlarmBoard,
        metrics: Metrics,
        *,
        node: str,
        lang: Literal["id", "en"],
        folder: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`folder` is Asterisk's monitor folder."""
        self._engine = engine
        self._alarms = alarms
        self._metrics = metrics
        self._node = node
        self._texts = _TEXTS[lang]
        self._folder = folder
        self._clock = clock
        self._judged = False

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                more = await self._step()
            except DatabaseUnavailable:
                log.debug("The recordings are looked at when the database is back.")
                more = False
            if not more:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _step(self) -> bool:
        """Look at what is due; True when there was something."""
        async with reading(self._engine) as conn:
            due = await due_recordings(conn, self._node, self._clock(), most=_MOST)
        for one in due:
            measures = judge(await self._read(one), one.expected_ms)
            async with transaction(self._engine) as conn:
                await write_measures(conn, one, measures)
            self._metrics.recording(measures.state)
            if measures.state != "ok":
                self._complain(one, measures)
        if due or not self._judged:
            await self._judge_last()
        return len(due) == _MOST

    async def _read(self, one: DueRecording) -> FileFacts | None:
        stop = Event()
        try:
            return await asyncio.to_thread(read_recording, self._folder / one.file, stop)
        except OSError as error:
            log.warning("A recording cannot be read.", file=one.file, reason=str(error))
            return None
        finally:
            stop.set()

    def _complain(self, one: DueRecording, found: Measures) -> None:
        log.error(
            "A recording is not as it should be.",
            call=str(one.call_id),
            file=one.file,
            state=found.state,
            duration_ms=found.duration_ms,
            expected_ms=one.expected_ms,
        )

    async def _judge_last(self) -> None:
        async with reading(self._engine) as conn:
            faults = await faults_among_last(conn, self._node, LAST)
        if faults:
            self._alarms.set(KEY, "warning", self._say(faults))
        else:
            self._alarms.clear(KEY)
        self._judged = True

    def _say(self, faults: list[Faulty]) -> str:
        newest = faults[0]
        what = self._texts[newest.state].format(
            kind=self._texts[newest.kind],
            call=newest.call_id,
            at=f"{newest.started_at:%Y-%m-%d %H:%M:%S}",
            seconds=round((newest.duration_ms or 0) / 1000),
            expected=round((newest.expected_ms or 0) / 1000),
        )
        return f"{what} {self._texts['do'].format(count=len(faults), last=LAST)}"
