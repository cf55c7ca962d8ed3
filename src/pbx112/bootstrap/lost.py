"""Closes the records of calls that Asterisk died under, and of calls whose end was never written."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.ami.link import AmiLink
from pbx112.domain.errors import AsteriskUnavailable, DatabaseUnavailable, OutcomeUnknown
from pbx112.journal.reader import JournalReader
from pbx112.services.records import mark_lost

log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 5.0
_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class LostCalls:
    """Looks for lost calls after each start of Asterisk; `board_changed` is set whenever the live board changed."""

    journal: JournalReader
    engine: AsyncEngine
    ami: AmiLink
    node: str
    board_changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """After each start of Asterisk: read the journal of before, then close the calls that it died under."""
        closed: datetime | None = None
        while True:
            await self.board_changed.wait()
            self.board_changed.clear()
            booted = self.ami.state.asterisk_started_at
            if booted is None or booted == closed:
                continue
            lost = await self.close(booted)
            if lost is None:
                await asyncio.sleep(_RETRY_SECONDS)
                self.board_changed.set()
                continue
            closed = booted
            if lost:
                log.warning("Asterisk died under calls; their records are closed as lost.", calls=lost)

    async def close(self, before: datetime) -> int | None:
        """Close the calls of before that time that are up no more; how many.

        None while that cannot be told: the journal is behind, or PostgreSQL or Asterisk away.
        """
        try:
            # The channels first: the end of a call that ends meanwhile is then read.
            alive = {channel.linkedid for channel in await self.ami.channels()}
            if await self.journal.drain(_DRAIN_SECONDS):
                return len(await mark_lost(self.engine, self.node, booted_at=before, alive=alive))
        except (DatabaseUnavailable, AsteriskUnavailable, OutcomeUnknown) as error:
            log.info("Lost calls are looked for again in a moment.", reason=str(error))
        return None
