"""A proxy that stands between two parts and breaks what it carries: late, in pieces, silent, cut off or not there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Upstream = Callable[[], Awaitable[Streams]]

HOST = "127.0.0.1"
_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the proxy does to every connection while this is set."""

    delay_s: float = 0.0
    """Before each piece, in both directions."""
    piece: int = _CHUNK
    """Bytes that are passed on at a time."""
    silent: bool = False
    """Half-open: what comes is thrown away, and neither side hears of the other's end."""
    cut: bool = False
    """Both ends are reset: those that are there, and each new one at once."""
    gone: bool = False
    """Nobody listens: a connect is refused."""
    close_after: int | None = None
    """Both ends are closed in order once the upstream has sent so many bytes."""


WHOLE = Trouble()
HALF_OPEN = Trouble(silent=True)
RESET = Trouble(cut=True)
GONE = Trouble(cut=True, gone=True)
CLOSED_EARLY = Trouble(close_after=1)
SPLIT = Trouble(piece=1)
BYTE_A_SECOND = Trouble(piece=1, delay_s=1.0)


def late(seconds: float) -> Trouble:
    """Every chunk comes so much later."""
    return Trouble(delay_s=seconds)


@dataclass(eq=False)
class _Line:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    lost: bool = False
    sent: int = 0
    tail: bytes = b""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def end(self, *, reset: bool) -> None:
        """End both ends at once."""
        for writer in (self.client, self.server):
            if writer is not None:
                _end(writer, reset=reset)


class FaultProxy:
    """Listens on a port of its own and passes on to `upstream`, with the trouble that is set."""

    def __init__(self, port: int, upstream: Upstream) -> None:
        self.port = port
        self.opened = 0
        self._upstream = upstream
        self._trouble = WHOLE
        self._changed = asyncio.Event()
        self._lines: set[_Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def lines(self) -> int:
        """How many connections stand now."""
        return len(self._lines)

    async def listen(self) -> None:
        """Open the port (0: any free one)."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, HOST, self.port, backlog=256)
            self.port = self._server.sockets[0].getsockname()[1]

    async def set(self, trouble: Trouble) -> None:
        """Do this to every connection from now on. Lines that went silent are reset: they never come back."""
        before, self._trouble = self._trouble, trouble
        self._changed.set()
        self._changed = asyncio.Event()
        for line in list(self._lines):
            if trouble.cut or (before.silent and line.lost):
                line.end(reset=True)
        if trouble.gone and self._server is not None:
            self._server.close()
            self._server = None
        elif not trouble.gone:
            await self.listen()

    @contextlib.asynccontextmanager
    async def under(self, trouble: Trouble) -> AsyncIterator[None]:
        """The trouble is there inside the block, and gone after it."""
        await self.set(trouble)
        try:
            yield
        finally:
            await self.set(WHOLE)

    async def inject(self, data: bytes, *, after: bytes = b"", patience_s: float = 2.0) -> int:
        """Say this to every client, as if the upstream had; where `after` was said last. Returns to how many."""
        told = 0
        for line in list(self._lines):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(patience_s):
                    while not line.tail.endswith(after):  # noqa: ASYNC110  # bounded by the time-out
                        await asyncio.sleep(0.005)
                    line.client.write(data)
                    await line.client.drain()
                    told += 1
        return told

    async def close(self) -> None:
        """End everything."""
        await self.set(GONE)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        line = _Line(writer)
        self._lines.add(line)
        self.opened += 1
        try:
            await self._carry(line, reader)
        except (OSError, asyncio.CancelledError):
            line.end(reset=True)  # nobody stands behind the proxy, or the test is over
        finally:
            line.end(reset=False)
            self._lines.discard(line)
            self._tasks.discard(task)

    async def _carry(self, line: _Line, reader: asyncio.StreamReader) -> None:
        if self._trouble.cut:
            line.end(reset=True)
            return
        answers, line.server = await self._upstream()
        async with asyncio.TaskGroup() as group:
            ways = [
                group.create_task(self._pump(line, reader, line.server, down=False)),
                group.create_task(self._pump(line, answers, line.client, down=True)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            while line.lost and self._trouble.silent:
                await self._changed.wait()
            for way in ways:
                way.cancel()

    async def _pump(
        self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._pass_on(line, data, writer, down=down)
                if down and self._trouble.close_after is not None and line.sent >= self._trouble.close_after:
                    return
        if self._trouble.silent:
            line.lost = True

    async def _pass_on(self, line: _Line, data: bytes, writer: asyncio.StreamWriter, *, down: bool) -> None:
        at = 0
        while at < len(data):
            if self._trouble.delay_s:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._trouble.delay_s)
            trouble = self._trouble
            if trouble.silent or line.lost:
                line.lost = True
                return
            piece = data[at : at + trouble.piece]
            at += len(piece)
            if down:
                line.sent += len(piece)
                line.tail = (line.tail + piece)[-8:]
                if trouble.close_after is not None and line.sent >= trouble.close_after:
                    return
            writer.write(piece)
            await writer.drain()
            if trouble.piece == 1:
                await asyncio.sleep(0)


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    transport = writer.transport
    if transport.is_closing():
        return
    if reset:
        plug: socket.socket = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        writer.close()


def tcp(address: tuple[str, int]) -> Upstream:
    """An upstream by its address."""
    return lambda: asyncio.open_connection(*address)


def unix(path: Callable[[], str]) -> Upstream:
    """An upstream by the path of its socket, asked for at each connection."""
    return lambda: asyncio.open_unix_connection(path())


@contextlib.asynccontextmanager
async def proxying(port: int, upstream: Upstream) -> AsyncIterator[FaultProxy]:
    """A proxy that listens, and is gone after the block."""
    proxy = FaultProxy(port, upstream)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
