"""NOTIFY as a wake-up: what was missed while the connection was away must be polled by whoever listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog

from pbx112.domain.errors import DatabaseUnavailable
from pbx112.storage.engine import connect_arguments, server_settings
from pbx112.storage.faults import FAULTS, translate

log = structlog.get_logger(__name__)

MISSED = ""
"""Put in the queue when notifications may have been lost (a new connection, a full queue): read everything again."""

_SIGN_OF_LIFE_SECONDS = 10
_BACKOFF_SECONDS = (0.1, 2.0)


@asynccontextmanager
async def listening(url: str, channel: str, *, size: int = 256) -> AsyncIterator["asyncio.Queue[str]"]:
    """Give a queue of the channel's payloads; MISSED stands for "anything may have happened".

    The connection is made and remade in the background, so a dead database raises nothing here. The queue holds
    `size` payloads; a consumer that is too slow finds MISSED instead of those it lost.
    """
    queue: asyncio.Queue[str] = asyncio.Queue(size)
    listener = asyncio.create_task(_listen_for_ever(url, channel, queue), name=f"listen {channel}")
    try:
        yield queue
    finally:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener


async def _listen_for_ever(url: str, channel: str, queue: "asyncio.Queue[str]") -> None:
    wait = _BACKOFF_SECONDS[0]
    told = False
    while True:
        try:
            connection = await _connect(url)
            try:
                await _pass_on(connection, channel, queue)
            finally:
                connection.terminate()
        except FAULTS as error:
            fault = translate(error)
            if not isinstance(fault, DatabaseUnavailable):
                raise
            if not told:
                log.warning("The listener of the database was cut off; it reconnects.", reason=str(fault))
            told, wait = True, min(wait * 2, _BACKOFF_SECONDS[1])
        else:
            told, wait = False, _BACKOFF_SECONDS[0]
        await asyncio.sleep(wait)


async def _connect(url: str) -> Any:
    arguments = connect_arguments(url)
    for unknown in ("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"):
        arguments.pop(unknown, None)
    settings = server_settings(role=None, statement_timeout_ms=5000)
    return await asyncpg.connect(**arguments, timeout=3, command_timeout=7, server_settings=settings)


async def _pass_on(connection: Any, channel: str, queue: "asyncio.Queue[str]") -> None:
    """Return when the connection ends; raise when it is silent."""
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    await connection.add_listener(channel, lambda *said: _put(queue, str(said[3])))
    _put(queue, MISSED)
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SIGN_OF_LIFE_SECONDS):
                await ended.wait()
        if not ended.is_set():
            await connection.execute("SELECT 1")


def _put(queue: "asyncio.Queue[str]", payload: str) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        payload = MISSED
    queue.put_nowait(payload)
