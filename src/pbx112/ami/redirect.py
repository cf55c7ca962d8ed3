"""Sending a call's channels to the places of the dialplan's transfer.conf. Nothing else can be reached by this."""

import re
from collections.abc import Awaitable, Mapping
from typing import Protocol

from pbx112.domain.errors import BadInput
from pbx112.services.ports import Redirection

_CHANNEL = re.compile(r"PJSIP/[A-Za-z0-9][A-Za-z0-9_.-]{0,79}-[0-9a-f]{8}\Z")
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}"
_PLACES = {
    "transfer-caller": re.compile(r"(hold|room|requeue)\Z"),
    "transfer-op": re.compile(rf"(conference|handover|cancel|(warm|conference|blind)-{_NAME})\Z"),
}
_VARIABLE = re.compile(r"TRANSFER(_ID|_[1-9][0-9]?)?\Z")
_SETTABLE = {"TRANSFER_ID": re.compile(r"[0-9a-f-]{0,36}\Z"), "WHICH": re.compile(r"[1-9][0-9]?\Z")}


class Row(Protocol):
    """An action's answer."""

    rows: list[Mapping[str, str]]


class Ask(Protocol):
    """Sends one action of an AMI connection and waits for its answer."""

    def __call__(self, name: str, values: Mapping[str, str], /) -> Awaitable[Row]:
        """Raises BadInput, AsteriskUnavailable, AsteriskRefused or OutcomeUnknown."""
        ...


async def redirect(ask: Ask, move: Redirection, other: Redirection | None = None) -> None:
    """Send a channel, or two that are in one bridge at once, to their places.

    Asterisk answers when both are on their way. Raises BadInput for what is no such channel or place.
    """
    values = _where(move, "")
    if other is not None:
        values |= _where(other, "Extra")
    await ask("Redirect", values)


async def set_variable(ask: Ask, channel: str, name: str, value: str) -> None:
    """Set TRANSFER_ID (an id, or nothing) or WHICH (a number) on a channel."""
    if name not in _SETTABLE or not _SETTABLE[name].match(value):
        raise BadInput(f"{value!r} is no value of {name}.")
    await ask("Setvar", {"Channel": _channel(channel), "Variable": name, "Value": value})


async def get_variable(ask: Ask, channel: str, name: str) -> str:
    """Read one of the transfer's variables from a channel; empty when it has none."""
    if not _VARIABLE.match(name):
        raise BadInput(f"{name!r} is no variable of a transfer.")
    answer = await ask("Getvar", {"Channel": _channel(channel), "Variable": name})
    return answer.rows[0].get("value", "") if answer.rows else ""


def _where(move: Redirection, prefix: str) -> dict[str, str]:
    place = _PLACES.get(move.context)
    if place is None or not place.match(move.exten):
        raise BadInput(f"{move.exten!r} in {move.context!r} is no place of a transfer.")
    return {
        f"{prefix}Channel": _channel(move.channel),
        f"{prefix}Context": move.context,
        f"{prefix}Exten": move.exten,
        f"{prefix}Priority": "1",
    }


def _channel(name: str) -> str:
    if not _CHANNEL.match(name):
        raise BadInput(f"{name!r} is no channel of a phone or a carrier.")
    return name
