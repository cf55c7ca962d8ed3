"""A whole centre for acceptance tests: `pbx112 up` on free ports and a folder of its own, ended with all it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import psutil

from pbx112.bootstrap.applied import database_url
from pbx112.bootstrap.prepare import asterisk_argv
from pbx112.host.softphone_client import Softphone
from pbx112.settings import Settings

SECRET = "acceptance-secret"
START_SECONDS = 60.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP. Otherwise each client reads all the world's certificates, which takes longer than its request."""

Record = dict[str, Any]
Found = TypeVar("Found")


@dataclass
class Centre:
    """A running centre: its settings, its web door, its processes."""

    settings: Settings
    environment: dict[str, str]
    process: asyncio.subprocess.Process
    output: Path
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def sip(self) -> str:
        """Host and port at which carriers call and operators register."""
        return str(self.settings.sip_bind)

    @property
    def invite_uri(self) -> str:
        """Where a carrier sends its INVITEs."""
        return f"sip:112@{self.sip}"

    @property
    def sip_address(self) -> tuple[str, int]:
        """The same as a socket address."""
        return self.settings.sip_bind.host, self.settings.sip_bind.port

    def child(self, *words: str) -> psutil.Process:
        """The child process whose command line has all these words."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if all(word in line for word in words):
                    return process
        raise AssertionError(f"no process {words} below the centre")

    async def api(self, method: str, path: str, user: str = "admin", **arguments: Any) -> httpx.Response:
        """One request as this user."""
        base = f"http://{self.settings.http_bind}"
        async with httpx.AsyncClient(base_url=base, trust_env=False, verify=NO_TLS, timeout=10) as client:
            if user not in self.tokens:
                answer = await client.post("/v1/token", data={"username": user, "password": SECRET})
                assert answer.status_code == httpx.codes.OK, answer.text
                self.tokens[user] = answer.json()["access_token"]
            headers = {"Authorization": f"Bearer {self.tokens[user]}", **arguments.pop("headers", {})}
            return await client.request(method, path, headers=headers, **arguments)

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = await self.api("GET", path, params=params)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def record(self, sip_call_id: str, *, state: str = "ended", deadline_s: float = 5.0) -> Record:
        """The record of this call, once it is in `state`."""

        async def found() -> Record | None:
            items: list[Record] = (await self.get("/v1/calls", limit=50))["items"]
            return next((c for c in items if c["sip_call_id"] == sip_call_id and c["state"] == state), None)

        return await until(found, deadline_s, f"the record of {sip_call_id} in state {state}")

    async def log_in(self, phone: Softphone, name: str) -> None:
        """Register the phone as this operator and dial *11; he is free then."""
        await phone.register(name, SECRET, self.sip)
        await self.dial(phone, "*11")

        async def free() -> bool | None:
            return True if (await self.get(f"/v1/operators/{name}"))["state"] == "free" else None

        await until(free, 5, f"{name} is logged in and free")

    async def dial(self, phone: Softphone, code: str) -> None:
        """Dial a feature code. It is done when it is answered: the prompt behind it is for people."""
        placed = await phone.call(f"sip:{code}@{self.sip}")
        await phone.wait_for("confirmed", 5, placed.call)
        await phone.hangup(placed.call)
        await phone.wait_for("disconnected", 5, placed.call)

    async def on_disk(self) -> None:
        """Wait until what Asterisk knows of phones and log-ins is on the disk: it writes its database once a second.

        Whoever registered or logged in after that is not there any more when Asterisk is killed, or its disk is full.
        """
        await asyncio.sleep(1.5)

    async def hear_out(self, phone: Softphone, code: str) -> None:
        """Dial a feature code, and stay until its prompt is over."""
        placed = await phone.call(f"sip:{code}@{self.sip}")
        await phone.wait_for("disconnected", 10, placed.call)

    async def channels(self) -> int:
        """How many channels Asterisk has now, by its own console."""
        said = await self.cli("core show channels count")  # it may complain first that there is no network
        return next(int(line.split()[0]) for line in said.splitlines() if "active channel" in line)

    async def cli(self, command: str) -> str:
        """What Asterisk's own console says to a command."""
        argv = await asyncio.to_thread(asterisk_argv, self.settings)
        process = await asyncio.create_subprocess_exec(
            *argv, "-rx", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await asyncio.wait_for(process.communicate(), 10)
        return said.decode("utf-8", "replace")

    async def database(self) -> asyncpg.Connection[asyncpg.Record]:
        """A plain connection to the centre's database, as the service's role."""
        return await asyncpg.connect(database_url(self.settings).replace("postgresql+asyncpg", "postgresql"))


async def until(find: Callable[[], Awaitable[Found | None]], deadline_s: float, what: str) -> Found:
    """Ask until there is an answer; fails in words at the deadline."""
    deadline = time.monotonic() + deadline_s
    while True:
        found = await find()
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"after {deadline_s} s there is still not: {what}"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def running_centre(
    folder: Path, *, worker: int = 0, arguments: Sequence[str] = ("--no-self-check",), **overrides: str
) -> AsyncIterator[Centre]:
    """Start a centre below `folder`, and end it with everything it started."""
    environment = environment_of(folder, worker, **overrides)
    output = folder / "up.out"
    with output.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pbx112", "up", *arguments, env=environment, stdout=stream, stderr=stream
        )
    centre = Centre(settings_of(environment), environment, process, output)
    try:
        await _until_up(centre)
        yield centre
    finally:
        await _end(centre)


def environment_of(folder: Path, worker: int, **overrides: str) -> dict[str, str]:
    """The environment of a centre: free ports, its own state folder, one known secret."""
    first = 20_000 + worker * 2_000
    values = {
        "PBX112_STATE_DIR": str(folder / "state"),
        "PBX112_HTTP_BIND": f"127.0.0.1:{_free(first)}",
        "PBX112_AGI_BIND": f"127.0.0.1:{_free(first + 100)}",
        "PBX112_AMI_BIND": f"127.0.0.1:{_free(first + 200)}",
        "PBX112_SIP_BIND": f"127.0.0.1:{_free(first + 300, pair=True)}",
        "PBX112_RTP_RANGE": f"{first + 400}-{first + 1399}",
        "PBX112_DEMO_SECRET": SECRET,
        "PBX112_NODE": f"test{worker}",
        "PBX112_CANARY_MINUTES": "0",
        **overrides,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PBX112_DATABASE")}
    return {**kept, **values}


def settings_of(environment: dict[str, str]) -> Settings:
    """The settings that a process with this environment has."""
    names = {name.removeprefix("PBX112_").lower(): v for name, v in environment.items() if name.startswith("PBX112_")}
    return Settings(**names)  # type: ignore[arg-type]


def _free(port: int, *, pair: bool = False) -> int:
    while not all(_is_free(number) for number in ((port, port + 1) if pair else (port,))):
        port += 2
    return port


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


async def _until_up(centre: Centre) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "pbx112 is up." not in centre.output.read_text():
        assert centre.process.returncode is None, f"the centre ended:\n{centre.output.read_text()}"
        assert time.monotonic() < deadline, f"the centre is not up:\n{centre.output.read_text()}"
        await asyncio.sleep(0.1)


async def _end(centre: Centre) -> None:
    if centre.process.returncode is not None:
        return
    children = psutil.Process(centre.process.pid).children(recursive=True)
    centre.process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(centre.process.wait(), 20)
    except TimeoutError:
        centre.process.kill()
        await centre.process.wait()
        raise
    finally:
        _, left = psutil.wait_procs(children, timeout=3)
        for process in left:
            process.kill()
        assert not left, f"the centre left processes behind: {left}"
