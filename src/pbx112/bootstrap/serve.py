"""The service beside Asterisk: every door is built here, connected, and owned by one TaskGroup."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine

import pbx112
from pbx112.agi.copies import InviteCopies
from pbx112.agi.intake import AgiIntake
from pbx112.agi.server import AgiServer
from pbx112.ami.link import AmiLink
from pbx112.api.app import make_app
from pbx112.api.parts import ApiParts
from pbx112.bootstrap.logs import configure_logs
from pbx112.bootstrap.prepare import AMI_USER, applied_configuration, database_url, migration_url
from pbx112.domain.configuration import Configuration
from pbx112.domain.demo import is_demo
from pbx112.domain.errors import AsteriskUnavailable, DatabaseUnavailable, OutcomeUnknown, Pbx112Error
from pbx112.domain.live import LiveState
from pbx112.host.secrets import Secrets, read_secrets
from pbx112.journal.reader import JournalReader
from pbx112.pbx.spool import CallFiles
from pbx112.services.feed import CallPublisher, Feed, LivePublisher
from pbx112.services.health import PartHealth
from pbx112.services.intake import Knowledge
from pbx112.services.live_views import live_view
from pbx112.services.metrics import Metrics
from pbx112.services.nuisance import NuisanceBook
from pbx112.services.numbers import e164, is_possible
from pbx112.services.records import mark_lost
from pbx112.settings import Settings
from pbx112.storage.engine import make_engine
from pbx112.storage.listen import listening
from pbx112.storage.migrate import migrate
from pbx112.storage.tables import CALLS_CHANNEL

log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 2.0
_HTTP_STOP_SECONDS = 2
_HTTP_RETRY_SECONDS = 2.0
_MIGRATION_RETRY_SECONDS = 2.0
_LOST_DRAIN_SECONDS = 5.0
_LOST_RETRY_SECONDS = 2.0


class _HttpServer(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the roof decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the roof."""
        yield


class _WebDoor:
    """The HTTP server. When its address is taken it is tried again: no call, and no record, waits for the web."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._config = config

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then let the requests in progress end."""
        while not stop.is_set():
            server = _HttpServer(self._config)
            telling = asyncio.create_task(_tell(server, stop), name="http stop")
            try:
                await server.serve()
            except SystemExit:
                log.error("The web door cannot be opened; it is tried again.", port=self._config.port)  # noqa: TRY400
            finally:
                telling.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _HTTP_RETRY_SECONDS)


async def _tell(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


@dataclass(frozen=True, slots=True)
class _Service:
    """The built doors, before they run."""

    settings: Settings
    engine: AsyncEngine
    agi: AgiServer
    ami: AmiLink
    journal: JournalReader
    http: _WebDoor
    live: LivePublisher
    calls: CallPublisher
    book: NuisanceBook
    copies: InviteCopies
    board_changed: asyncio.Event


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT; a stop takes at most five seconds.

    It needs neither database nor Asterisk to start: calls' intake works from the applied configuration on disk, and
    each door reconnects by itself. Raises NotPrepared when nothing was ever applied.
    """
    configure_logs(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = _build(settings, applied_configuration(settings), read_secrets(settings.secrets_file))
    try:
        await _run(service, stop)
    finally:
        await service.engine.dispose()
    log.info("The service has stopped.")


def _build(settings: Settings, configuration: Configuration, secrets: Secrets) -> _Service:
    engine = make_engine(database_url(settings))
    metrics, feed = Metrics(), Feed()
    host, port = settings.ami_bind
    board_changed = asyncio.Event()

    def changed(_: LiveState) -> None:
        live.changed()
        board_changed.set()

    ami = AmiLink(host, port, AMI_USER, secrets.ami, on_change=changed)
    live = LivePublisher(feed, lambda: live_view(configuration, ami.state, settings.node))
    book = NuisanceBook(engine)
    copies = InviteCopies(lambda: configuration)
    knowledge = Knowledge(e164, is_possible, copies.location, book.judge)
    agi = AgiServer(
        settings.agi_bind,
        {"intake": AgiIntake(lambda: configuration, settings.node, knowledge)},
        observer=metrics.agi_request,
    )
    journal = JournalReader(engine, node=settings.node, path=settings.journal_file)
    parts = ApiParts(
        engine=engine,
        telephone=ami,
        live=ami,
        placer=_call_files(settings),
        nuisance_changed=book.wake,
        journal=journal.lag,
        agi=lambda: _agi_health(agi, settings),
        configuration=lambda: configuration,
        feed=feed,
        metrics=metrics,
        token_secret=secrets.token,
        node=settings.node,
        timezone=settings.timezone,
        lang=settings.lang,
        version=pbx112.__version__,
        started_at=datetime.now(UTC),
        demo=is_demo(configuration),
        ami_reconnects=lambda: ami.counters.reconnects,
    )
    http = _WebDoor(
        uvicorn.Config(
            make_app(parts),
            host=settings.http_bind.host,
            port=settings.http_bind.port,
            log_config=None,
            access_log=False,
            server_header=False,
            ws_max_size=64 * 1024,
            timeout_graceful_shutdown=_HTTP_STOP_SECONDS,
        )
    )
    return _Service(
        settings,
        engine,
        agi,
        ami,
        journal,
        http,
        live,
        CallPublisher(engine, feed, metrics),
        book,
        copies,
        board_changed,
    )


def _call_files(settings: Settings) -> CallFiles:
    files = CallFiles(settings.asterisk_dir / "spool")
    left = files.clear()
    if left:
        log.warning("Calls back of an earlier run were not taken by Asterisk; they are removed.", files=left)
    return files


async def _run(service: _Service, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        agi = tasks.create_task(service.agi.serve_until(stop), name="agi")
        http = tasks.create_task(service.http.serve_until(stop), name="http")
        tasks.create_task(service.copies.serve_until(stop, service.settings.agi_bind), name="invite copies")
        endless = [
            tasks.create_task(service.ami.run(), name="ami"),
            tasks.create_task(service.live.run(), name="live feed"),
            tasks.create_task(_publish_calls(service), name="call feed"),
            tasks.create_task(_close_lost_calls(service), name="lost calls"),
            tasks.create_task(service.book.run(), name="nuisance book"),
        ]
        reading = tasks.create_task(_read_journal(service), name="journal")
        log.info("The service is up.", http=str(service.settings.http_bind), agi=str(service.settings.agi_bind))
        await stop.wait()
        log.info("Stopping: no new intake; the journal is read to its end.")
        await agi
        with contextlib.suppress(TimeoutError, DatabaseUnavailable):
            await service.journal.drain(_DRAIN_SECONDS)
        await http
        for task in (*endless, reading):
            task.cancel()


async def _read_journal(service: _Service) -> None:
    """Bring the tables to this version first, however long the database is away; then read for ever."""
    while True:
        try:
            await migrate(migration_url(service.settings), migrations=service.settings.home / "migrations")
            break
        except Pbx112Error as error:
            log.warning("The records wait for the database; calls go on.", reason=str(error))
            await asyncio.sleep(_MIGRATION_RETRY_SECONDS)
    service.book.wake()
    await service.journal.run()


async def _close_lost_calls(service: _Service) -> None:
    """After each start of Asterisk: read the journal of before, then close the calls that it died under."""
    closed: datetime | None = None
    while True:
        await service.board_changed.wait()
        service.board_changed.clear()
        booted = service.ami.state.asterisk_started_at
        if booted is None or booted == closed:
            continue
        lost = await _lost_calls(service, booted)
        if lost is None:
            await asyncio.sleep(_LOST_RETRY_SECONDS)
            service.board_changed.set()
            continue
        closed = booted
        if lost:
            log.warning("Asterisk died under calls; their records are closed as lost.", calls=lost)


async def _lost_calls(service: _Service, booted: datetime) -> int | None:
    """How many calls were closed as lost; None while that cannot be told (the journal is behind, no database)."""
    try:
        if await service.journal.drain(_LOST_DRAIN_SECONDS):
            alive = {channel.linkedid for channel in await service.ami.channels()}
            return len(await mark_lost(service.engine, service.settings.node, booted_at=booted, alive=alive))
    except (DatabaseUnavailable, AsteriskUnavailable, OutcomeUnknown) as error:
        log.info("Lost calls are looked for again in a moment.", reason=str(error))
    return None


async def _publish_calls(service: _Service) -> None:
    async with listening(database_url(service.settings), CALLS_CHANNEL) as payloads:
        while True:
            await service.calls.notified(await payloads.get())


def _agi_health(agi: AgiServer, settings: Settings) -> PartHealth:
    if agi.serving:
        return PartHealth("agi", True, f"Listens at {settings.agi_bind}; {agi.open_connections} calls just now.")
    return PartHealth("agi", False, "Not listening: calls are taken by the classic script and the default queue.")
