"""Operators' phones for benchmarks: SIPp behind registered accounts, each writing down the INVITEs that reach it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from tests.support.centre import SECRET, Centre
from tests.support.sipp import SCENARIOS, RunningSipp, SippJob, free_port, run_sipp, running_sipp
from tests.support.tools import sipp_argv

COUNT = 4
_FROM = re.compile(r"^From:[^\n]*?sip:[^@\n]*?(\d{6})@", re.MULTILINE | re.IGNORECASE)
_CALL_ID = re.compile(r"^Call-ID:\s*(\S+)", re.MULTILINE | re.IGNORECASE)


class Phones:
    """The phones, and what reached them so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[RunningSipp, Path]] = []

    def add(self, name: str, sipp: RunningSipp) -> None:
        """Look after one more phone."""
        self._running.append((sipp, self.log(name)))

    def log(self, name: str) -> Path:
        """Where this phone's SIPp writes whole messages."""
        return self._folder / f"{name}.messages"

    def rang_at(self) -> dict[str, datetime]:
        """When the INVITE for each caller came, by the last six digits of his number."""
        rang: dict[str, datetime] = {}
        for sipp, log in self._running:
            callers = callers_of(log.read_text(errors="replace"))
            for call in sipp.calls():
                if call.call_id in callers:
                    rang.setdefault(callers[call.call_id], call.invite_at)
        return rang


def callers_of(messages: str) -> dict[str, str]:
    """By Call-ID of the phone's leg, the last six digits of the number in From: how the two legs are matched."""
    callers = {}
    for message in messages.split("-----------------------------------------------"):
        number, call_id = _FROM.search(message), _CALL_ID.search(message)
        if "received" in message[:120] and "INVITE sip:" in message and number and call_id:
            callers[call_id[1]] = number[1]
    return callers


@contextlib.asynccontextmanager
async def phones(centre: Centre, folder: Path, *, answer_ms: int) -> AsyncIterator[Phones]:
    """Registered and logged-in phones; each answers after `answer_ms` and waits for the caller's BYE."""
    held = Phones(folder)
    async with contextlib.AsyncExitStack() as stack:
        for name in (f"op{n}" for n in range(1, COUNT + 1)):
            port = free_port("127.0.0.1")
            # From the phone's own port: Asterisk calls back where a REGISTER came from, as phones stand behind NAT.
            await _register(centre, name, port)
            job = SippJob(
                sipp_argv(),
                SCENARIOS / "operator_answer.xml",
                "127.0.0.1",
                local_port=port,
                calls=None,
                pause_ms=answer_ms,
                deadline_s=300,
                extra=("-trace_msg", "-message_file", str(held.log(name))),
            )
            held.add(name, await stack.enter_async_context(running_sipp(job)))
            answer = await centre.api("POST", f"/v1/operators/{name}/login")
            assert answer.is_success, answer.text
        yield held


async def _register(centre: Centre, name: str, port: int) -> None:
    row = (name, f"[authentication username={name} password={SECRET}]", str(port), "600")
    scenario = SCENARIOS / "operator_register.xml"
    job = SippJob(sipp_argv(), scenario, "127.0.0.1", local_port=port, remote=centre.sip, rows=[row])
    (await run_sipp(job)).assert_all_good()
