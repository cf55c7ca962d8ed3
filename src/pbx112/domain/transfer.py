"""A caller is handed over to an agency: what a transfer is, where it can be, and what an operator may ask of it.

Only what Asterisk reports moves it: see transfer_steps.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TransferMode(StrEnum):
    """How the agency gets the caller.

    `warm`: he is on hold while the operator briefs it; `conference`: all three from its answer on; `blind`: the
    operator leaves at once.
    """

    WARM = "warm"
    CONFERENCE = "conference"
    BLIND = "blind"


class RequestedBy(StrEnum):
    """From where the operator asked for it: by a code on his phone, or at his desk (HTTP)."""

    PHONE = "phone"
    DESK = "desk"


class TransferState(StrEnum):
    """Where a transfer is.

    `requested`: asked for, Asterisk has not begun; `calling`: the agency's lines ring; `briefing`: operator and agency
    talk, without the caller; `conference`: all three; `handed_over`: caller and agency, the operator has left.
    """

    REQUESTED = "requested"
    CALLING = "calling"
    BRIEFING = "briefing"
    CONFERENCE = "conference"
    HANDED_OVER = "handed_over"
    ENDED = "ended"


class TransferResult(StrEnum):
    """How a transfer ended.

    `cancelled`: by the operator; `exhausted`: no line was reached; `agency_left`: the agency's leg ended before a
    hand-over; `caller_left`: the same, after the caller had gone; `returned`: the caller went back to the queue;
    `completed`: handed over, and that talk is over; `lost`: Asterisk died under it.
    """

    CANCELLED = "cancelled"
    EXHAUSTED = "exhausted"
    AGENCY_LEFT = "agency_left"
    CALLER_LEFT = "caller_left"
    RETURNED = "returned"
    COMPLETED = "completed"
    LOST = "lost"


class ReturnReason(StrEnum):
    """Why the caller went back to the head of the queue.

    The leg of the `operator` or the `agency` ended; he was on `hold` for too long; nobody was in his `room` any more.
    """

    OPERATOR = "operator"
    AGENCY = "agency"
    HOLD = "hold"
    ROOM = "room"


class LineResult(StrEnum):
    """What became of one ringing of an agency's line.

    `unconfirmed`: lifted, but no key was pressed (a voicemail); `failed`: the network could not; `cancelled`: the ring
    ended on our side.
    """

    ANSWERED = "answered"
    UNCONFIRMED = "unconfirmed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Party(StrEnum):
    """Who can be in a conversation."""

    CALLER = "caller"
    OPERATOR = "operator"
    AGENCY = "agency"


class Move(StrEnum):
    """What an operator can ask of a transfer: all three together, hand over and leave, take back."""

    CONFERENCE = "conference"
    COMPLETE = "complete"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One ringing of one line; `result` is None while it rings. `ring_ms` lasts to the lifting or to its end."""

    line: str
    at: datetime
    result: LineResult | None = None
    cause: int | None = None
    answered_at: datetime | None = None
    key: str | None = None
    ring_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Who heard each other, and when; `until` is None while it lasts."""

    parties: tuple[Party, ...]
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer, as far as the journal tells. Times are UTC; durations are whole milliseconds.

    `line` is the one that took the call, at `answered_at`. `dispatch_ms` lasts from the caller's first answer to that;
    `hold_ms` is how long nobody was with the caller. `together`: the operator has his caller back while the lines ring.
    """

    id: uuid.UUID
    requested_at: datetime
    agency: str | None = None
    line: str | None = None
    mode: TransferMode | None = None
    by: RequestedBy | None = None
    operator: str | None = None
    state: TransferState = TransferState.REQUESTED
    result: TransferResult | None = None
    answered_at: datetime | None = None
    handed_over_at: datetime | None = None
    ended_at: datetime | None = None
    returned: ReturnReason | None = None
    dispatch_ms: int | None = None
    hold_ms: int = 0
    attempts: tuple[Attempt, ...] = ()
    conversations: tuple[Conversation, ...] = ()
    together: bool = False

    @property
    def ended(self) -> bool:
        """True when nothing moves it any more."""
        return self.state is TransferState.ENDED


def transfer_id(call: uuid.UUID, named: str) -> uuid.UUID:
    """The public id of a transfer that the journal names so: the service's own, or one made of the phone's."""
    return uuid.UUID(named) if _UUID.fullmatch(named) else uuid.uuid5(call, named)


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def allowed(transfer: Transfer, move: Move) -> bool:
    """True when the operator may ask for this now. `transfer_words.refusal` says why not."""
    return move in MOVES[transfer.state]


MOVES: Mapping[TransferState, frozenset[Move]] = {
    TransferState.REQUESTED: frozenset(),
    TransferState.CALLING: frozenset({Move.CONFERENCE, Move.CANCEL}),
    TransferState.BRIEFING: frozenset(Move),
    TransferState.CONFERENCE: frozenset({Move.COMPLETE, Move.CANCEL}),
    TransferState.HANDED_OVER: frozenset(),
    TransferState.ENDED: frozenset(),
}
"""What may be asked for in each state."""
