"""A centre whose every line can be broken: FastAGI, AMI and PostgreSQL run through proxies, PostgreSQL is our own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import httpx
import psutil

from pbx112.host.postgres import DATABASE, OWNER, SERVICE_ROLE, EmbeddedPostgres, PostgresFailed
from pbx112.host.postgres_cluster import PORT
from pbx112.host.process import supervise
from tests.faults.oracle import Row, rows_since
from tests.faults.proxy import GONE, HOST, FaultProxy, proxying, tcp, unix
from tests.support.centre import NO_TLS, Centre, running_centre

WORKER = 4
_FIRST_PORT = 29_500


@dataclass
class Rig:
    """The centre, what stands between its parts, and its PostgreSQL.

    `ready_s`: how long each killed service was away; `start_cpu_s`: the processor time that the last start took.
    """

    centre: Centre
    agi: FaultProxy
    ami: FaultProxy
    database: FaultProxy
    postgres: Postgres
    ready_s: list[float] = field(default_factory=list)
    start_cpu_s: float = 0.0

    @property
    def service(self) -> psutil.Process:
        """The service's process as it is now."""
        return self.centre.child("pbx112", "serve")

    def memory_mb(self) -> float:
        """Resident memory of the service."""
        return float(self.service.memory_info().rss) / 2**20

    async def ready(self, deadline_s: float = 30.0) -> float:
        """Wait until /health/ready says so; the seconds it took."""
        began = time.monotonic()
        said = "no answer"
        url = f"http://{self.centre.settings.http_bind}/v1/health/ready"
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=5) as client:
            while time.monotonic() - began < deadline_s:
                with contextlib.suppress(httpx.TransportError):
                    answer = await client.get(url)
                    said = answer.text
                    if answer.is_success:
                        return time.monotonic() - began
                await asyncio.sleep(0.05)
        raise AssertionError(f"the service is not ready {deadline_s:g} s after healing: {said}")

    async def kill_service(self) -> float:
        """Kill -9, and wait until the next one is ready; the seconds from the kill."""
        service = self.service
        began = time.monotonic()
        service.kill()
        await asyncio.to_thread(service.wait, 5)
        await self.ready()
        took = time.monotonic() - began
        self.ready_s.append(took)
        used = self.service.cpu_times()
        self.start_cpu_s = used.user + used.system
        return took

    @contextlib.asynccontextmanager
    async def nothing_but_asterisk(self) -> AsyncIterator[None]:
        """Service and PostgreSQL are killed and stay dead inside the block: who would start the service is frozen."""
        keeper = psutil.Process(self.centre.process.pid)
        service = self.service
        keeper.suspend()
        try:
            service.kill()
            async with self.agi.under(GONE), self.postgres.dead():
                yield
        finally:
            keeper.resume()

    async def rows(self, since: datetime) -> list[Row]:
        """The records since then; none while the database cannot be read, so that who asks asks again."""
        try:
            async with asyncio.timeout(5):
                connection = await self.centre.database()
                try:
                    return await rows_since(connection, since)
                finally:
                    await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return []


class Postgres:
    """A PostgreSQL that is kept running, and can be killed, frozen, or dead for a while."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self._keeper: asyncio.Task[None] | None = None

    @property
    def socket(self) -> str:
        """Its socket's path; empty while it does not run."""
        try:
            query = urlsplit(self._server.service_url).query
        except PostgresFailed:  # its address is known while it runs, and whoever connects is refused
            raise ConnectionRefusedError("PostgreSQL is dead") from None
        host = next(unquote(pair[5:]) for pair in query.split("&") if pair.startswith("host="))
        return f"{host}/.s.PGSQL.{PORT}"

    async def start(self) -> None:
        """Start it, and keep it running."""
        await self._server.start()
        self._keeper = asyncio.create_task(supervise(self._started, "PostgreSQL", first=self._server))

    async def stop(self) -> None:
        """Stop it for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    def kill(self) -> None:
        """Kill -9, every process of it; it is started again by its keeper."""
        self._signal(signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self) -> Any:
        """SIGSTOP for every process inside the block."""
        stopped = self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def dead(self) -> AsyncIterator[None]:
        """Killed, and started again only after the block."""
        self.kill()
        await self.stop()
        try:
            yield
        finally:
            await self.start()

    def _signal(self, number: signal.Signals) -> Sequence[psutil.Process]:
        pid = self._server.pid
        if pid is None:
            return ()
        main = psutil.Process(pid)
        everyone = [main, *main.children(recursive=True)]
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return everyone

    async def _started(self) -> EmbeddedPostgres:
        await self._server.start()
        return self._server


@contextlib.asynccontextmanager
async def running_rig(folder: Path, *, worker: int = WORKER) -> AsyncIterator[Rig]:
    """The rig, ended with everything it started."""
    agi_bind, ami_bind = (HOST, _FIRST_PORT + 3), (HOST, _FIRST_PORT + 4)
    postgres = Postgres(folder / "postgres")
    await postgres.start()
    try:
        async with (
            proxying(_FIRST_PORT, tcp(agi_bind)) as agi,
            proxying(_FIRST_PORT + 1, tcp(ami_bind)) as ami,
            proxying(_FIRST_PORT + 2, unix(lambda: postgres.socket)) as database,
            running_centre(
                folder,
                worker=worker,
                PYTHONDONTWRITEBYTECODE="",  # a restart would compile everything anew, as on no real machine
                PBX112_AGI_BIND=f"{agi_bind[0]}:{agi_bind[1]}",
                PBX112_AGI_ASK=f"{HOST}:{agi.port}",
                PBX112_AMI_BIND=f"{ami_bind[0]}:{ami_bind[1]}",
                PBX112_AMI_ASK=f"{HOST}:{ami.port}",
                PBX112_DATABASE_URL=_url(SERVICE_ROLE, database.port),
                PBX112_MIGRATION_URL=_url(OWNER, database.port),
            ) as centre,
        ):
            assert ami.lines and database.lines, "the service does not go by the proxies"
            yield Rig(centre, agi, ami, database, postgres)
    finally:
        await postgres.stop()


def _url(role: str, port: int) -> str:
    return f"postgresql+asyncpg://{role}@{HOST}:{port}/{DATABASE}"
