"""The proxy does what its troubles say, and is whole again afterwards."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import (
    CLOSED_EARLY,
    GONE,
    HALF_OPEN,
    HOST,
    RESET,
    SPLIT,
    WHOLE,
    FaultProxy,
    Trouble,
    late,
    proxying,
    tcp,
)


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[FaultProxy]:
    """A proxy in front of an upstream that says everything again."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    async with server, proxying(0, tcp(server.sockets[0].getsockname())) as proxy:
        yield proxy


async def said(proxy: FaultProxy, words: bytes = b"hello") -> bytes:
    """What comes back within half a second."""
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        writer.write(words)
        return await asyncio.wait_for(reader.readexactly(len(words)), 0.5)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("trouble", [WHOLE, SPLIT, late(0.05)])
async def test_given_a_slow_line_when_something_is_said_then_all_of_it_arrives(trouble: Trouble) -> None:
    async with echo() as proxy, proxy.under(trouble):
        began = time.monotonic()
        assert await said(proxy, b"x" * 500) == b"x" * 500
        assert time.monotonic() - began >= 2 * trouble.delay_s


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (HALF_OPEN, TimeoutError),
        (RESET, (ConnectionResetError, asyncio.IncompleteReadError)),
        (GONE, ConnectionRefusedError),
        (CLOSED_EARLY, asyncio.IncompleteReadError),
    ],
)
async def test_given_a_broken_line_when_it_is_healed_then_it_works_again(
    trouble: Trouble, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    async with echo() as proxy:
        async with proxy.under(trouble):
            with pytest.raises(error):
                await said(proxy)
        assert await said(proxy) == b"hello"


async def test_given_a_standing_line_when_it_goes_silent_then_it_never_comes_back() -> None:
    async with echo() as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        async with proxy.under(HALF_OPEN):
            writer.write(b"lost")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        assert await said(proxy) == b"hello"
    assert proxy.lines == 0


async def test_given_words_that_are_injected_when_the_line_rests_then_the_client_hears_them_in_between() -> None:
    async with echo() as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        assert await proxy.inject(b"lie\n", after=b"\n") == 1
        assert await reader.readline() == b"lie\n"
        writer.close()
