"""Pauses who misses offer after offer, so that callers do not ring an empty chair; never the last who could be rung.

It works beside the calls, from the live state alone; after a start of the service the counting begins anew.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import OutcomeUnknown, Pbx112Error
from pbx112.domain.live import Missed
from pbx112.domain.missed import REASON, alone_in, findings, is_due, is_needed, missed_in, paused_for_it
from pbx112.domain.watch_words import say
from pbx112.services.operators import OperatorDesk
from pbx112.services.ports import AlarmBoard, LiveSource

log = structlog.get_logger(__name__)

SYSTEM = "system"
"""Who the audit says gave the command."""

_SETTLE_SECONDS = 0.2
"""An offer that was taken back is told before this as missed, and a moment later as taken back."""


@dataclass(slots=True)
class MissedOffers:
    """Run `run` in a task; `wake` says that the live state changed. An offer is judged once, when it was missed."""

    desk: OperatorDesk
    live: LiveSource
    configuration: Callable[[], Configuration]
    alarms: AlarmBoard
    lang: str
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _judged: dict[str, datetime] = field(default_factory=dict)
    _kept: dict[str, Missed] = field(default_factory=dict)
    _ordered: set[str] = field(default_factory=set)
    _failed: set[str] = field(default_factory=set)
    _raised: set[str] = field(default_factory=set)

    def wake(self) -> None:
        """Say that the live state changed (a callback for the AMI link; never blocks)."""
        self._news.set()

    async def run(self) -> None:
        """Judge what comes, for ever."""
        while True:
            await self._news.wait()
            await asyncio.sleep(_SETTLE_SECONDS)
            self._news.clear()
            await self.look()

    async def look(self) -> None:
        """Judge what was missed since the last look; one operator after the other, so that two cannot both go."""
        if not self.live.state.connected:
            return
        missed = missed_in(self.live.state)
        self._judged = {name: at for name, at in self._judged.items() if name in missed}
        for name, offers in missed.items():
            if self._judged.get(name) != offers.at:
                self._judged[name] = offers.at
                if is_due(offers, self.configuration()):
                    await self._judge(name, offers)
        for name in paused_for_it(self.live.state):
            await self._return_if_wrong(name)
        self._tell()

    async def _judge(self, name: str, offers: Missed) -> None:
        live = self.live.state
        if missed_in(live).get(name) != offers:  # while another was paused he answered, or went
            return
        self._kept[name] = offers
        self._failed.discard(name)
        if alone_in(name, live, self._ordered):
            log.info("An operator misses his offers; he stays, as nobody else could be rung.", operator=name)
            return
        self._ordered.add(name)
        try:
            await self.desk.pause(name, REASON, who=SYSTEM)
            log.info("An operator missed his offers and is paused.", operator=name, offers=offers.count)
        except Pbx112Error as error:
            self._failed.add(name)
            if not isinstance(error, OutcomeUnknown):
                self._ordered.discard(name)
            log.warning("An operator who misses his offers could not be paused.", operator=name, reason=str(error))

    async def _return_if_wrong(self, name: str) -> None:
        """He took a call that rang already when he was paused, or everybody else has gone: his pause is taken back."""
        live = self.live.state
        missed = [m.missed for queue in live.queues for m in queue.members if m.operator == name]
        answered = name in self._ordered and not any(missed)
        if name not in paused_for_it(live) or not (answered or is_needed(name, live)):
            return
        log.info("An operator's pause is taken back: he answered, or nobody else is left.", operator=name)
        try:
            await self.desk.unpause(name, who=SYSTEM)
        except Pbx112Error as error:
            log.warning("The pause of an operator who is needed could not be ended.", operator=name, reason=str(error))

    def _tell(self) -> None:
        live = self.live.state
        missed = missed_in(live)
        self._kept = {name: missed[name] for name in self._kept if name in missed}
        self._ordered &= {*missed, *paused_for_it(live)}
        self._failed &= self._kept.keys()
        found = findings(live, self._kept, self._failed)
        for key in self._raised - {finding.key for finding in found}:
            self.alarms.clear(key)
        for finding in found:
            self.alarms.set(finding.key, finding.level, say(finding, self.lang))
        self._raised = {finding.key for finding in found}
