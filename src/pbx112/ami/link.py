"""The AMI link: connected for ever, the live board kept, commands carried out.

A connection goes through login, FullyBooted and a snapshot; then events keep the board, a ping each five seconds finds
a half-open line, and a snapshot each minute mends what was missed. Whatever fails ends the connection, with the reason
in `last_problem`, and the next one starts anew. Calls do not depend on any of this.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from pbx112.ami import commands, redirect, translate
from pbx112.ami.client import Client
from pbx112.ami.keeper import Keeper, LinkCounters
from pbx112.ami.session import LinkBroke, LinkTimes, Login, LoginRefused, Session
from pbx112.domain.errors import AsteriskRefused, AsteriskUnavailable, CallNotTalking, OutcomeUnknown
from pbx112.domain.live import LiveChannel, LiveState
from pbx112.services.ports import Redirection

log = structlog.get_logger(__name__)

INBOX_LIMIT = 10_000
"""Events that may wait for the board. More than that, and the link is dropped and a snapshot taken instead."""

_LOOK_SECONDS = 0.05
_NOT_WHOLE = "A caller's identity holds forged text: what Asterisk lists is not whole."


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class AmiLink:
    """The telephone line of one Asterisk. Implements Telephone, Switchboard and LiveSource.

    `on_change` is called with each new state, on the event loop, after a batch of events; it must return at once.
    `last_problem` is None while the link is up.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        secret: str,
        *,
        clock: Callable[[], datetime] = utc_now,
        on_change: Callable[[LiveState], None] | None = None,
        times: LinkTimes | None = None,
        inbox_limit: int = INBOX_LIMIT,
    ) -> None:
        self._address = (host, port)
        self._login = Login(username, secret, translate.EVENT_CLASSES)
        self._times = times or LinkTimes()
        self._keeper = Keeper(clock, on_change, inbox_limit)
        self._session: Session | None = None
        self._problem: str | None = "The AMI link has not been up yet."

    @property
    def connected(self) -> bool:
        """True between a completed login with snapshot and the loss of the link."""
        return self._keeper.state.connected

    @property
    def state(self) -> LiveState:
        """The present state; `state.at` is None until the first snapshot."""
        return self._keeper.state

    @property
    def counters(self) -> LinkCounters:
        """Counts since the service started, for metrics."""
        return self._keeper.counters

    @property
    def last_problem(self) -> str | None:
        """Why the link is not up, in words; None while it is."""
        return None if self.connected else self._problem

    async def queue_add(self, queue: str, operator: str, penalty: int, *, paused: str | None = None) -> None:
        """Log the operator's phone in to the queue (an operator who is logged in already is no error)."""
        await commands.queue_add(self._client().ask, queue, operator, penalty, paused=paused)

    async def queue_remove(self, queue: str, operator: str) -> None:
        """Log the operator's phone out of the queue (not being logged in is no error)."""
        await commands.queue_remove(self._client().ask, queue, operator)

    async def queue_penalty(self, queue: str, operator: str, penalty: int) -> None:
        """Change how early a member of the queue is rung."""
        await commands.queue_penalty(self._client().ask, queue, operator, penalty)

    async def queue_pause(self, operator: str, *, paused: bool, reason: str) -> None:
        """Pause or unpause the operator in every queue he is logged in to."""
        await commands.queue_pause(self._client().ask, operator, paused=paused, reason=reason)

    async def press(self, operator: str, linkedid: str, digits: str) -> None:
        """Do what these keys do on the operator's phone in his talk of that call. Raises CallNotTalking."""
        channels, whole = await self._listed()
        try:
            await commands.press(self._client().ask, channels, operator, linkedid, digits)
        except CallNotTalking:
            if whole:
                raise
            raise OutcomeUnknown(_NOT_WHOLE) from None

    async def look_again(self, within_s: float) -> bool:
        """Have the queues listed anew, so that the live state shows what became of a command without an answer.

        True when the list came by the link that had the command: what one link asks for, Asterisk does in order, so
        what the list does not show was not done. False when it came by a new link: an Asterisk that hung may answer
        that before it comes to the command. Raises OutcomeUnknown when no whole list came in time.
        """
        asked = self._session if self.connected else None
        try:
            async with asyncio.timeout(within_s):
                while not await self._listed_anew():  # noqa: ASYNC110  # a link that comes back has no event
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise OutcomeUnknown(f"Asterisk did not list its queues within {within_s:g} s.") from None
        if self.state.warnings:
            raise OutcomeUnknown(_NOT_WHOLE)
        return asked is not None and asked is self._session

    async def _listed_anew(self) -> bool:
        if self._session is None or not self.connected:
            return False
        try:
            await (await self._session.take_snapshot()).wait()
        except LinkBroke:
            return False
        return True

    async def channels(self) -> tuple[LiveChannel, ...]:
        """Every channel that exists now.

        Raises AsteriskUnavailable, or OutcomeUnknown when no answer came or a forged caller id makes the list
        unbelievable: who closes lost calls by it must not take a quarantined channel for one that is gone.
        """
        channels, whole = await self._listed()
        if not whole:
            raise OutcomeUnknown(_NOT_WHOLE)
        return channels

    async def channels_again(self, within_s: float) -> tuple[tuple[LiveChannel, ...], bool]:
        """Every channel, by whatever link there is within this time; with True, by the one that there is now.

        Raises OutcomeUnknown when no whole list came in time.
        """
        asked = self._session if self.connected else None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    session = self._session
                    with contextlib.suppress(AsteriskUnavailable, AsteriskRefused, OutcomeUnknown):
                        return await self.channels(), asked is not None and asked is session
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise OutcomeUnknown(f"Asterisk gave no whole list of its channels within {within_s:g} s.") from None

    async def redirect(self, move: Redirection, other: Redirection | None = None) -> None:
        """Send a channel, or two in one bridge at once, to their places in transfer.conf."""
        await redirect.redirect(self._client().ask, move, other)

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a variable of a transfer on a channel."""
        await redirect.set_variable(self._client().ask, channel, name, value)

    async def get_variable(self, channel: str, name: str) -> str:
        """A variable of a transfer on a channel; empty when it has none."""
        return await redirect.get_variable(self._client().ask, channel, name)

    async def _listed(self) -> tuple[tuple[LiveChannel, ...], bool]:
        self._client()
        assert self._session is not None  # noqa: S101  # _client has just said so
        return await self._session.channels()

    async def run(self) -> None:
        """Keep the link, for ever; ends by cancellation only."""
        failures = 0
        while True:
            snapshots = self.counters.snapshots
            broke = await self._one_connection()
            was_up = self.counters.snapshots != snapshots
            failures = 0 if was_up else failures + 1
            self._tell(broke, was_up=was_up)
            await asyncio.sleep(self._delay(failures, refused=isinstance(broke, LoginRefused)))
            self.counters.reconnects += 1

    async def _one_connection(self) -> BaseException:
        """From the connection to its end, and why it ended.

        It runs in a task of its own: a TaskGroup whose child fails in the moment of a cancellation swallows the
        cancellation (Python 3.11 and 3.12), and the service would not stop.
        """
        self._session = Session(self._address, self._login, self._times, self._keeper)
        task = asyncio.create_task(self._session.run(), name="ami connection")
        try:
            await asyncio.wait([task])
        finally:
            self._session = None
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            broke = None if task.cancelled() else task.exception()
            if self.connected:
                self._keeper.change(replace(self._keeper.state, connected=False))
        return broke or LinkBroke("The AMI connection ended.")

    def _client(self) -> Client:
        if self._session is None or not self.connected:
            raise AsteriskUnavailable(f"The command was not sent. {self._problem or 'The AMI link is down.'}")
        return self._session.client

    def _tell(self, broke: BaseException, *, was_up: bool) -> None:
        if was_up or str(broke) != self._problem:  # once, not at each try
            log.warning("The AMI link is down; calls go on by the dialplan.", reason=str(broke))
        self._problem = str(broke)

    def _delay(self, failures: int, *, refused: bool) -> float:
        first, most = (
            (self._times.refused_first, self._times.refused_most)
            if refused
            else (self._times.retry_first, self._times.retry_most)
        )
        # At random, so that several services do not come back in step after their Asterisk did.
        return min(most, first * 2.0 ** min(failures, 10)) * random.uniform(0.6, 1.0)  # noqa: S311
