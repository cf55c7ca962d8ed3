"""Which channels a transfer moves, and what a list of channels shows of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pbx112.domain.live import LiveChannel
from pbx112.domain.transfer import Move

_OPERATORS, _CALLERS = "transfer-op", "transfer-caller"
_TALKS = frozenset({"Queue", "Dial"})
_PHONE = "PJSIP/"
_JOINED = ("transfer-agency", "joined")
_MOST = 9


@dataclass(frozen=True, slots=True)
class Pair:
    """A caller and his operator; `agencies` are the channels by which this operator has agencies called."""

    caller: LiveChannel
    operator: LiveChannel
    agencies: tuple[LiveChannel, ...] = ()

    @property
    def in_rooms(self) -> bool:
        """True when both are in the rooms of a transfer; False in the talk of a queue."""
        return self.operator.context == _OPERATORS


def caller_of(channels: Sequence[LiveChannel], linkedid: str) -> LiveChannel | None:
    """The channel that began the call."""
    found = [one for one in channels if one.unique_id == linkedid and one.name.startswith(_PHONE)]
    return found[0] if len(found) == 1 else None


def operator_of(channels: Sequence[LiveChannel], linkedid: str, operator: str) -> LiveChannel | None:
    """The channel of the operator's phone in the call."""
    found = [
        one
        for one in channels
        if one.linkedid == linkedid
        and one.unique_id != linkedid
        and one.state == "Up"
        and one.name.startswith(_PHONE)
        and one.name.removeprefix(_PHONE).rpartition("-")[0] == operator
    ]
    return found[0] if len(found) == 1 else None


def pair_of(channels: Sequence[LiveChannel], linkedid: str, operator: str) -> Pair | None:
    """Caller and operator, when they are in a talk or in a transfer's rooms; None in any other state."""
    caller, phone = caller_of(channels, linkedid), operator_of(channels, linkedid, operator)
    if caller is None or phone is None:
        return None
    pair = Pair(caller, phone, _agencies(channels, phone))
    together = caller.context == _CALLERS if pair.in_rooms else caller.application in _TALKS
    return pair if together else None


def left_alone(channels: Sequence[LiveChannel], linkedid: str, operator: str) -> LiveChannel | None:
    """The caller, when he was sent to a transfer and his operator has gone."""
    caller = caller_of(channels, linkedid)
    if caller is None or caller.context != _CALLERS or operator_of(channels, linkedid, operator) is not None:
        return None
    return caller


def has_moved(before: Pair, channels: Sequence[LiveChannel], move: Move) -> bool:
    """True when the channels show that the move was made."""
    linkedid, operator = before.caller.unique_id, before.operator.name
    phone = next((one for one in channels if one.name == operator), None)
    if move is Move.COMPLETE:
        return phone is None
    caller = caller_of(channels, linkedid)
    if caller is None or phone is None or caller.context != _CALLERS or caller.exten != "room":
        return False
    if move is Move.CANCEL:
        return len(_agencies(channels, phone)) < len(before.agencies)
    return before.caller.exten == "hold" or _joined(_agencies(channels, phone)) > _joined(before.agencies)


def _agencies(channels: Sequence[LiveChannel], operator: LiveChannel) -> tuple[LiveChannel, ...]:
    """transfer.conf names them by the digits of the operator's unique id and the transfer's number."""
    digits = "".join(one for one in operator.unique_id if one in "0123456789")
    names = tuple(f"Local/{digits}{number}@transfer-lines-" for number in range(1, _MOST + 1))
    return tuple(one for one in channels if one.name.startswith(names))


def _joined(agencies: Sequence[LiveChannel]) -> int:
    return sum((one.context, one.exten) == _JOINED for one in agencies)
