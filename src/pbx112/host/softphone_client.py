"""Typed client of the scripted softphone: one child process a phone, and a deadline on every wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pbx112.host.softphone_events import (
    CallOver,
    PhoneEvent,
    PlacedCall,
    RegistrationFailed,
    SoftphoneError,
    SoftphoneTimeout,
)
from pbx112.host.tones import Heard

__all__ = [
    "CallOver",
    "PhoneEvent",
    "PlacedCall",
    "RegistrationFailed",
    "Softphone",
    "SoftphoneError",
    "SoftphoneTimeout",
    "State",
    "Transport",
]

Transport = Literal["udp", "tcp", "tls"]
State = Literal["calling", "incoming", "early", "connecting", "confirmed", "disconnected"]
Found = TypeVar("Found")

EVENTS_KEPT = 2000
LINE_LIMIT = 1 << 20  # an event may carry a whole SIP message
COMMAND_S = 5.0


class Softphone:
    """A running phone. Waits look at what has happened too: a state that was reached before the wait counts."""

    def __init__(self, process: Process, transport: Transport) -> None:
        self._transport = transport
        self.ip = ""
        self.port = 0
        self.events: deque[PhoneEvent] = deque(maxlen=EVENTS_KEPT)
        self._process = process
        self._news = asyncio.Event()
        self._ids = self._seen = self._incoming_taken = 0
        self._gone = False
        self._registered = False
        self._complaints: deque[str] = deque(maxlen=20)
        self._readers = [
            asyncio.create_task(self._read_events(), name="softphone events"),
            asyncio.create_task(self._read_complaints(), name="softphone complaints"),
        ]

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        ip: str,
        port: int = 0,
        *,
        transport: Transport = "udp",
        srtp: bool = False,
        user: str = "phone",
        log_level: int = 0,
    ) -> AsyncIterator[Self]:
        """Start a phone bound to an address (port 0: any free one); it is gone when the block is left."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pbx112.host.softphone"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE if log_level == 0 else None,
            env=_environment(),
            limit=LINE_LIMIT,
            start_new_session=True,  # Ctrl-C in a terminal is for the parent, which then ends its phones
        )
        phone = cls(process, transport)
        try:
            bound = await phone._do(
                "start", ip=ip, port=port, transport=transport, srtp=srtp, user=user, log_level=log_level
            )
            phone.ip, phone.port = str(bound["ip"]), int(bound["port"])
            yield phone
        finally:
            await phone._end()

    @property
    def uri(self) -> str:
        """Where others call this phone directly."""
        transport = "" if self._transport == "udp" else f";transport={self._transport}"
        return f"sip:phone@{self.ip}:{self.port}{transport}"

    @property
    def pid(self) -> int:
        """The phone's process."""
        return self._process.pid

    # -- commands ----------------------------------------------------------------------------------------------

    async def register(self, user: str, secret: str, server: str, deadline_s: float = COMMAND_S) -> PhoneEvent:
        """Register at `host:port` and wait until the registrar has accepted."""
        since = self._seen
        await self._do("register", user=user, secret=secret, server=server)

        def answered() -> PhoneEvent | None:
            return self._first(lambda e: e.seq > since and e.name in ("registered", "registration_failed"))

        event = await self._until(answered, deadline_s, f"an answer to the registration of {user} at {server}")
        if event.name == "registration_failed":
            raise RegistrationFailed(event.code, str(event.facts["reason"]))
        self._registered = True
        return event

    async def unregister(self, deadline_s: float = COMMAND_S) -> None:
        """Sign off and wait for the registrar's answer."""
        since = self._seen
        await self._do("unregister")
        await self.wait_event("unregistered", deadline_s, since)
        self._registered = False

    async def call(self, uri: str, headers: Mapping[str, str] | None = None, from_uri: str | None = None) -> PlacedCall:
        """Send an INVITE; it has left when this returns."""
        placed = await self._do("call", uri=uri, headers=dict(headers or {}), from_uri=from_uri)
        return PlacedCall(int(placed["call"]), str(placed["sip_call_id"]))

    async def on_incoming(
        self, *, ring: bool = True, answer_after_s: float | None = None, reject_code: int | None = None
    ) -> None:
        """How calls are taken from now on; as it is, the phone rings and waits for `answer` or `reject`."""
        await self._do("on_incoming", ring=ring, answer_after=answer_after_s, reject=reject_code)

    async def answer(self, code: int = 200, call: int | None = None) -> None:
        """Answer the incoming call (or send 180 or 183)."""
        await self._do("answer", code=code, call=call)

    async def reject(self, code: int = 486, call: int | None = None) -> None:
        """Refuse the incoming call."""
        await self._do("answer", code=code, call=call)

    async def hangup(self, call: int | None = None, reason: str | None = None) -> None:
        """End the call: CANCEL, BYE or refusal; `reason` is the value of a Reason header."""
        await self._do("hangup", call=call, reason=reason)

    async def dtmf(self, digits: str, method: Literal["rfc2833", "info"] = "rfc2833", call: int | None = None) -> None:
        """Send digits to the far end."""
        await self._do("dtmf", digits=digits, method=method, call=call)

    async def tone(self, frequency: int | None) -> None:
        """Speak a steady sine into all calls, now and later; None falls silent."""
        await self._do("tone", frequency=frequency)

    async def record(self, path: Path, call: int | None = None) -> None:
        """Record the far end to a WAV file until `stop_recording` or the call's end."""
        await self._do("record", path=str(path), call=call)

    async def stop_recording(self, call: int | None = None) -> None:
        """Close the recording."""
        await self._do("stop_recording", call=call)

    async def hear(self, seconds: float, frequencies: Sequence[int], call: int | None = None) -> dict[int, Heard]:
        """Listen to the far end for a while: which of these tones were there, and how loud."""
        answer = await self._do("hear", seconds + COMMAND_S, seconds=seconds, frequencies=list(frequencies), call=call)
        found = [Heard(int(h["frequency"]), float(h["level_db"]), float(h["share"])) for h in answer["heard"]]
        return {heard.frequency: heard for heard in found}

    # -- waits -------------------------------------------------------------------------------------------------

    async def wait_for(self, state: State, deadline_s: float, call: int | None = None) -> PhoneEvent:
        """Wait until a call (the newest, unless named) has reached a state; raises CallOver if it ended instead."""

        def reached() -> PhoneEvent | None:
            number = self._newest_call() if call is None else call
            of_call = [e for e in self.events if e.name == "call_state" and e.call == number]
            for event in of_call:
                if event.facts["state"] == state:
                    return event
            if of_call and of_call[-1].facts["state"] == "disconnected":
                raise CallOver(state, of_call[-1])
            return None

        return await self._until(reached, deadline_s, f"the call to be {state}")

    async def wait_incoming(self, deadline_s: float) -> PhoneEvent:
        """Wait for the next incoming call; each is given out once."""

        def came() -> PhoneEvent | None:
            return self._first(lambda e: e.seq > self._incoming_taken and e.name == "incoming")

        event = await self._until(came, deadline_s, "an incoming call")
        self._incoming_taken = event.seq
        return event

    async def wait_event(self, name: str, deadline_s: float, since: int = 0) -> PhoneEvent:
        """Wait for an event by name, among those after the number `since`."""
        return await self._until(
            lambda: self._first(lambda e: e.seq > since and e.name == name), deadline_s, f"the event {name}"
        )

    # -- inside ------------------------------------------------------------------------------------------------

    async def _do(self, command: str, deadline_s: float = COMMAND_S, /, **arguments: object) -> Mapping[str, Any]:
        self._ids += 1
        number = self._ids
        line = json.dumps({"id": number, "do": command, **arguments})
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101  # it was opened as a pipe
        with contextlib.suppress(ConnectionError):  # a phone that died is told of below, with what it said
            stdin.write(line.encode() + b"\n")
            await stdin.drain()

        def answered() -> PhoneEvent | None:
            return self._first(lambda e: e.name in ("done", "failed") and e.facts.get("id") == number)

        event = await self._until(answered, deadline_s, f"the phone to answer {command!r}")
        if event.name == "failed":
            raise SoftphoneError(f"the phone could not {command}: {event.facts['error']}")
        return event.facts

    async def _until(self, find: Callable[[], Found | None], deadline_s: float, what: str) -> Found:
        try:
            async with asyncio.timeout(deadline_s):
                while (found := find()) is None:
                    if self._gone:
                        raise SoftphoneError("the phone's process ended: " + " | ".join(self._complaints))
                    await self._news.wait()
                return found
        except TimeoutError:
            raise SoftphoneTimeout(f"waited {deadline_s:g} s in vain for {what}") from None

    def _first(self, matches: Callable[[PhoneEvent], bool]) -> PhoneEvent | None:
        return next(filter(matches, self.events), None)

    def _newest_call(self) -> int:
        return max((e.call for e in self.events if e.name in ("call_state", "incoming")), default=0)

    async def _read_events(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101
        async for line in stdout:
            facts = json.loads(line)
            self._seen += 1
            name, mono_us, wall_us = (facts.pop(key) for key in ("event", "mono_us", "wall_us"))
            self.events.append(PhoneEvent(self._seen, name, mono_us, wall_us, facts))
            self._wake()
        self._gone = True
        self._wake()

    async def _read_complaints(self) -> None:
        if self._process.stderr is None:
            return
        async for line in self._process.stderr:
            self._complaints.append(line.decode(errors="replace").rstrip())

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _end(self) -> None:
        if self._registered:
            # A contact that is left behind would be rung for half a minute.
            with contextlib.suppress(SoftphoneError):
                await self.unregister(1.0)
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()  # the end of its input ends the phone
        try:
            async with asyncio.timeout(3):
                await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            await asyncio.gather(*self._readers, return_exceptions=True)


def _environment() -> dict[str, str]:
    source = str(Path(__file__).resolve().parents[2])  # also without an installed package
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))}
