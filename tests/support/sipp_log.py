"""SIPp's short message log, read as calls: when each INVITE left, rang, was answered and ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class SippCall:
    """One call as SIPp saw it; times are those at which a message was sent or came, retransmissions left out."""

    call_id: str
    invite_at: datetime
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    cancelled_at: datetime | None = None
    bye_at: datetime | None = None
    bye_sent: bool | None = None  # False: the far end hung up
    final_at: datetime | None = None
    final_code: int | None = None  # of the INVITE

    @property
    def answer_ms(self) -> float | None:
        """Milliseconds from the INVITE to its 200."""
        return None if self.answered_at is None else (self.answered_at - self.invite_at).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class SippMessage:
    """One line of the log."""

    at: datetime
    sent: bool
    call_id: str
    method: str  # of the CSeq header
    first_line: str

    @property
    def status(self) -> int | None:
        """The code of a response; None for a request."""
        return int(self.first_line.split()[1]) if self.first_line.startswith("SIP/2.0 ") else None


def read_messages(text: str) -> list[SippMessage]:
    """All whole lines; a line that SIPp is still writing is left out."""
    lines = text.split("\n")[:-1]
    return [_message(line) for line in lines if line.count("\t") >= 4]


def _message(line: str) -> SippMessage:
    at, direction, call_id, cseq, first_line = line.split("\t", 4)
    moment = datetime.fromisoformat(at.replace("Z", "+00:00")).astimezone(UTC)
    return SippMessage(moment, direction == "S", call_id, cseq.split()[-1], first_line.strip())


def calls_of(messages: Iterable[SippMessage]) -> list[SippCall]:
    """The calls in the order of their INVITEs; what belongs to no INVITE (REGISTER, OPTIONS) is left out."""
    calls: dict[str, SippCall] = {}
    for message in messages:
        call = calls.get(message.call_id)
        if call is not None:
            calls[message.call_id] = _after(call, message)
        elif message.first_line.startswith("INVITE "):
            calls[message.call_id] = SippCall(message.call_id, message.at)
    return list(calls.values())


def _after(call: SippCall, message: SippMessage) -> SippCall:
    if message.status is None:
        return _after_request(call, message)
    if message.method != "INVITE" or call.final_code is not None:
        return call
    if message.status >= 200:
        answered = message.at if message.status < 300 else None
        return replace(call, final_code=message.status, final_at=message.at, answered_at=answered)
    if message.status in (180, 183) and call.ringing_at is None:
        return replace(call, ringing_at=message.at)
    return call


def _after_request(call: SippCall, message: SippMessage) -> SippCall:
    if message.method == "BYE" and call.bye_at is None:
        return replace(call, bye_at=message.at, bye_sent=message.sent)
    if message.method == "CANCEL" and call.cancelled_at is None:
        return replace(call, cancelled_at=message.at)
    return call
