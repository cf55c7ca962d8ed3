"""SIPp under the faults: four operators' phones that answer, and callers who come evenly until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil

from tests.acceptance.test_load import number, register
from tests.support.centre import Centre
from tests.support.sipp import SCENARIOS, RunningSipp, SippJob, free_port, running_sipp
from tests.support.sipp_log import SippCall
from tests.support.tools import sipp_argv

OPERATORS = ("op1", "op2", "op3", "op4")
RING_MS, TALK_MS, PATIENCE_MS = 100, 150, 30
_LONGEST_S = 3600.0
_LAST_CALLS_S = 40.0
_NUMBERS = 5_000


@contextlib.asynccontextmanager
async def phones(centre: Centre) -> AsyncIterator[list[RunningSipp]]:
    """Four SIPp phones, registered for two hours and logged in; each answers and waits for the caller's BYE."""
    async with contextlib.AsyncExitStack() as stack:
        running = []
        for name in OPERATORS:
            port = free_port("127.0.0.1")
            # From the phone's own port: Asterisk calls back where a REGISTER came from, as phones stand behind NAT.
            await register(centre, name, port, 7200)
            job = SippJob(
                sipp_argv(), SCENARIOS / "operator_answer.xml", "127.0.0.1",
                local_port=port, calls=None, pause_ms=RING_MS, deadline_s=2 * _LONGEST_S,
            )  # fmt: skip
            running.append(await stack.enter_async_context(running_sipp(job)))
            answer = await centre.api("POST", f"/v1/operators/{name}/login")
            assert answer.is_success, answer.text
        yield running


@dataclass
class Load:
    """Callers at work. `calls` is SIPp's list, whole after the block."""

    since: datetime
    callers: list[RunningSipp] = field(default_factory=list)
    ended: list[SippCall] = field(default_factory=list)
    complaints: str = ""
    failed: int = 0

    @property
    def calls(self) -> list[SippCall]:
        """Every call so far."""
        return self.ended or [call for sipp in self.callers for call in sipp.calls()]


@contextlib.asynccontextmanager
async def callers(centre: Centre, rate: float, *, abandoning: float = 1.0) -> AsyncIterator[Load]:
    """Calls at this rate inside the block, `abandoning` a second of them given up; after it, all of them have ended."""
    load = Load(datetime.now(UTC))
    jobs = [_job(centre, "carrier_talk.xml", rate - abandoning, TALK_MS, 0)]
    if abandoning:
        jobs.append(_job(centre, "carrier_abandon.xml", abandoning, PATIENCE_MS, _NUMBERS))
    async with contextlib.AsyncExitStack() as stack:
        for job in jobs:
            load.callers.append(await stack.enter_async_context(running_sipp(job)))
        yield load
        await _end(load)


async def place(centre: Centre, calls: int, rate: float) -> Load:
    """So many talking callers, and no more; returns when all have ended."""
    load = Load(datetime.now(UTC))
    job = _job(centre, "carrier_talk.xml", rate, TALK_MS, 2 * _NUMBERS, calls=calls, deadline_s=calls / rate + 40)
    async with running_sipp(job) as sipp:
        load.callers.append(sipp)
        await _end(load, stop=False)
    return load


def _job(
    centre: Centre,
    scenario: str,
    rate: float,
    pause_ms: int,
    first: int,
    *,
    calls: int = 1_000_000,
    deadline_s: float = _LONGEST_S,
) -> SippJob:
    return SippJob(
        sipp_argv(), SCENARIOS / scenario, "127.0.0.2",
        remote=centre.sip, calls=calls, rate=rate, at_once=2000, pause_ms=pause_ms, deadline_s=deadline_s,
        rows=[(number(first + n),) for n in range(min(calls, _NUMBERS))],
    )  # fmt: skip


async def _end(load: Load, *, stop: bool = True) -> None:
    """Let SIPp place no new call, and wait for the last ones."""
    if stop:
        for process in _processes(load.callers):
            process.send_signal(signal.SIGUSR1)
    async with asyncio.timeout(_LAST_CALLS_S + (0 if stop else _LONGEST_S)):
        results = [await sipp.wait() for sipp in load.callers]
    load.ended = [call for result in results for call in result.calls]
    load.failed = sum(result.failed for result in results)
    load.complaints = "".join(result.complaints for result in results)


def _processes(running: Iterable[RunningSipp]) -> list[psutil.Process]:
    """SIPp's own processes, by their port."""
    ports = {str(sipp.port) for sipp in running}
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if ports & set(process.cmdline()):
                found.append(process)
    return found
