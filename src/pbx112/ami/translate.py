"""AMI's words into the board's facts. Raw AMI text does not leave this room.

Events of the class `agent` only (app_queue): nine a call, where `call` has 30 and everything 119 (measured), and the
callers' text in them has passed the dialplan's filter, where channel and security events carry it raw.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pbx112.domain.live import LiveChannel, LiveMember, LiveWaiting
from pbx112.services.board import (
    CallerJoined,
    CallerLeft,
    LiveFact,
    MemberLeft,
    MemberSeen,
    OfferMissed,
    OperatorAnswered,
    OperatorReleased,
    OperatorRung,
    TalkEnded,
)

Headers = Mapping[str, str]

EVENT_CLASSES = "agent,system"
"""What the link asks for at login; `system` brings FullyBooted, which says when a snapshot is worth taking."""

INTERFACE = "PJSIP/"

DEVICE_WORDS = ("unknown", "not_inuse", "inuse", "busy", "invalid", "unavailable", "ringing", "ringinuse", "onhold")
"""Asterisk's ast_device_state, by number (include/asterisk/devicestate.h)."""


def fact_of(event: Headers, at: datetime) -> LiveFact | None:
    """What an event (header names in lower case) tells the board; None for events that tell it nothing.

    Raises KeyError or ValueError for an event that Asterisk would not write.
    """
    translate = _FACTS.get(event.get("event", ""))
    return translate(event, at) if translate is not None else None


def is_wanted(event: Headers) -> bool:
    """True for events that may tell the board something."""
    return event.get("event", "") in _FACTS


def member(row: Headers, interface: str) -> LiveMember:
    """A member's facts, which events and QueueStatus tell alike."""
    status = int(row["status"])
    return LiveMember(
        operator=interface.removeprefix(INTERFACE),
        device=DEVICE_WORDS[status] if 0 <= status < len(DEVICE_WORDS) else "unknown",
        paused=row["paused"] == "1",
        paused_reason=row.get("pausedreason") or None,
        calls_taken=int(row["callstaken"]),
        logged_in_at=_moment(row.get("logintime", "")),
        penalty=int(row["penalty"]),
        in_call=row["incall"] == "1",
        last_call_at=_moment(row["lastcall"]),
        paused_at=_moment(row.get("lastpause", "")) if row["paused"] == "1" else None,
    )


def channel(row: Headers) -> LiveChannel:
    """A row of CoreShowChannels."""
    return LiveChannel(
        name=row["channel"],
        unique_id=row["uniqueid"],
        linkedid=row["linkedid"],
        state=row["channelstatedesc"],
        context=row.get("context", ""),
        exten=row.get("exten", ""),
        application=row.get("application", ""),
    )


def _moment(seconds: str) -> datetime | None:
    return datetime.fromtimestamp(int(seconds), UTC) if seconds not in ("", "0") else None


def _operator(event: Headers) -> str:
    return event["interface"].removeprefix(INTERFACE)


def _seen(event: Headers, _at: datetime) -> LiveFact:
    return MemberSeen(event["queue"], member(event, event["interface"]))


def _member_left(event: Headers, _at: datetime) -> LiveFact:
    return MemberLeft(event["queue"], _operator(event))


def _joined(event: Headers, at: datetime) -> LiveFact:
    waiting = LiveWaiting(
        linkedid=event["linkedid"],
        channel=event["channel"],
        position=int(event["position"]),
        since=at,
        unique_id=event["uniqueid"],
    )
    return CallerJoined(event["queue"], waiting)


def _left(event: Headers, at: datetime) -> LiveFact:
    return CallerLeft(event["queue"], event["uniqueid"], event["linkedid"], at)


def _rung(event: Headers, _at: datetime) -> LiveFact:
    return OperatorRung(_operator(event), event["linkedid"])


def _answered(event: Headers, _at: datetime) -> LiveFact:
    return OperatorAnswered(_operator(event), event["linkedid"])


def _released(event: Headers, _at: datetime) -> LiveFact:
    return OperatorReleased(_operator(event), event["linkedid"])


def _talk_ended(event: Headers, at: datetime) -> LiveFact:
    return TalkEnded(event["queue"], _operator(event), event["linkedid"], at)


def _missed(event: Headers, at: datetime) -> LiveFact:
    return OfferMissed(event["queue"], _operator(event), event["linkedid"], at, int(event["ringtime"]))


_FACTS: Mapping[str, Callable[[Headers, datetime], LiveFact]] = {
    "QueueMemberAdded": _seen,
    "QueueMemberStatus": _seen,
    "QueueMemberPause": _seen,
    "QueueMemberPenalty": _seen,
    "QueueMemberRinginuse": _seen,
    "QueueMemberRemoved": _member_left,
    "QueueCallerJoin": _joined,
    "QueueCallerLeave": _left,
    "AgentCalled": _rung,
    "AgentConnect": _answered,
    "AgentComplete": _talk_ended,
    "AgentRingNoAnswer": _missed,
    "AgentDump": _released,
}
