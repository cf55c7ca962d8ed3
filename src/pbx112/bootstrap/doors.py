"""Every door but the calls': built here, connected, and owned by one TaskGroup."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

import pbx112
from pbx112.agi.server import AgiServer
from pbx112.ami.link import AmiLink
from pbx112.api.app import make_app
from pbx112.api.parts import ApiParts
from pbx112.bootstrap.applied import AMI_USER, database_url, migration_url
from pbx112.bootstrap.call_door import CallDoor
from pbx112.bootstrap.configuring import LiveConfiguration, follow, make_applier, make_desks, phone_passwords, recover
from pbx112.bootstrap.lost import LostCalls
from pbx112.bootstrap.watch import Watch, make_alarms, make_watch
from pbx112.bootstrap.web import WebDoor
from pbx112.domain.errors import DatabaseUnavailable, Pbx112Error
from pbx112.domain.live import LiveState
from pbx112.host.secrets import Secrets, read_secrets
from pbx112.journal.reader import JournalReader
from pbx112.journal.rotate import JournalKeeper, KeepRules
from pbx112.pbx.apply import Applier
from pbx112.pbx.spool import CallFiles
from pbx112.services.audit import HeadLog
from pbx112.services.configuring import ConfigurationDesk
from pbx112.services.credentials import CredentialBook
from pbx112.services.disk import DiskWatch
from pbx112.services.feed import CallPublisher, Feed, LivePublisher
from pbx112.services.gaps import GapWatch, public_gap
from pbx112.services.health import PartHealth
from pbx112.services.live_views import live_view
from pbx112.services.metrics import Metrics
from pbx112.services.missed import MissedOffers
from pbx112.services.nuisance import NuisanceBook
from pbx112.services.operators import OperatorDesk
from pbx112.services.presence import Presence
from pbx112.services.prompts import PromptDesk
from pbx112.services.recordings import RecordingWatch
from pbx112.services.transfer_alarms import TransferAlarms
from pbx112.settings import Settings
from pbx112.storage.engine import make_engine
from pbx112.storage.listen import listening
from pbx112.storage.migrate import migrate
from pbx112.storage.tables import CALLS_CHANNEL

log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 2.0
_MIGRATION_RETRY_SECONDS = 2.0
_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Service:
    """The built doors, before they run."""

    settings: Settings
    engine: AsyncEngine
    ami: AmiLink
    journal: JournalReader
    http: WebDoor
    presence: Presence
    missed: MissedOffers
    live: LivePublisher
    calls: CallPublisher
    book: NuisanceBook
    credentials: CredentialBook
    applier: Applier
    desk: ConfigurationDesk
    prompts: PromptDesk
    lost: LostCalls
    disks: DiskWatch
    gaps: GapWatch
    transfers: TransferAlarms
    recordings: RecordingWatch
    watch: Watch


async def run(settings: Settings, calls: CallDoor, taking: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Open every other door, until `stop` is set; `taking` is the task that takes calls in, which ends first."""
    service = _build(settings, calls, read_secrets(settings.secrets_file))
    try:
        await _run(service, taking, stop)
    finally:
        await service.engine.dispose()


def _build(settings: Settings, calls: CallDoor, secrets: Secrets) -> _Service:
    engine = make_engine(database_url(settings))
    metrics, feed = Metrics(), Feed()
    host, port = settings.ami_ask or settings.ami_bind  # something may stand between

    def changed(_: LiveState) -> None:
        live.changed()
        presence.wake()
        missed.wake()
        lost.board_changed.set()

    ami = AmiLink(host, port, AMI_USER, secrets.ami, on_change=changed)
    presence = Presence(ami, lambda: calls.configuration, lambda: live.changed())  # noqa: PLW0108 - made below
    live = LivePublisher(feed, lambda: live_view(calls.configuration, presence.state, settings.node, alarms.current))
    book, credentials = NuisanceBook(engine), CredentialBook(engine)
    calls.judge, calls.observer = book.judge, metrics.agi_request
    journal = JournalReader(engine, node=settings.node, path=settings.journal_file)
    alarms, webhook = make_alarms(settings, feed, metrics, live.changed)
    disks = DiskWatch(
        engine,
        alarms,
        metrics,
        node=settings.node,
        lang=settings.lang,
        places=watched_places(settings),
        journal=settings.journal_file,
    )
    lost = LostCalls(journal, engine, ami, settings.node)
    desk = OperatorDesk(ami, presence, lambda: calls.configuration, engine)
    missed = MissedOffers(desk, presence, lambda: calls.configuration, alarms, settings.lang)

    async def close_calls(before: datetime) -> bool:
        return await lost.close(before) is not None

    gaps = GapWatch(engine, alarms, metrics, node=settings.node, lang=settings.lang, close_calls=close_calls)
    recordings = RecordingWatch(
        engine, alarms, metrics, node=settings.node, lang=settings.lang, folder=settings.asterisk_dir / "spool/monitor"
    )
    applier = make_applier(settings, secrets)
    running = LiveConfiguration(settings, calls, ami, live.changed)
    configuring, prompts = make_desks(settings, engine, applier, running)
    parts = ApiParts(
        engine=engine,
        credentials=credentials,
        telephone=ami,
        switchboard=ami,
        live=presence,
        placer=_call_files(settings),
        nuisance_changed=book.wake,
        journal=journal.lag,
        agi=lambda: _agi_health(calls.agi, settings),
        configuration=lambda: calls.configuration,
        feed=feed,
        metrics=metrics,
        token_secret=secrets.token,
        node=settings.node,
        timezone=settings.timezone,
        lang=settings.lang,
        version=pbx112.__version__,
        started_at=datetime.now(UTC),
        desk=configuring,
        phone=phone_passwords(settings, engine),
        prompts=prompts,
        ami_reconnects=lambda: ami.counters.reconnects,
        alarms=lambda: alarms.current,
        more_health=lambda: (disks.health(),),
        gaps=lambda: [public_gap(gap) for gap in gaps.recent],
    )
    watch = make_watch(
        settings,
        engine,
        alarms,
        webhook,
        metrics,
        live=presence,
        configuration=lambda: calls.configuration,
        journal=journal.lag,
        agi=lambda: calls.agi.serving,
    )
    http = WebDoor(make_app(parts), settings.http_bind)
    transfers = TransferAlarms(alarms, settings.lang)
    return _Service(
        settings,
        engine,
        ami,
        journal,
        http,
        presence,
        missed,
        live,
        CallPublisher(engine, feed, metrics, seen=transfers.see),
        book,
        credentials,
        applier,
        configuring,
        prompts,
        lost,
        disks,
        gaps,
        transfers,
        recordings,
        watch,
    )


def _call_files(settings: Settings) -> CallFiles:
    files = CallFiles(settings.asterisk_dir / "spool")
    left = files.clear()
    if left:
        log.warning("Calls back of an earlier run were not taken by Asterisk; they are removed.", files=left)
    return files


async def _run(service: _Service, taking: asyncio.Task[None], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        http = tasks.create_task(service.http.serve_until(stop), name="http")
        endless = [
            tasks.create_task(service.ami.run(), name="ami"),
            tasks.create_task(service.live.run(), name="live feed"),
            tasks.create_task(_publish_calls(service), name="call feed"),
            *(tasks.create_task(_kept(work, name), name=name) for name, work in _beside(service).items()),
        ]
        reading = tasks.create_task(_read_journal(service), name="journal")
        log.info("The service is up.", http=str(service.settings.http_bind))
        await stop.wait()
        log.info("Stopping: no new intake; the journal is read to its end.")
        await asyncio.wait([taking])
        with contextlib.suppress(TimeoutError, DatabaseUnavailable):
            await service.journal.drain(_DRAIN_SECONDS)
        await http
        for task in (*endless, reading):
            task.cancel()


def _beside(service: _Service) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """What looks after the rest, by name: no call and no record needs it."""
    return {
        "lost calls": service.lost.run,
        "applier": partial(recover, service.applier),
        "other nodes' configuration": partial(follow, service.desk),
        "prompts": service.prompts.keep,
        "nuisance book": service.book.run,
        "credentials": service.credentials.run,
        "audit's head": HeadLog(service.engine).run,
        "presence": service.presence.run,
        "missed offers": service.missed.run,
        "disks": service.disks.run,
        "gaps": service.gaps.run,
        "transfer alarms": service.transfers.run,
        "recordings": service.recordings.run,
        "journal keeper": _keeper(service).run,
        **service.watch.work(),
    }


async def _kept(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Begin the work again when it fails: a fault of what only looks on must not end the service."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("A part beside the calls failed; it begins again.", part=name)
        await asyncio.sleep(_AGAIN_SECONDS)


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


async def _publish_calls(service: _Service) -> None:
    async with listening(database_url(service.settings), CALLS_CHANNEL) as payloads:
        while True:
            await service.calls.notified(await payloads.get())


def watched_places(settings: Settings) -> dict[str, Path]:
    """What must not run out of disk, by name; the database only when it is ours."""
    embedded = settings.state_dir / "postgres"
    places = {
        "journal": settings.journal_file.parent,
        "logs": settings.asterisk_dir / "log",
        "recordings": settings.asterisk_dir / "spool",
        "state": settings.state_dir,
    }
    return {**places, "database": embedded} if embedded.is_dir() else places


def _keeper(service: _Service) -> JournalKeeper:
    settings = service.settings
    rules = KeepRules.of(settings.journal_max_mb, settings.journal_keep_days)
    return JournalKeeper(service.engine, node=settings.node, path=settings.journal_file, rules=rules)


def _agi_health(agi: AgiServer, settings: Settings) -> PartHealth:
    if agi.serving:
        return PartHealth("agi", True, f"Listens at {settings.agi_bind}; {agi.open_connections} calls just now.")
    return PartHealth("agi", False, "Not listening: calls are taken by the classic script and the default queue.")
