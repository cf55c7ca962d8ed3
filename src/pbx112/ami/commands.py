"""The commands to app_queue and to a phone in a talk, and what Asterisk's answers to them mean."""

import re
from collections.abc import Awaitable, Iterable, Mapping
from typing import Protocol

from pbx112.ami.snapshot import phone
from pbx112.ami.translate import INTERFACE
from pbx112.domain.errors import AsteriskRefused, BadInput, CallNotTalking
from pbx112.domain.live import LiveChannel

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\Z")
REASON_LIMIT = 200


class Ask(Protocol):
    """Sends one action of an AMI connection and waits for its answer."""

    def __call__(self, name: str, values: Mapping[str, str], /) -> Awaitable[object]:
        """Raises BadInput, AsteriskUnavailable, AsteriskRefused or OutcomeUnknown."""
        ...


async def queue_add(ask: Ask, queue: str, operator: str, penalty: int, *, paused: str | None = None) -> None:
    """Log in, paused for a reason if one is given; being there already is what was asked for."""
    pause = {} if paused is None else {"Paused": "true", "Reason": paused[:REASON_LIMIT]}
    values = {
        "Queue": _name("queue", queue),
        "Interface": interface(operator),
        "Penalty": str(int(penalty)),
        "MemberName": operator,
        "StateInterface": interface(operator),
        **pause,
    }
    await _ask(ask, "QueueAdd", values, fine="already there", no_queue=queue)


async def queue_remove(ask: Ask, queue: str, operator: str) -> None:
    """Log out; not being there is what was asked for."""
    values = {"Queue": _name("queue", queue), "Interface": interface(operator)}
    await _ask(ask, "QueueRemove", values, fine="not there", no_queue=queue)


async def queue_penalty(ask: Ask, queue: str, operator: str, penalty: int) -> None:
    """Change how early a member is rung. Raises AsteriskRefused when he is not in the queue."""
    values = {"Queue": _name("queue", queue), "Interface": interface(operator), "Penalty": str(int(penalty))}
    await _ask(ask, "QueuePenalty", values, no_queue=queue)


async def queue_pause(ask: Ask, operator: str, *, paused: bool, reason: str) -> None:
    """Pause or unpause in every queue. Raises AsteriskRefused when he is logged in to none."""
    if len(reason) > REASON_LIMIT:
        raise BadInput(f"A pause's reason has at most {REASON_LIMIT} characters.")
    values = {"Interface": interface(operator), "Paused": "true" if paused else "false", "Reason": reason}
    try:
        await _ask(ask, "QueuePause", values)
    except AsteriskRefused as refused:
        if "not found" not in str(refused).lower():
            raise
        word = "paused" if paused else "unpaused"
        raise AsteriskRefused(f"{operator} is logged in to no queue, so he cannot be {word}; log in first.") from None


async def press(ask: Ask, channels: Iterable[LiveChannel], operator: str, linkedid: str, digits: str) -> None:
    """Have Asterisk take the digits as if the operator's phone had sent them in its talk of that call.

    Raises CallNotTalking when his phone has no channel of the call that is up.
    """
    name = _name("operator", operator)
    channel = next((c for c in channels if c.linkedid == linkedid and c.state == "Up" and phone(c) == name), None)
    if channel is None:
        raise CallNotTalking(f"The phone of {operator} is not in this call now.")
    for digit in digits:  # one after the other: a feature code is a sequence
        await _ask(ask, "PlayDTMF", {"Channel": channel.name, "Digit": digit, "Receive": "true"})


def interface(operator: str) -> str:
    """The phone of an operator. Raises BadInput for a name that would make Asterisk dial something else."""
    return INTERFACE + _name("operator", operator)


def _name(kind: str, name: str) -> str:
    if not _NAME.match(name):
        raise BadInput(f"{name!r} cannot be the name of an {kind}." if kind == "operator" else f"{name!r} is no queue.")
    return name


async def _ask(
    ask: Ask, name: str, values: Mapping[str, str], *, fine: str | None = None, no_queue: str | None = None
) -> None:
    try:
        await ask(name, values)
    except AsteriskRefused as refused:
        words = str(refused).lower()
        if fine is not None and words.endswith(fine):
            return
        if "no such queue" in words:
            raise AsteriskRefused(f"Asterisk has no queue {no_queue}; apply the configuration.") from None
        raise
