"""A FastAGI server of a test's own on a free port, and a client that calls it as Asterisk does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from pbx112.agi.intake import AgiIntake
from pbx112.agi.server import AgiServer, Route
from pbx112.domain.demo import DEMO_CENTRE
from tests.support.agi import PLAIN, AsteriskSide

INTAKE = AgiIntake(lambda: DEMO_CENTRE, "node1")


@dataclass
class Running:
    server: AgiServer
    address: tuple[str, int]
    stop: asyncio.Event
    results: list[str] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)

    async def until(self, *results: str) -> None:
        await until(lambda: self.results == list(results), f"{self.results} instead of {results}")


async def until(condition: Callable[[], bool], problem: str = "") -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, problem
        await asyncio.sleep(0.005)


@asynccontextmanager
async def running(
    route: Route = INTAKE, *, deadline_s: float = 0.7, max_connections: int = 256
) -> AsyncIterator[Running]:
    results: list[str] = []
    server = AgiServer(
        ("127.0.0.1", 0),
        {"intake": route},
        deadline_s=deadline_s,
        max_connections=max_connections,
        observer=lambda result, _: results.append(result),
    )
    served = Running(server, server.listen(), asyncio.Event(), results)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(server.serve_until(served.stop))
        await until(lambda: server.serving)
        try:
            yield served
        finally:
            served.stop.set()
    assert server.open_connections == 0
    assert not server.serving


async def call(served: Running, environment: bytes = PLAIN, side: AsteriskSide | None = None) -> AsteriskSide:
    side = side or AsteriskSide()
    reader, writer = await served.connect()
    writer.write(environment)
    with suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(side.answer(line))
    writer.close()
    return side


async def everything(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
