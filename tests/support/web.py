"""The web door over fakes of its ports, and tokens to knock with. The engine points nowhere unless a test gives one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.app import make_app
from pbx112.api.parts import ApiParts
from pbx112.api.tokens import make_token
from pbx112.domain.configuration import Configuration, Membership
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.errors import NotFound, OutcomeUnknown, Pbx112Error
from pbx112.domain.live import LiveChannel, LiveMember, LiveQueue, LiveState, LiveWaiting
from pbx112.domain.prompts import PromptUse, SoundKind
from pbx112.services.configuring import ConfigurationDesk
from pbx112.services.credentials import CredentialBook
from pbx112.services.feed import Feed
from pbx112.services.health import PartHealth
from pbx112.services.metrics import Metrics
from pbx112.services.ports import CallbackOrder, Redirection, Rendering
from pbx112.services.prompts import PromptDesk
from pbx112.services.users import Role
from pbx112.storage.engine import make_engine

SECRET = "a secret of these tests, long enough for HS256"
NOW = datetime(2025, 1, 31, 10, 0, 0, 5, tzinfo=UTC)
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@dataclass
class FakeTelephone:
    """Remembers the commands; `error` is what each raises."""

    connected: bool = True
    error: Pbx112Error | None = None
    commands: list[tuple[Any, ...]] = field(default_factory=list)

    async def queue_add(self, queue: str, operator: str, penalty: int, *, paused: str | None = None) -> None:
        self._do("add", queue, operator, penalty)

    async def queue_remove(self, queue: str, operator: str) -> None:
        self._do("remove", queue, operator)

    async def queue_penalty(self, queue: str, operator: str, penalty: int) -> None:
        self._do("penalty", queue, operator, penalty)

    async def queue_pause(self, operator: str, *, paused: bool, reason: str) -> None:
        self._do("pause", operator, paused, reason)

    async def press(self, operator: str, linkedid: str, digits: str) -> None:
        self._do("press", operator, linkedid, digits)

    async def look_again(self, within_s: float) -> bool:
        raise OutcomeUnknown("Asterisk did not list its queues.")

    def _do(self, *command: Any) -> None:
        self.commands.append(command)
        if self.error is not None:
            raise self.error


@dataclass
class FakeSwitchboard:
    """Channels to set; remembers what was sent where. `error` is what each command raises, after it is remembered."""

    listed: tuple[LiveChannel, ...] = ()
    error: Pbx112Error | None = None
    variables: dict[tuple[str, str], str] = field(default_factory=dict)
    commands: list[tuple[Any, ...]] = field(default_factory=list)

    async def channels(self) -> tuple[LiveChannel, ...]:
        return self.listed

    async def channels_again(self, within_s: float) -> tuple[tuple[LiveChannel, ...], bool]:
        raise OutcomeUnknown("Asterisk did not list its channels.")

    async def redirect(self, move: Redirection, other: Redirection | None = None) -> None:
        self.commands.append(("redirect", *((one.channel, one.context, one.exten) for one in (move, other) if one)))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        self.commands.append(("set", channel, name, value))
        self.variables[channel, name] = value

    async def get_variable(self, channel: str, name: str) -> str:
        return self.variables.get((channel, name), "")


@dataclass
class FakePlacer:
    """Remembers the calls that were placed; `error` is what each raises."""

    error: Pbx112Error | None = None
    orders: list[CallbackOrder] = field(default_factory=list)

    async def place(self, order: CallbackOrder) -> None:
        self.orders.append(order)
        if self.error is not None:
            raise self.error


@dataclass
class FakeLive:
    """A live state to set."""

    state: LiveState = field(default_factory=LiveState)


@dataclass(frozen=True)
class FakeLag:
    """A journal that keeps up."""

    bytes_behind: int = 0
    oldest_unread_ms: int | None = None
    last_commit_at: datetime | None = NOW
    healthy: bool = True
    problem: str | None = None


@dataclass
class FakeApplier:
    """Applies nothing, and remembers what it was given; `error` is raised instead."""

    error: Pbx112Error | None = None
    applied: list[Configuration] = field(default_factory=list)

    async def plan(self, configuration: Configuration) -> Rendering:
        return Rendering(("queues.conf",), ("app_queue.so",))

    async def apply(self, configuration: Configuration, tell: Callable[[str], None]) -> Rendering:
        if self.error is not None:
            raise self.error
        self.applied.append(configuration)
        tell("write")
        return await self.plan(configuration)


@dataclass
class FakeRunning:
    """What runs, in memory."""

    configuration: Configuration = DEMO_CENTRE

    async def go_live(self, configuration: Configuration) -> Sequence[str]:
        self.configuration = configuration
        return ()


@dataclass
class FakePromptFiles:
    """Files in memory; `error` is what a write raises."""

    error: OSError | None = None
    kept: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)

    def has(self, name: str, language: str) -> bool:
        return (name, language) in self.kept

    def lacking(self, wanted: Sequence[PromptUse]) -> list[PromptUse]:
        return [one for one in wanted if self.kept.get((one.name, one.language), (0,))[0] != one.version]

    def put(self, prompt: PromptUse, wav: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.kept[prompt.name, prompt.language] = (prompt.version, wav)


class FakePromptMaker:
    """Makes nothing of a recording."""

    async def make(self, recording: bytes, kind: SoundKind) -> bytes:
        return recording


async def nothing_to_refresh() -> None:
    """Asterisk is not there."""


def prompt_desk(engine: AsyncEngine) -> PromptDesk:
    """A desk for prompts without files and without SoX."""
    return PromptDesk(engine, FakePromptFiles(), FakePromptMaker(), nothing_to_refresh, node="node1", lang="en")


async def no_phone(account: str, who: str) -> dict[str, str]:
    """Nobody has a phone here."""
    raise NotFound(f"There is no SIP account {account}.")


BUSY = LiveState(
    at=NOW,
    connected=True,
    asterisk_version="22.10.1",
    channels=3,
    queues=(
        LiveQueue(
            "112",
            members=(
                LiveMember("op1", "inuse", calls_taken=2, logged_in_at=NOW),
                LiveMember("op2", "not_inuse", paused=True, paused_reason="makan", logged_in_at=NOW),
                LiveMember("op3", "unavailable"),
            ),
            waiting=(LiveWaiting("node1-1738317600.7", "PJSIP/carrier-a-00000007", 1, NOW),),
        ),
    ),
)


def nowhere() -> AsyncEngine:
    """A database that is away: every use is refused at once."""
    return make_engine(NOWHERE)


def make_parts(engine: AsyncEngine | None = None, **changes: Any) -> ApiParts:
    """Parts of the demo centre with the board BUSY."""
    configuration = replace(
        DEMO_CENTRE,
        operators=(
            replace(DEMO_CENTRE.operators[0], memberships=(Membership("112", 3),)),
            *DEMO_CENTRE.operators[1:3],
            replace(DEMO_CENTRE.operators[3], memberships=()),
        ),
    )
    engine = engine or nowhere()
    parts = ApiParts(
        engine=engine,
        credentials=CredentialBook(engine),
        telephone=FakeTelephone(),
        switchboard=FakeSwitchboard(),
        live=FakeLive(BUSY),
        placer=FakePlacer(),
        journal=FakeLag,
        agi=lambda: PartHealth("agi", True, "Listens."),
        configuration=lambda: configuration,
        feed=Feed(),
        metrics=Metrics(),
        token_secret=SECRET,
        node="node1",
        timezone="Asia/Jakarta",
        lang="id",
        version="0.1.0",
        started_at=NOW,
        desk=ConfigurationDesk(engine or nowhere(), FakeApplier(), FakeRunning(), node="node1", lang="en"),
        phone=no_phone,
        prompts=prompt_desk(engine),
    )
    return replace(parts, **changes)


def client_of(parts: ApiParts) -> httpx.AsyncClient:
    """A client of the app, without sockets."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(make_app(parts)), base_url="http://pbx112")


def bearer(role: Role | str = Role.ADMIN, operator: str | None = None, name: str | None = None) -> dict[str, str]:
    """Headers of a user with this role."""
    token = make_token(SECRET, name or str(role), Role(role), operator)
    return {"Authorization": f"Bearer {token}"}


async def until(true: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Wait until it is so. Raises TimeoutError when it does not become so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for belongs to others and has no event
            await asyncio.sleep(0.01)


class QuietServer(uvicorn.Server):
    """Uvicorn that leaves the test run's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@asynccontextmanager
async def served(parts: ApiParts) -> AsyncIterator[str]:
    """The app behind a real server on loopback; gives `host:port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(parts), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = QuietServer(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
