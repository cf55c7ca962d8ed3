"""The book of nuisance scores, in memory: a call's way looks here and never in the database."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.domain.caller import Caller
from pbx112.domain.errors import Pbx112Error
from pbx112.domain.nuisance import decayed, judge, person_key, reorder, score, weight_now
from pbx112.domain.record import Reordered
from pbx112.domain.rules import Rules
from pbx112.services.intake import NUISANCE_WARNING, Judgement
from pbx112.storage.engine import reading
from pbx112.storage.rules import load
from pbx112.storage.scores import decayed_scores, marks_of

log = structlog.get_logger(__name__)

_REFRESH_SECONDS = 10.0
_GAP_SECONDS = 0.2
_SHARE = 20
"""A refresh takes at most one part in so many of the time, however large the centre."""

MARKS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class NuisanceView:
    """What a call's way needs to know of its caller: warn the operator, and another priority, if any."""

    warning: bool = False
    score: float = 0.0
    reordered: Reordered | None = None


_NOTHING = NuisanceView()
_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Page:
    """The rules, and scores as they were at a time."""

    at: datetime
    rules: Rules
    scores: Mapping[str, float]


class NuisanceBook:
    """The callers' scores and the rules, as read last. It starts empty: nobody is warned of, nobody reordered.

    While the database is away the last page stays, and its scores go on decaying.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        refresh_seconds: float = _REFRESH_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._page = _Page(_BEFORE, Rules(), {})
        self._woken = asyncio.Event()
        self._away = False
        self._failed = False

    @property
    def rules(self) -> Rules:
        """The rules as read last; the defaults before that."""
        return self._page.rules

    def lookup(self, key: str, now: datetime) -> float:
        """The score of the caller with this number's key, decayed to `now`; 0 for one who is not in the book."""
        page = self._page
        known = page.scores.get(key)
        return 0.0 if known is None else decayed(known, page.at, now, page.rules.nuisance)

    def view(self, caller: Caller, priority: int, now: datetime) -> NuisanceView:
        """Whether to warn of this caller, and the priority to give him in a queue of this one. Never raises."""
        try:
            key = person_key(caller)
            found = 0.0 if key is None else self.lookup(key, now)
            if found <= 0.0:
                return _NOTHING
            rules = self._page.rules.nuisance
            judgement = judge(key, found, rules)
            return NuisanceView(judgement.nuisance, found, reorder(priority, judgement, rules))
        except Exception:
            # A rule that fails must not cost the call anything; every call would tell, so it is told once.
            if not self._failed:
                log.exception("The nuisance rules fail; calls go on without them.")
            self._failed = True
            return _NOTHING

    def judge(self, caller: Caller, priority: int) -> Judgement:
        """The same for now, in the words of the intake."""
        view = self.view(caller, priority, self._clock())
        return Judgement(NUISANCE_WARNING if view.warning else None, view.reordered)

    def wake(self) -> None:
        """Read the book anew at once: a disposition or the rules have changed."""
        self._woken.set()

    async def refresh(self) -> None:
        """Read rules and scores. Raises what reading raises, such as DatabaseUnavailable; the last page then stays."""
        async with reading(self._engine, snapshot=True) as connection:
            stored = await load(connection)
            now = self._clock()
            scores = await decayed_scores(connection, stored.rules.nuisance, now=now)
        self._page = _Page(now, stored.rules, scores)

    async def run(self) -> None:
        """Keep the book fresh for ever; other nodes' changes are seen within the time of one refresh."""
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            began = loop.time()
            worked = await self._refresh_or_keep()
            took = loop.time() - began if worked else 0.0
            await asyncio.sleep(max(_GAP_SECONDS, took))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(self._refresh_seconds, took * _SHARE)):
                    await self._woken.wait()

    async def _refresh_or_keep(self) -> bool:
        try:
            await self.refresh()
        except Exception as error:
            # Before the tables are made, or with a fault of ours in a statement, calls must go on all the same.
            if not self._away:
                log.warning(
                    "Nuisance scores and rules cannot be read now; the last known ones go on decaying.",
                    reason=str(error),
                    exc_info=not isinstance(error, Pbx112Error),
                )
            self._away = True
            return False
        if self._away:
            log.info("Nuisance scores and rules are read again.")
        self._away = False
        return True


async def caller_score(conn: AsyncConnection, number: str, now: datetime) -> dict[str, Any]:
    """A number's score and what it is made of, by the public names: its newest marks and what is left of each."""
    rules = (await load(conn)).rules.nuisance
    marks = await marks_of(conn, number, rules, now=now)
    judgement = judge(number, score(((mark.disposition, mark.at) for mark in marks), now, rules), rules)
    return {
        "number": number,
        "score": judgement.score,
        "threshold": rules.threshold,
        "warned": judgement.nuisance,
        "marks": [
            {
                "call_id": mark.call_id,
                "disposition": mark.disposition,
                "at": mark.at,
                "weight_now": weight_now(mark.disposition, mark.at, now, rules),
            }
            for mark in marks[:MARKS_SHOWN]
        ],
    }
