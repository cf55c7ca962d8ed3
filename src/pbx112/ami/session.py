"""One AMI connection from login to its end."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from pbx112.ami import translate
from pbx112.ami.client import Client, Headers, SafeAction
from pbx112.ami.keeper import Keeper, Listed
from pbx112.domain.errors import AsteriskRefused, AsteriskUnavailable, OutcomeUnknown, Pbx112Error
from pbx112.domain.live import LiveChannel

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """The link's waits, in seconds. A test may shorten them; the service uses these."""

    connect: float = 1.0
    login: float = 3.0
    """Asterisk holds a refused login back for one second."""
    boot: float = 60.0
    ping_every: float = 5.0
    ping_answer: float = 5.0
    snapshot_every: float = 60.0
    snapshot_answer: float = 10.0
    mend_every: float = 2.0
    """Snapshots that follow a quarantine come no faster: a caller must not make us ask without pause."""
    retry_first: float = 0.2
    retry_most: float = 2.0
    refused_first: float = 0.5
    refused_most: float = 10.0


class LinkBroke(Pbx112Error):
    """The AMI connection ended; the message says why."""

    slug = "ami-link-broke"


class LoginRefused(LinkBroke):
    """Asterisk does not let the service in: its secret, its address, or another session with the same name."""

    slug = "ami-login-refused"


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in, and which classes of events he asks for. The secret is not shown."""

    username: str
    secret: str = field(repr=False)
    events: str


async def log_in(client: Client, address: tuple[str, int], login: Login, times: LinkTimes) -> None:
    """Connect and log in. Raises LinkBroke or LoginRefused."""
    host, port = address
    try:
        await client.open(times.connect)
    except OSError as error:  # TimeoutError is one of them
        raise LinkBroke(f"Asterisk's AMI at {host}:{port} cannot be reached: {error or 'no answer'}.") from None
    try:
        await client.ask(
            "Login",
            {"Username": login.username, "Secret": login.secret, "Events": login.events},
            deadline_s=times.login,
        )
    except AsteriskRefused as refused:
        raise LoginRefused(
            f"Asterisk refused the AMI login of {login.username} ({refused}). Compare its secret with manager.conf, "
            "and see that no other session uses this name."
        ) from None
    except (OutcomeUnknown, AsteriskUnavailable):
        reason = client.lost.result() if client.lost.done() else "no answer"
        raise LinkBroke(f"Asterisk's AMI at {host}:{port} did not answer the login: {reason}") from None


@dataclass(slots=True)
class Session:
    """A connection that keeps the board. `run` ends by LinkBroke or cancellation."""

    address: tuple[str, int]
    login: Login
    times: LinkTimes
    keeper: Keeper
    client: Client = field(init=False)
    _booted: asyncio.Event = field(default_factory=asyncio.Event)
    _mend: asyncio.Event = field(default_factory=asyncio.Event)
    _warned_at: float = 0.0

    def __post_init__(self) -> None:
        self.client = Client(*self.address, on_event=self._arrived, on_taint=self._tainted)

    async def run(self) -> None:
        """Keep the board until the connection ends. Raises LinkBroke, which says why."""
        self.keeper.begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(), name="ami watch")
                group.create_task(self._serve(group), name="ami session")
        except* LinkBroke as broken:
            raise self._reason(broken.exceptions) from None
        except* Exception as faults:
            log.exception("A fault of the service ended the AMI connection.")
            raise LinkBroke(f"A fault of the service ended the AMI connection: {faults.exceptions[0]!r}") from None
        finally:
            self.keeper.counters.actions_timed_out += self.client.timed_out
            self.client.drop("The service ended the connection.")

    def _reason(self, broken: tuple[BaseException, ...]) -> BaseException:
        if self.client.lost.done() and not any(isinstance(error, LoginRefused) for error in broken):
            return LinkBroke(self.client.lost.result())
        return broken[0]

    async def _watch(self) -> None:
        raise LinkBroke(await asyncio.shield(self.client.lost))

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        await log_in(self.client, self.address, self.login, self.times)
        self.keeper.counters.logins += 1
        group.create_task(self._ping(), name="ami ping")
        await self._wait_for_boot()
        await self._learn_version()
        group.create_task(self.keeper.run(), name="ami events")
        while True:
            self._mend.clear()
            await self.take_snapshot()
            await asyncio.sleep(self.times.mend_every)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self.times.snapshot_every - self.times.mend_every)):
                    await self._mend.wait()

    async def _wait_for_boot(self) -> None:
        try:
            async with asyncio.timeout(self.times.boot):
                await self._booted.wait()
        except TimeoutError:
            raise LinkBroke(
                "Asterisk does not say that it has fully booted: it is still starting, or the AMI user lacks the read "
                "class `system`."
            ) from None

    async def _learn_version(self) -> None:
        try:
            settings = (await self.client.ask("CoreSettings", deadline_s=self.times.snapshot_answer)).rows[0]
        except (AsteriskRefused, AsteriskUnavailable, OutcomeUnknown) as error:
            raise LinkBroke(f"Asterisk does not tell its version: {error}") from None
        self.keeper.change(replace(self.keeper.state, asterisk_version=settings.get("asteriskversion")))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self.times.ping_every)
            try:
                await self.client.ask("Ping", deadline_s=self.times.ping_answer)
            except (OutcomeUnknown, AsteriskRefused, AsteriskUnavailable):
                raise LinkBroke(
                    f"Asterisk did not answer a ping within {self.times.ping_answer:g} s: the AMI line is half-open, "
                    "or Asterisk hangs."
                ) from None

    async def take_snapshot(self) -> asyncio.Event:
        """Have everything listed anew; the event is set once the board shows it. Raises LinkBroke."""
        shown = asyncio.Event()
        try:
            channels, whole = await self.channels()

            def listed(action: SafeAction) -> None:
                # While the answer is read: so the snapshot keeps its place among the events.
                self._put(Listed(action.rows, channels, whole and action.whole, shown))

            await self.client.ask("QueueStatus", deadline_s=self.times.snapshot_answer, on_done=listed)
        except (AsteriskRefused, AsteriskUnavailable, OutcomeUnknown) as error:
            raise LinkBroke(f"Asterisk does not tell the state of its queues: {error}") from None
        return shown

    async def channels(self) -> tuple[tuple[LiveChannel, ...], bool]:
        """The channels that exist now, and False when some were quarantined."""
        action = await self.client.ask("CoreShowChannels", deadline_s=self.times.snapshot_answer)
        return tuple(map(translate.channel, action.rows)), action.whole

    # -- while AMI is read: put away, and nothing else ----------------------------------------------------------

    def _arrived(self, event: Headers) -> None:
        if event["event"] == "FullyBooted":
            uptime = event.get("uptime", "")
            if uptime.isdecimal():
                started = self.keeper.clock() - timedelta(seconds=int(uptime))
                self.keeper.change(replace(self.keeper.state, asterisk_started_at=started))
            self._booted.set()
        elif event["event"] == "Reload":
            self._mend.set()  # a queue may have come or gone, of which app_queue says nothing
        elif translate.is_wanted(event):
            self._put(event)

    def _put(self, item: Headers | Listed) -> None:
        if not self.keeper.put(item):
            self.client.drop("More AMI events came than could be applied; the board is read anew.")

    def _tainted(self, blocks: int, fault: str) -> None:
        counters = self.keeper.counters
        counters.tainted += blocks
        self.keeper.change(replace(self.keeper.state, tainted_events=counters.tainted))
        self._mend.set()
        if time.monotonic() - self._warned_at >= 1.0:
            self._warned_at = time.monotonic()
            log.warning("Forged text in the AMI stream; it was not believed.", fault=fault, blocks=blocks)
