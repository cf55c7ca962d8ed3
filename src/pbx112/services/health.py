"""Whether each part of the service can do its work, in words."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import DatabaseUnavailable
from pbx112.services.ports import JournalLagView, LiveSource, Telephone
from pbx112.storage.engine import check

_FRESH_SECONDS = 1.0
_DATABASE_DEADLINE = 3.0


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part: its name, whether it works, and how it stands in words."""

    name: str
    ok: bool
    detail: str


class Readiness:
    """Asks every part. The answer is kept for a second, so that probes cannot wear the database out."""

    def __init__(
        self,
        engine: AsyncEngine,
        telephone: Telephone,
        live: LiveSource,
        journal: Callable[[], JournalLagView],
        agi: Callable[[], PartHealth],
        *,
        more: Callable[[], Sequence[PartHealth]] = lambda: (),
    ) -> None:
        self._engine = engine
        self._telephone = telephone
        self._live = live
        self._journal = journal
        self._agi = agi
        self._more = more
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answer: tuple[PartHealth, ...] = ()

    async def parts(self) -> tuple[PartHealth, ...]:
        """The health of database, asterisk, journal, agi and `more`, not older than a second. Never raises."""
        async with self._asking:
            if time.monotonic() - self._asked_at > _FRESH_SECONDS:
                database = await _database(self._engine)
                own = (database, self._asterisk(), journal_health(self._journal()), self._agi())
                self._answer = (*own, *self._more())
                self._asked_at = time.monotonic()
            return self._answer

    def _asterisk(self) -> PartHealth:
        if not self._telephone.connected:
            detail = "The AMI link is down: calls go on by the dialplan, operators cannot be commanded from here."
            return PartHealth("asterisk", False, detail)
        state = self._live.state
        version = state.asterisk_version or "of unknown version"
        return PartHealth("asterisk", True, f"Asterisk {version} answers on AMI; {state.channels} channels.")


def journal_health(lag: JournalLagView) -> PartHealth:
    """The journal reader's health from its lag."""
    if not lag.healthy:
        return PartHealth("journal", False, lag.problem or "The journal is not being read.")
    if lag.bytes_behind == 0:
        return PartHealth("journal", True, "Every line of the journal is in the database.")
    return PartHealth("journal", True, f"{lag.bytes_behind} bytes behind, oldest line {lag.oldest_unread_ms or 0} ms.")


async def _database(engine: AsyncEngine) -> PartHealth:
    try:
        async with asyncio.timeout(_DATABASE_DEADLINE):
            await check(engine)
    except (DatabaseUnavailable, TimeoutError) as error:
        detail = str(error) or f"PostgreSQL gave no answer within {_DATABASE_DEADLINE:.0f} s."
        return PartHealth("database", False, f"{detail} Calls go on; records catch up when it is back.")
    return PartHealth("database", True, "PostgreSQL answers.")
