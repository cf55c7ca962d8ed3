"""Clients that ask the service's FastAGI door in bad faith, or from a sick Asterisk; calls go on beside them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tests.support.agi import PLAIN

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
AT_ONCE = 5
LARGE = b"1" * 10 * 1024 * 1024


async def early_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Gone in the middle of the environment."""
    writer.write(PLAIN[:100])
    await writer.drain()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connected, and nothing said."""
    await reader.read()


async def byte_a_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The environment, one byte a second."""
    for at in range(len(PLAIN)):
        writer.write(PLAIN[at : at + 1])
        await writer.drain()
        await asyncio.sleep(1)


async def large_header(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An environment of 10 MB without its end."""
    writer.write(b"agi_network_script: intake\nagi_callerid: ")
    writer.write(LARGE)
    await writer.drain()
    await reader.read()


async def large_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A good environment, and 10 MB in answer to the first question."""
    writer.write(PLAIN)
    await reader.readline()
    writer.write(b"200 result=1 (")
    writer.write(LARGE)
    await writer.drain()
    await reader.read()


CLIENTS: dict[str, Client] = {
    client.__name__: client for client in (early_close, silence, byte_a_second, large_header, large_answer)
}


async def beset(address: tuple[str, int], client: Client, seconds: float, *, at_once: int = AT_ONCE) -> int:
    """So many of these clients at every moment, each anew when it was thrown out; how many there were."""
    count = 0

    async def one_after_another() -> None:
        nonlocal count
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*address)
                count += 1
                try:
                    await client(reader, writer)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.5)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_another())
    return count
