"""The phones that are rung for a call, and the course that every call takes."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from pbx112.domain.events import JournalEvent
from pbx112.domain.readings import whole_ms
from pbx112.domain.record import Offer, OfferResult

PHONE_CHANNEL = re.compile(r"^PJSIP/(?P<account>[^/@]+)-[0-9a-f]{8}$")
"""A phone's channel is named for its account."""

OUTSIDE = ".out"
"""Behind a trunk's name, in the name of a channel that calls a number outside for a caller: see pjsip.conf."""

_BUSY_CAUSES = frozenset({17, 21})  # Q.850: user busy, call rejected
_NO_ANSWER_CAUSES = frozenset({0, 16, 18, 19, 26, 127})  # the ring ended on our side, or nobody lifted


@dataclass(slots=True)
class Leg:
    """An operator's phone that was rung for this call, or a number outside that was called for it."""

    operator: str
    channel: str
    at: datetime
    answered_at: datetime | None = None
    result: OfferResult | None = None
    ended_at: datetime | None = None
    hangup_source: str = ""

    @property
    def hung_up(self) -> bool:
        """True when whoever is at this phone has ended it, not Asterisk."""
        return self.hangup_source == self.channel

    @property
    def outside(self) -> bool:
        """True for a number outside. No account has a dot in its name."""
        return self.operator.endswith(OUTSIDE)

    def offer(self, call_ended_at: datetime | None) -> Offer:
        """The ringing as it stands; no phone rings on for a call that has ended, whatever lines are missing."""
        until = self.answered_at or self.ended_at or call_ended_at
        ring_ms = whole_ms(until - self.at) if until is not None else None
        ended = OfferResult.NO_ANSWER if until is not None else None
        return Offer(self.operator, self.at, self.result or ended, ring_ms)


@dataclass(slots=True, kw_only=True)
class Course:
    """What every call goes through: an answer, talks, an end."""

    answered_at: datetime | None = None
    ended_at: datetime | None = None
    lost: bool = False
    talking_since: datetime | None = None
    talked: timedelta = timedelta()

    def wait_ms(self, received_at: datetime) -> int | None:
        """How long it took to the answer, or to the end without one; None while it lasts."""
        until = self.answered_at or self.ended_at
        return whole_ms(until - received_at) if until else None

    def talk_ms(self) -> int | None:
        """All talks together, of an answered call that has ended."""
        return whole_ms(self.talked) if self.answered_at and self.ended_at else None

    def begin_talking(self, at: datetime) -> None:
        """Both sides hear each other from now on."""
        self.talking_since = at
        self.answered_at = self.answered_at or at

    def stop_talking(self, at: datetime) -> None:
        """They hear each other no more."""
        if self.talking_since is not None:
            self.talked += max(at - self.talking_since, timedelta())
            self.talking_since = None

    def end(self, at: datetime) -> None:
        """The call is over; the first end counts."""
        if self.ended_at is None:
            self.ended_at = at
            self.stop_talking(at)


def channel_ended(call: Course, event: JournalEvent) -> None:
    """The call's own channel is gone."""
    if event.on_caller_channel:
        call.end(event.at)


def pbx_died(call: Course, event: JournalEvent) -> None:
    """Asterisk died under the call, unless its end was written."""
    if call.ended_at is None:
        call.lost = True
        call.end(event.at)


def offer_result(cause: object, *, by_phone: bool) -> OfferResult:
    """What became of a ringing that was not answered."""
    if cause in _BUSY_CAUSES:
        return OfferResult.BUSY
    if not by_phone or cause in _NO_ANSWER_CAUSES:
        return OfferResult.NO_ANSWER
    return OfferResult.UNAVAILABLE
