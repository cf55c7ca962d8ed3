"""SIPp for acceptance tests and benchmarks: start it, wait for it with a deadline, read what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import socket
import tempfile
import uuid
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sipp_log import SippCall, SippMessage, calls_of, read_messages

SCENARIOS = Path(__file__).parent / "scenarios"
START_S = 5.0
NUMBERS = ("+628111234567",)


class SippDeadlineMissed(AssertionError):
    """SIPp was not done in time, or did not open its socket; it was killed."""


@dataclass(frozen=True, slots=True)
class SippJob:
    """What SIPp has to do. `rows` are the lines of its CSV; field0 is the caller's number in the carrier scenarios."""

    argv: Sequence[str]
    scenario: Path | str  # a file, or the XML text itself
    local_ip: str
    local_port: int = 0  # 0: any free one
    remote: str | None = None  # host:port; None for a server
    service: str = "112"
    calls: int | None = 1  # SIPp ends after as many; None: it runs until it is stopped
    rate: float = 10.0
    at_once: int | None = None
    pause_ms: int = 0  # the scenario's own pause: ringing or talking time
    rows: Sequence[Sequence[str]] = field(default=tuple((number,) for number in NUMBERS))
    transport: str = "u1"
    deadline_s: float = 30.0
    with_messages: bool = False
    extra: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SippResult:
    """What came of a job. `complaints` is SIPp's own error log."""

    exit_code: int
    successful: int
    failed: int
    retransmissions: int
    calls: list[SippCall]
    complaints: str
    messages: str

    def assert_all_good(self) -> list[SippCall]:
        """Every call went by its scenario; returns the calls."""
        assert (self.exit_code, self.failed) == (0, 0), self.complaints or f"SIPp ended with {self.exit_code}"
        return self.calls


class RunningSipp:
    """A SIPp that is at work; what it has seen so far can be read at any time."""

    def __init__(self, job: SippJob, process: Process, folder: Path, port: int) -> None:
        self.port = port
        self._job = job
        self._process = process
        self._folder = folder

    def seen(self) -> list[SippMessage]:
        """The messages so far."""
        return read_messages(_text(self._folder / "short.log"))

    def calls(self) -> list[SippCall]:
        """The calls so far."""
        return calls_of(self.seen())

    async def wait(self) -> SippResult:
        """Wait until SIPp has done its calls; raises SippDeadlineMissed."""
        try:
            async with asyncio.timeout(self._job.deadline_s):
                exit_code = await self._process.wait()
        except TimeoutError:
            await self.kill()
            seen = "\n".join(message.first_line for message in self.seen()[-10:])
            raise SippDeadlineMissed(f"not done after {self._job.deadline_s:g} s; last messages:\n{seen}") from None
        return self._result(exit_code)

    async def kill(self) -> None:
        """End it at once; nothing is left when this returns."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def until_open(self) -> None:
        """Wait until SIPp's socket is there; before that a call to it would be lost."""
        try:
            async with asyncio.timeout(START_S):
                while not _is_open(self._process.pid, self._job.local_ip, self.port, self._job.transport):
                    if self._process.returncode is not None:
                        raise SippDeadlineMissed(f"SIPp ended at its start: {self._complaints()}")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await self.kill()
            raise SippDeadlineMissed(f"SIPp did not open {self._job.local_ip}:{self.port}") from None

    def _result(self, exit_code: int) -> SippResult:
        rows = list(csv.DictReader(_text(self._folder / "stat.csv").splitlines(), delimiter=";"))
        counts: Mapping[str, str] = rows[-1] if rows else {}

        def count(name: str) -> int:
            return int(counts.get(f"{name}(C)") or 0)

        return SippResult(
            exit_code=exit_code,
            successful=count("SuccessfulCall"),
            failed=count("FailedCall"),
            retransmissions=count("Retransmissions"),
            calls=self.calls(),
            complaints=self._complaints(),
            messages=_text(self._folder / "messages.log"),
        )

    def _complaints(self) -> str:
        return _text(self._folder / "errors.log") + _text(self._folder / "output")


async def run_sipp(job: SippJob) -> SippResult:
    """Run a job to its end."""
    async with running_sipp(job) as sipp:
        return await sipp.wait()


@contextlib.asynccontextmanager
async def running_sipp(job: SippJob) -> AsyncIterator[RunningSipp]:
    """Start a job; its socket is open inside the block, and its process is gone after it."""
    with tempfile.TemporaryDirectory(prefix="sipp-") as name:
        folder = Path(name)
        port = job.local_port or free_port(job.local_ip)
        with (folder / "output").open("wb") as output:  # a new empty file blocks nobody
            process = await asyncio.create_subprocess_exec(
                *command_line(job, folder, port), stdin=DEVNULL, stdout=DEVNULL, stderr=output, cwd=folder
            )
        sipp = RunningSipp(job, process, folder, port)
        try:
            if job.remote is None:
                await sipp.until_open()
            yield sipp
        finally:
            await sipp.kill()


def command_line(job: SippJob, folder: Path, port: int) -> list[str]:
    """SIPp's arguments; its files go into the folder."""
    scenario = job.scenario
    if isinstance(scenario, str):
        (folder / "scenario.xml").write_text(scenario)
        scenario = folder / "scenario.xml"
    (folder / "rows.csv").write_text("SEQUENTIAL\n" + "".join(";".join(row) + "\n" for row in job.rows))
    words = [*job.argv, *([job.remote] if job.remote else []), "-sf", str(scenario.resolve())]
    words += ["-i", job.local_ip, "-p", str(port), "-bind_local", "-mi", job.local_ip, "-ci", job.local_ip]
    words += ["-t", job.transport, "-s", job.service, "-d", str(job.pause_ms), "-inf", str(folder / "rows.csv")]
    words += ["-m", str(job.calls)] if job.calls is not None else []
    words += ["-l", str(job.at_once)] if job.at_once is not None else []
    words += _rate(job.rate) if job.remote else []
    # SIPp's own time-out lets it hang up the calls that are left; the kill by deadline comes a second later.
    words += ["-timeout", f"{max(1, int(job.deadline_s) - 1)}s", "-timeout_error", "-nostdin", "-aa"]
    # SIPp's own Call-IDs hold the process's id only, which comes again.
    words += ["-cid_str", f"{uuid.uuid4().hex[:12]}-%u-%p@%s"]
    words += ["-rfc3339", "-trace_shortmsg", "-shortmessage_file", "short.log"]
    words += ["-trace_err", "-error_file", "errors.log", "-trace_stat", "-stf", "stat.csv", "-fd", "3600"]
    words += ["-trace_msg", "-message_file", "messages.log"] if job.with_messages else []
    return [*words, *job.extra]


def free_port(ip: str) -> int:
    """A UDP port of the address that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


def _rate(rate: float) -> list[str]:
    # SIPp takes whole numbers: half a call a second is 500 calls in 1,000,000 ms.
    return ["-r", str(int(rate))] if float(rate).is_integer() else ["-r", str(round(rate * 1000)), "-rp", "1000s"]


def _is_open(pid: int, ip: str, port: int, transport: str) -> bool:
    """True when this process itself has the socket: another that holds the port would be taken for it."""
    kind = "udp" if transport.startswith("u") else "tcp"
    wanted = f"{socket.inet_aton(ip)[::-1].hex().upper()}:{port:04X}"
    lines = (line.split() for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:])
    sockets = {f"socket:[{line[9]}]" for line in lines if line[1] == wanted}
    with contextlib.suppress(OSError):  # the process has just ended
        return any(str(file.readlink()) in sockets for file in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
