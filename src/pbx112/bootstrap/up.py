"""`make run`: PostgreSQL, Asterisk and the service in the foreground, a drill call as self-check, until Ctrl-C."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from pbx112.api.json_text import json_bytes
from pbx112.bootstrap.applied import embedded_urls_file
from pbx112.bootstrap.drill import drill
from pbx112.bootstrap.logs import configure_logs
from pbx112.bootstrap.prepare import Prepared, asterisk_argv, prepare, setup
from pbx112.domain.errors import Pbx112Error
from pbx112.host.folders import FolderLock, write_whole
from pbx112.host.postgres import EmbeddedPostgres
from pbx112.host.process import Child, supervise
from pbx112.settings import Settings

_READY_SECONDS = 30.0
_SERVICE_PAUSE_S = 0.5
_ASTERISK_SECONDS = 30.0


class NotReady(Pbx112Error):
    """A part did not become ready in time; the text names it and its log."""

    slug = "not-ready"


class PortTaken(Pbx112Error):
    """An address that a part listens on is in use, or is not this machine's."""

    slug = "port-taken"


async def up(settings: Settings, *, self_check: bool = True) -> int:
    """Run the whole system until SIGINT or SIGTERM; returns the exit code. Everything it starts, it stops."""
    configure_logs(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    began = time.monotonic()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(settings.state_dir / ".lock")
    try:
        stopping = asyncio.create_task(stop.wait(), name="stop")
        up_and_running = asyncio.Event()
        running = asyncio.create_task(_run(settings, stop, up_and_running, self_check, began), name="up")
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            say("Stopping ...")
            if not up_and_running.is_set():
                running.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await running
    except BaseExceptionGroup as group:
        # A TaskGroup wraps what went wrong; the person at the terminal wants the sentence in it.
        raise _plain(group) from group
    finally:
        lock.release()
    return 0


async def _run(
    settings: Settings, stop: asyncio.Event, up_and_running: asyncio.Event, self_check: bool, began: float
) -> int:
    _check_ports(settings)
    await setup(settings, say)
    async with _database(settings) as urls:
        prepared = await prepare(settings, say)
        environment = {**os.environ, **urls}
        async with asyncio.TaskGroup() as tasks:
            asterisk = await _start_asterisk(settings, tasks)
            service = await _start_service(settings, environment, tasks)
            say(f"Asterisk {prepared.install.version} and pbx112 are up after {time.monotonic() - began:.1f} s.")
            passed = not self_check or await _self_check(settings)
            _tell(settings, prepared)
            up_and_running.set()
            await stop.wait()
            # Asterisk first: the service then reads its last lines.
            for task in (asterisk, service):
                task.cancel()
                await asyncio.wait({task})
    return 0 if passed else 1


def _plain(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _check_ports(settings: Settings) -> None:
    """Raises PortTaken before anything is started."""
    wanted = [
        ("web", "PBX112_HTTP_BIND", settings.http_bind, socket.SOCK_STREAM),
        ("FastAGI", "PBX112_AGI_BIND", settings.agi_bind, socket.SOCK_STREAM),
        ("AMI", "PBX112_AMI_BIND", settings.ami_bind, socket.SOCK_STREAM),
        ("SIP", "PBX112_SIP_BIND", settings.sip_bind, socket.SOCK_DGRAM),
        ("SIP over TLS", "PBX112_SIP_BIND", (settings.sip_bind.host, settings.sip_bind.port + 1), socket.SOCK_STREAM),
        ("SIP over TCP", "PBX112_SIP_BIND", settings.sip_bind, socket.SOCK_STREAM),
    ]
    for what, variable, (host, port), kind in wanted:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise PortTaken(
                    f"The {what} address {host}:{port} cannot be used ({error.strerror}). Stop what runs there "
                    f"(another pbx112?), or set {variable} to another address."
                ) from error


def say(line: str) -> None:
    """One line for the person at the terminal, at once."""
    print(line, flush=True)


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[dict[str, str]]:
    """The environment that names the database; the embedded server runs inside when none is set."""
    if settings.database_url:
        yield {}
        return
    server = EmbeddedPostgres(settings.state_dir / "postgres", say)
    await server.start()
    keeper = asyncio.create_task(_keep_database(server), name="postgres")
    try:
        urls = {"service": server.service_url, "owner": server.owner_url}
        write_whole(embedded_urls_file(settings), json.dumps(urls).encode(), 0o600)
        yield {"PBX112_DATABASE_URL": server.service_url, "PBX112_MIGRATION_URL": server.owner_url}
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await server.stop()
        embedded_urls_file(settings).unlink(missing_ok=True)


async def _keep_database(server: EmbeddedPostgres) -> None:
    async def start() -> EmbeddedPostgres:
        await server.start()
        return server

    await supervise(start, "PostgreSQL", first=server)


async def _start_asterisk(settings: Settings, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
    log_file = settings.state_dir / "log" / "asterisk.out"
    argv = [*asterisk_argv(settings), "-f"]

    async def start() -> Child:
        child = Child("Asterisk", argv, log_file=log_file)
        await child.start()
        try:
            await _until_booted(settings, child)
        except BaseException:
            await child.stop()
            raise
        return child

    say("Starting Asterisk ...")
    first = await start()
    return tasks.create_task(supervise(start, "Asterisk", first=first), name="asterisk")


async def _until_booted(settings: Settings, child: Child) -> None:
    deadline = time.monotonic() + _ASTERISK_SECONDS
    while not await _ami_greets(settings.ami_bind):
        if child.pid is None or time.monotonic() > deadline:
            messages = settings.asterisk_dir / "log" / "messages.log"
            raise NotReady(f"Asterisk did not come up; its log is {messages}.{child.log_tail()}")
        await asyncio.sleep(0.05)


async def _ami_greets(address: tuple[str, int]) -> bool:
    """True when the AMI port sends its greeting: Asterisk opens it once its modules are loaded."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(*address)
            greeting = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return greeting.startswith(b"Asterisk Call Manager")


async def _start_service(
    settings: Settings, environment: dict[str, str], tasks: asyncio.TaskGroup
) -> asyncio.Task[None]:
    log_file = settings.state_dir / "log" / "service.log"
    argv = [sys.executable, "-m", "pbx112", "serve"]

    async def start() -> Child:
        child = Child("The pbx112 service", argv, log_file=log_file, env=environment)
        await child.start()
        return child

    say("Starting the pbx112 service ...")
    first = await start()
    keeping = supervise(start, "The pbx112 service", first=first, longest_pause_s=_SERVICE_PAUSE_S)
    task = tasks.create_task(keeping, name="service")
    await _until_ready(settings, log_file)
    return task


async def _until_ready(settings: Settings, log_file: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    url = f"http://{settings.http_bind}/v1/health/ready"
    said = "no answer yet"
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.get(url)
                if answer.status_code == httpx.codes.OK:
                    return
                said = answer.text
            await asyncio.sleep(0.1)
    raise NotReady(f"The service did not become ready in {_READY_SECONDS:.0f} s ({said}); its log is {log_file}.")


async def _self_check(settings: Settings) -> bool:
    say("Self-check: one drill call through trunk, intake, queue and a scripted operator ...")
    try:
        outcome = await drill(settings, say)
        say(json_bytes(outcome.record, indent=True).decode())
    except Pbx112Error as error:
        # The system stays up for whoever looks into it; a real call may well get through.
        say(f"SELF-CHECK FAILED: {error}")
        return False
    return True


def _tell(settings: Settings, prepared: Prepared) -> None:
    users = prepared.secrets.users
    phones = prepared.secrets.phones
    host, port = settings.sip_bind
    say("")
    say(f"pbx112 is up. Call 112 at sip:112@{host}:{port} from a carrier address:")
    for trunk in prepared.configuration.trunks:
        if not trunk.drill:
            trust = "trusted" if trunk.trusted else "not trusted"
            say(f"  {trunk.name:<12} from {', '.join(trunk.sources)} ({trust})")
    say(f"Operators register at {host}:{port} (UDP, TCP) or {host}:{port + 1} (TLS), and dial *11 to log in:")
    for operator in prepared.configuration.operators:
        shown = phones[operator.name] if prepared.first_start else "(shown at the first start)"
        say(f"  {operator.name:<12} extension {operator.extension}  password {shown}")
    say(f"Pages for admins: http://{settings.http_bind}/admin. API and docs: http://{settings.http_bind}/docs")
    if prepared.first_start:
        say(f"Web users: admin / {users['admin']}, supervisor / {users['supervisor']}, auditor / {users['auditor']}")
    say(f"All secrets: {settings.secrets_file} (readable by you only)")
    say("Next: make call (one more drill call), pbx112 calls, pbx112 doctor. Ctrl-C stops everything.")
