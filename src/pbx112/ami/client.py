"""panoramisk behind one typed module, with what is wrong in it put right.

Kept of panoramisk: actions and their ids, messages, the matching of answers, the dispatch of events. Replaced:
reading (it loses characters, never bounds its memory and believes forged blocks), sending (line breaks in values add
actions; before the connection it fails with AttributeError), what happens to unanswered actions (it sends them again),
and reconnecting, which the link does. One connection is one Client.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager
from panoramisk.message import Message

from pbx112.ami.blocks import NotAmi, Splitter
from pbx112.ami.quarantine import Quarantine
from pbx112.domain.errors import AsteriskRefused, AsteriskUnavailable, BadInput, OutcomeUnknown

log = structlog.get_logger(__name__)

Headers = Mapping[str, str]

ACTION_S = 2.0
"""An action's deadline. It ends earlier when the link does, so none is alive when the link comes back."""
LINE_LIMIT = 1000
"""Bytes of one line of an action; Asterisk reads 1,024 and drops the rest."""
PENDING_LIMIT = 500
UNSENT_LIMIT = 256 * 1024
ROWS_LIMIT = 50_000


class Told(Message):  # type: ignore[misc]  # panoramisk has no types
    """A believed block as panoramisk's message; `headers` has lower-case names and is not copied."""

    def __init__(self, headers: Headers) -> None:
        super().__init__({})
        self.headers = headers

    def __contains__(self, key: str) -> bool:
        return key.lower() in self.headers

    def __getitem__(self, key: str) -> str:
        return self.headers[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)


class SafeAction(Action):  # type: ignore[misc]
    """An action that cannot be two, and whose answer ends where Asterisk ends it.

    `on_done` is called while the answer is read, so that what is made of it keeps its place among the events.
    """

    def __init__(self, name: str, values: Headers, on_done: "Callable[[SafeAction], None] | None" = None) -> None:
        for key, value in values.items():
            if any(ord(character) < 32 or ord(character) == 127 for character in key + value):
                raise BadInput(f"The value of {key} holds a line break or another control character.")
            if len(f"{key}: {value}".encode()) > LINE_LIMIT:
                raise BadInput(f"The value of {key} is too long for Asterisk.")
        super().__init__({"Action": name, **values})
        self.on_done = on_done
        self.refusal: str | None = None
        self.rows: list[Headers] = []
        self.items_told: int | None = None

    def __repr__(self) -> str:
        # Not panoramisk's, which prints the values, the secret among them.
        return f"<SafeAction {self['Action']} {self.id}>"

    @property
    def whole(self) -> bool:
        """False when items of the list were quarantined."""
        return self.items_told is None or self.items_told == len(self.rows)

    def add_message(self, message: Told) -> bool:
        """Take one part of the answer; True when it was the last. (panoramisk waits for ever for some.)"""
        headers = message.headers
        if "event" not in headers:
            if headers.get("response") not in Message.success_responses:
                self.refusal = headers.get("message") or "refused without a reason"
                return self._finish()
            if headers.get("eventlist", "").lower() == "start":
                return False
            self.rows.append(headers)
            return self._finish()
        if headers.get("eventlist", "").lower() in ("complete", "cancelled"):
            told = headers.get("listitems", "")
            self.items_told = int(told) if told.isdecimal() else -1
            return self._finish()
        if len(self.rows) < ROWS_LIMIT:
            self.rows.append(headers)
        return False

    def _finish(self) -> bool:
        if not self.future.done():
            self.future.set_result(None)
            if self.on_done is not None and self.refusal is None:
                self.on_done(self)
        return True


class SafeProtocol(AMIProtocol):  # type: ignore[misc]
    """One connection's reading and writing; panoramisk calls the client its `factory`."""

    factory: "Client"
    transport: asyncio.Transport
    closed: bool
    responses: dict[str, SafeAction]

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._splitter = Splitter()
        self.quarantine = Quarantine(is_ours=self._is_ours)
        self._id_prefix = str(Action.action_id_generator.uid)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open; panoramisk forgets the client here."""
        super().connection_made(transport)
        self.factory = self._client
        self.factory.protocol = self

    def _is_ours(self, token: str) -> bool:
        return self._id_prefix in token

    def data_received(self, data: bytes) -> None:
        """Cut into blocks, hold each burst until it is whole, hand on what is believed."""
        if self.closed:
            return
        quarantine = self.quarantine
        try:
            for block in self._splitter.feed(data):
                quarantine.hold(block)
        except NotAmi as error:
            self.factory.drop(str(error))
            return
        if self._splitter.empty or quarantine.full:
            before = quarantine.tainted
            for block in quarantine.release():
                self._guarded(Told(block.headers))
            if quarantine.tainted != before:
                self.factory.on_taint(quarantine.tainted - before, quarantine.last_fault or "")

    def _guarded(self, message: Told) -> None:
        # An exception here would drop the connection, and with it the rest of what was read.
        try:
            self.handle_message(message)
        except Exception as error:
            self.factory.faults += 1
            log.error(  # noqa: TRY400  # the traceback once: a fault with every event must not hold up the events
                "An AMI message could not be handled; the link stays up.",
                name=message.event or message.response,
                error=repr(error),
                exc_info=self.factory.faults == 1,
            )

    def handle_message(self, message: Told) -> None:
        """Give an answer's part to its action, an event to the Client. A shutdown ends the link."""
        action = self.responses.get(message.id)
        if action is not None:
            if action.add_message(message):
                self.responses.pop(action.id, None)
        elif "event" in message:
            self.factory.dispatch(message)
            if message.event == "Shutdown":
                self.factory.drop("Asterisk is shutting down.")

    def send(self, action: SafeAction, as_list: bool | None = None) -> "asyncio.Future[None]":
        """Write an action; its future ends with the answer. Raises AsteriskUnavailable when it was not sent."""
        if self.closed or self.transport.is_closing():
            raise AsteriskUnavailable("The AMI link is down; the command was not sent.")
        if len(self.responses) >= PENDING_LIMIT or self.transport.get_write_buffer_size() > UNSENT_LIMIT:
            raise AsteriskUnavailable("Asterisk does not answer fast enough; the command was not sent.")
        self.responses[action.id] = action
        self.transport.write(str(action).encode())
        future: asyncio.Future[None] = action.future
        return future

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.factory.drop(f"The AMI connection broke: {exc}" if exc else "Asterisk closed the AMI connection.")

    def close(self) -> None:
        """End the connection. What was not answered has an unknown outcome, and is never sent again."""
        if self.closed:
            return
        self.closed = True
        self.transport.abort()
        waiting, self.responses = list(self.responses.values()), {}
        for action in waiting:
            if not action.future.done():
                action.future.set_exception(OutcomeUnknown("The AMI link broke before Asterisk answered the command."))
                action.future.exception()  # so that a caller who has gone leaves no warning behind


class Client(Manager):  # type: ignore[misc]
    """One AMI connection. `on_event` is called in order, synchronously: it must only put the event away.

    `lost` ends, with the reason in words, when the connection does.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        on_event: Callable[[Headers], None],
        on_taint: Callable[[int, str], None],
    ) -> None:
        super().__init__(host=host, port=port, log=logging.getLogger(__name__))
        self.loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self.loop.create_future()
        self.protocol: SafeProtocol | None = None
        self.on_taint = on_taint
        self.faults = 0
        self.timed_out = 0
        self.callbacks.clear()  # panoramisk's own sends unanswered actions again
        self.patterns.clear()
        self.register_event("*", lambda _, message: on_event(message.headers))

    async def open(self, timeout_s: float) -> None:
        """Connect. Raises OSError or TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self.loop.create_connection(lambda: SafeProtocol(self), self.config["host"], self.config["port"])

    async def ask(
        self,
        name: str,
        values: Headers | None = None,
        *,
        deadline_s: float = ACTION_S,
        on_done: Callable[[SafeAction], None] | None = None,
    ) -> SafeAction:
        """Send one action and wait for its whole answer, with header names in lower case.

        Raises BadInput or AsteriskUnavailable (not sent), AsteriskRefused (in Asterisk's words), OutcomeUnknown.
        """
        if self.protocol is None:
            raise AsteriskUnavailable("The AMI link is not up yet; the command was not sent.")
        action = SafeAction(name, values or {}, on_done)
        answer = self.protocol.send(action)
        try:
            async with asyncio.timeout(deadline_s):
                await answer
        except TimeoutError:
            self.timed_out += 1
            raise OutcomeUnknown(f"Asterisk did not answer {name} within {deadline_s:g} s.") from None
        finally:
            if self.protocol is not None:
                self.protocol.responses.pop(action.id, None)
        if action.refusal is not None:
            raise AsteriskRefused(action.refusal)
        return action

    def drop(self, reason: str) -> None:
        """End the connection for a reason; the first one counts."""
        if not self.lost.done():
            self.lost.set_result(reason)
        if self.protocol is not None:
            self.protocol.close()

    # -- panoramisk's own life cycle, which the link replaces ---------------------------------------------------

    def connection_lost(self, exc: Any) -> None:
        """Never reconnects by itself."""
        self.drop(str(exc))

    def send_awaiting_actions(self, *_: Any) -> None:
        """Never sends anything again."""

    def connect(self, *_: Any, **__: Any) -> None:
        """Not to be used: `open` has a deadline."""
        raise NotImplementedError
