"""What the client of a scripted phone tells and raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pbx112.domain.errors import Pbx112Error

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SoftphoneError(Pbx112Error):
    """The scripted softphone could not do what it was told."""

    slug = "softphone"


class SoftphoneTimeout(SoftphoneError):
    """What was waited for did not happen before its deadline."""

    slug = "softphone-timeout"


class RegistrationFailed(SoftphoneError):
    """The registrar refused the softphone, or did not answer."""

    slug = "softphone-registration"

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"registration failed: {code} {reason}")
        self.code = code


class CallOver(SoftphoneError):
    """The call ended before it reached the state that was waited for."""

    slug = "softphone-call-over"

    def __init__(self, wanted: str, event: PhoneEvent) -> None:
        super().__init__(f"the call ended with {event.code} {event.facts['reason']} before it was {wanted}")
        self.event = event


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """Something that happened at the phone, with the phone's own clocks."""

    seq: int
    name: str
    mono_us: int
    wall_us: int
    facts: Mapping[str, Any]

    @property
    def at(self) -> datetime:
        """When, in UTC, to the microsecond."""
        return EPOCH + timedelta(microseconds=self.wall_us)

    @property
    def call(self) -> int:
        """The call's number in its phone."""
        return int(self.facts["call"])

    @property
    def sip_call_id(self) -> str:
        """The SIP Call-ID."""
        return str(self.facts["sip_call_id"])

    @property
    def code(self) -> int:
        """The SIP status that goes with it."""
        return int(self.facts["code"])


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """An INVITE that the phone sent."""

    call: int
    sip_call_id: str
