"""The FastAGI server: an accept loop that no client can hold up.

panoramisk's own `Application.handler` is not used: a client that closes before its blank line freezes the
whole event loop there, nothing is bounded and nothing has a deadline, and cancellation is swallowed.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import structlog

from pbx112.agi.dialogue import CallEnded, Dialogue
from pbx112.domain.errors import Pbx112Error

log = structlog.get_logger(__name__)

Route = Callable[[Dialogue], Awaitable[None]]

HEADER_DEADLINE_S = 0.5
HEADER_BYTES = 8192
"""Asterisk sends less than 1,000; a hostile caller's number and name add 79 each, and he is still to be identified."""

ANSWER_LIMIT = 128 * 1024
"""Longest answer in bytes: all headers of a 64 KB INVITE in base64."""

_ACCEPTS_A_WAKE = 64
_ACCEPT_PAUSE_S = 0.05


Observer = Callable[[str, float], None]
"""Told of every connection's end: `finished`, `ended` (caller or client left), `timed_out`, `refused`
(`max_connections` were open), `failed`; and how long it took in seconds."""


class AgiServer:
    """Serves FastAGI: `routes` by the path of `agi://host/path`. A connection lives `deadline_s` seconds at most.

    A connection that fails in any way is closed; the call goes on by the dialplan.
    """

    def __init__(
        self,
        bind: tuple[str, int],
        routes: Mapping[str, Route],
        *,
        deadline_s: float = 0.7,
        max_connections: int = 256,
        backlog: int = 4096,
        observer: Observer = lambda result, seconds: None,
    ) -> None:
        self._bind = bind
        self._routes = dict(routes)
        self._deadline_s = deadline_s
        self._max_connections = max_connections
        self._backlog = backlog
        self._listener: socket.socket | None = None
        self._observer = observer
        self._open = 0
        self._serving = False

    @property
    def serving(self) -> bool:
        """True while connections are taken."""
        return self._serving

    @property
    def open_connections(self) -> int:
        """How many calls are being taken in just now."""
        return self._open

    def listen(self) -> tuple[str, int]:
        """Bind now and return the address (a port 0 becomes a real one). Raises OSError when it is taken."""
        if self._listener is None:
            host, port = self._bind
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family, backlog=self._backlog)
            self._listener.setblocking(False)
        host, port = self._listener.getsockname()[:2]
        return host, port

    async def run(self) -> None:
        """Serve until cancelled."""
        await self.serve_until(asyncio.Event())

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then no new connections, and running ones finish within their deadline."""
        self.listen()
        listener, self._listener = self._listener, None
        assert listener is not None  # noqa: S101  # listen() has just made it
        async with asyncio.TaskGroup() as connections:
            accepting = _Accepting(listener, lambda client: self._accepted(client, connections))
            try:
                accepting.begin()
                self._serving = True
                await stop.wait()
            finally:
                self._serving = False
                accepting.end()

    def _accepted(self, client: socket.socket, connections: asyncio.TaskGroup) -> None:
        if self._open >= self._max_connections:
            client.close()  # at once: the caller goes on by the dialplan instead of waiting for a place
            self._observer("refused", 0.0)
            return
        self._open += 1
        task = connections.create_task(self._connection(client), name="agi connection")
        task.add_done_callback(lambda _: self._closed(client))

    def _closed(self, client: socket.socket) -> None:
        # A task that is cancelled before its first step never came to own the socket.
        self._open -= 1
        client.close()

    async def _connection(self, client: socket.socket) -> None:
        started = time.perf_counter()  # uvloop's own clock counts whole milliseconds
        result = await self._outcome(client, asyncio.get_running_loop().time() + self._deadline_s)
        self._observer(result, time.perf_counter() - started)

    async def _outcome(self, client: socket.socket, deadline: float) -> str:
        try:
            async with asyncio.timeout_at(deadline), _streams(client) as (reader, writer):
                await self._serve(reader, writer, deadline)
        except TimeoutError:
            log.warning("An AGI client was too slow; its call goes on by the dialplan.")
            return "timed_out"
        except (CallEnded, OSError, EOFError) as error:
            log.info("An AGI connection ended early.", reason=str(error))
            return "ended"
        except Pbx112Error as error:
            log.warning("An AGI dialogue failed; its call goes on by the dialplan.", reason=str(error))
            return "failed"
        except Exception:
            log.exception("An AGI route failed; its call goes on by the dialplan.")
            return "failed"
        return "finished"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deadline: float) -> None:
        async with asyncio.timeout(HEADER_DEADLINE_S):
            script = await read_script(reader)
        route = self._routes.get(script)
        if route is None:
            log.error("Asterisk asked for an AGI route that does not exist.", route=script[:80])
            return
        await route(Dialogue(script, reader, writer, deadline=deadline))


async def read_script(reader: asyncio.StreamReader) -> str:
    """Read the AGI environment up to its blank line; the path asked for, without its query.

    Nothing else is taken from the environment: a caller can add lines to it, and end it early. Asterisk
    writes the path before anything of the caller's, so the first occurrence is its own. Raises EOFError when
    the client closes or sends more than an environment can be; no more than the reader's limit is ever kept.
    """
    try:
        environment = await reader.readuntil(b"\n\n")
    except asyncio.LimitOverrunError as error:
        raise EOFError("the AGI environment does not end") from error
    if len(environment) > HEADER_BYTES:
        raise EOFError("the AGI environment is too long")
    for line in environment.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(": ")
        if name == "agi_network_script":
            return value.strip().split("?", 1)[0]
    return ""


class _Accepting:
    """Takes connections from a listening socket as they come, and pauses when the machine has no descriptors left."""

    def __init__(self, listener: socket.socket, accepted: Callable[[socket.socket], None]) -> None:
        self._listener = listener
        self._accepted = accepted
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._again = None
        self._loop.add_reader(self._listener, self._accept)

    def end(self) -> None:
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_A_WAKE):
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("No AGI connection can be taken just now.", reason=str(error))
                self._loop.remove_reader(self._listener)
                self._again = self._loop.call_later(_ACCEPT_PAUSE_S, self.begin)
                return
            client.setblocking(False)
            self._accepted(client)


@contextlib.asynccontextmanager
async def _streams(client: socket.socket) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(sock=client, limit=ANSWER_LIMIT)
    try:
        yield reader, writer
    finally:
        # All that was sent has been answered: nothing is left to flush, and a stuck client cannot hold us.
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
