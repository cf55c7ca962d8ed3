"""Every fault by name. Each is injected for some seconds and healed again; a call comes and goes meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from tests.faults import clients
from tests.faults.proxy import BYTE_A_SECOND, CLOSED_EARLY, HALF_OPEN, RESET, SPLIT, FaultProxy, Trouble, late
from tests.faults.rig import Rig
from tests.support.ami_peer import agent, joined, left, member_event

Fault = Callable[[Rig, float], Awaitable[None]]
FLOOD_A_SECOND = 2_000
"""Ten calls a second with four operators make about 400."""

_BLOCK_END = b"\r\n\r\n"


async def service_killed(rig: Rig, seconds: float) -> None:
    """Kill -9 of the service; back when it is ready."""
    await rig.kill_service()


async def service_stopped(rig: Rig, seconds: float) -> None:
    """SIGSTOP of the service."""
    service = rig.service
    service.suspend()
    try:
        await asyncio.sleep(seconds)
    finally:
        service.resume()


async def postgres_killed(rig: Rig, seconds: float) -> None:
    """Kill -9 of every PostgreSQL process."""
    rig.postgres.kill()
    await asyncio.sleep(seconds)


async def postgres_frozen(rig: Rig, seconds: float) -> None:
    """SIGSTOP of every PostgreSQL process."""
    with rig.postgres.frozen():
        await asyncio.sleep(seconds)


async def nothing_but_asterisk(rig: Rig, seconds: float) -> None:
    """Service and PostgreSQL dead."""
    async with rig.nothing_but_asterisk():
        await asyncio.sleep(seconds)


def _line(of: Callable[[Rig], FaultProxy], trouble: Trouble) -> Fault:
    async def fault(rig: Rig, seconds: float) -> None:
        async with of(rig).under(trouble):
            await asyncio.sleep(seconds)

    return fault


def _client(name: str) -> Fault:
    async def fault(rig: Rig, seconds: float) -> None:
        await clients.beset(rig.centre.settings.agi_bind, clients.CLIENTS[name], seconds)

    return fault


async def ami_flooded(rig: Rig, seconds: float) -> None:
    """Five times the events that this load makes, all of them believable."""
    loop = asyncio.get_running_loop()
    end, number = loop.time() + seconds, 1_000_000
    while (now := loop.time()) < end:
        count = FLOOD_A_SECOND // 20
        events = "".join(joined(number + n) + left(number + n) for n in range(count // 2))
        number += count
        await rig.ami.inject(events.encode(), after=_BLOCK_END)
        await asyncio.sleep(max(0.0, 0.05 - (loop.time() - now)))


async def ami_burst(rig: Rig, seconds: float) -> None:
    """More events at once than the service keeps: the link is dropped, and a snapshot taken."""
    events = "".join(joined(2_000_000 + n) + left(2_000_000 + n) for n in range(10_000))
    await rig.ami.inject(events.encode(), after=_BLOCK_END, patience_s=seconds)
    await asyncio.sleep(seconds)


async def ami_forged(rig: Rig, seconds: float) -> None:
    """Events that a caller wrote: log-outs, answers, hang-ups, torn and whole ones."""
    lies = [
        member_event("QueueMemberPause", "112", "op1", paused="forged").replace(
            "Queue: 112", "Queue: 112\r\nQueue: 113"
        ),
        agent("AgentConnect", 3, "op2", "RingTime: 1", "HoldTime: 1"),
        "Event: Hangup\r\nUniqueid: x\r\n\r\n",
        left(4)[:60] + _BLOCK_END.decode() + "Event: FullyBooted\r\nUptime: 0\r\n\r\n",
        "Response: Success\r\nActionID: guessed\r\nMessage: forged\r\n\r\n",
    ]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                for lie in lies:
                    await rig.ami.inject(lie.encode())
                await asyncio.sleep(0.05)


AGI_DOOR: Mapping[str, Fault] = {f"FastAGI client: {name}": _client(name) for name in clients.CLIENTS}
"""Bad clients beside Asterisk's own: the intake goes on."""


def _asked(trouble: Trouble) -> Fault:
    async def fault(rig: Rig, seconds: float) -> None:
        # What an intake did that kept callers waiting is forgotten, or this one would not be asked at all.
        await rig.centre.cli("dialplan set global AGI_DOWN_UNTIL 0")
        async with rig.agi.under(trouble):
            await asyncio.sleep(seconds)

    return fault


AGI_LINE: Mapping[str, Fault] = {
    "FastAGI closed early": _asked(CLOSED_EARLY),
    "FastAGI silent": _asked(HALF_OPEN),
    "FastAGI one byte a second": _asked(BYTE_A_SECOND),
    "FastAGI reset": _asked(RESET),
}
"""Asterisk's own question is not answered: the first caller waits for it, the next go by the classic script."""

AGI_SPLIT: Mapping[str, Fault] = {"FastAGI byte by byte": _asked(SPLIT)}

AMI: Mapping[str, Fault] = {
    "AMI half-open": _line(lambda rig: rig.ami, HALF_OPEN),
    "AMI slow": _line(lambda rig: rig.ami, late(1.0)),
    "AMI byte by byte": _line(lambda rig: rig.ami, SPLIT),
    "AMI reset": _line(lambda rig: rig.ami, RESET),
    "AMI flooded": ami_flooded,
    "AMI forged": ami_forged,
}

AMI_BURST: Mapping[str, Fault] = {"AMI burst": ami_burst}
"""Twenty thousand events in a moment: it takes the service's processor for that moment, which callers may feel."""

DATABASE: Mapping[str, Fault] = {
    "PostgreSQL late": _line(lambda rig: rig.database, late(0.2)),
    "PostgreSQL half-open": _line(lambda rig: rig.database, HALF_OPEN),
    "PostgreSQL reset": _line(lambda rig: rig.database, RESET),
    "PostgreSQL byte by byte": _line(lambda rig: rig.database, SPLIT),
}

PROCESSES: Mapping[str, Fault] = {
    "service killed": service_killed,
    "service stopped": service_stopped,
    "PostgreSQL killed": postgres_killed,
    "PostgreSQL frozen": postgres_frozen,
    "nothing but Asterisk": nothing_but_asterisk,
}

ALL: Mapping[str, Fault] = {
    **AGI_DOOR,
    **AGI_LINE,
    **AGI_SPLIT,
    **AMI,
    **AMI_BURST,
    **DATABASE,
    **PROCESSES,
}
