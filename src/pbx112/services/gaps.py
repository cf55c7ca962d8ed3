"""The journal's gaps of the last day: an alarm while they are fresh, and an end for calls whose end they swallowed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import DatabaseUnavailable
from pbx112.services.metrics import Metrics
from pbx112.services.ports import AlarmBoard
from pbx112.storage.engine import reading
from pbx112.storage.events import Gap, gaps_noticed

log = structlog.get_logger(__name__)

KEY = "journal:gap"
_FRESH = timedelta(days=1)
_LOOK_SECONDS = 3.0
_TEXTS = {
    "en": "Call data between {since} and {until} (UTC) may be incomplete: {reason} See GET /v1/gaps; look at the disk "
    "and at who touched the journal's folder.",
    "id": "Data panggilan antara {since} dan {until} (UTC) mungkin tidak lengkap: {reason} Lihat GET /v1/gaps; periksa "
    "disk dan siapa yang mengubah folder jurnal.",
}


class GapWatch:
    """Knows the gaps of the last day from the table, so that a restart forgets none."""

    def __init__(
        self,
        engine: AsyncEngine,
        alarms: AlarmBoard,
        metrics: Metrics,
        *,
        node: str,
        lang: Literal["id", "en"],
        close_calls: Callable[[datetime], Awaitable[bool]],
    ) -> None:
        """`close_calls` ends the calls of before a time that Asterisk no longer has; True when that was done."""
        self._engine = engine
        self._alarms = alarms
        self._metrics = metrics
        self._node = node
        self._text = _TEXTS[lang]
        self._close_calls = close_calls
        self._closed_at: datetime | None = None
        self.recent: Sequence[Gap] = ()

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            try:
                await self._step()
            except DatabaseUnavailable:
                log.debug("The gaps are looked at again when the database is back.")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _step(self) -> None:
        fresh = datetime.now(UTC) - _FRESH
        async with reading(self._engine) as conn:
            self.recent = await gaps_noticed(conn, fresh)
        self._metrics.journal_gaps(len(self.recent))
        if not self.recent:
            self._alarms.clear(KEY)
            return
        newest = self.recent[0]
        since, until = (f"{at:%Y-%m-%d %H:%M:%S}" if at else "?" for at in (newest.since, newest.until))
        self._alarms.set(KEY, "warning", self._text.format(since=since, until=until, reason=newest.reason))
        own = [gap for gap in self.recent if gap.node == self._node]
        if not own or own[0].noticed_at == self._closed_at:
            return
        if await self._close_calls(max(gap.until or gap.noticed_at for gap in own)):
            self._closed_at = own[0].noticed_at


def public_gap(gap: Gap) -> dict[str, Any]:
    """A gap by its public names."""
    return {
        "node": gap.node,
        "since": gap.since,
        "until": gap.until,
        "reason": gap.reason,
        "noticed_at": gap.noticed_at,
    }
