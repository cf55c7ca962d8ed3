"""The HTTP server under the roof's signals, tried again where its address is taken."""

import asyncio
import contextlib
from collections.abc import Iterator

import structlog
import uvicorn
from fastapi import FastAPI

from pbx112.settings import Bind

log = structlog.get_logger(__name__)

_STOP_SECONDS = 2
_RETRY_SECONDS = 2.0


class _HttpServer(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the roof decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the roof."""
        yield


class WebDoor:
    """The HTTP server. When its address is taken it is tried again: no call, and no record, waits for the web."""

    def __init__(self, app: FastAPI, bind: Bind) -> None:
        self._config = uvicorn.Config(
            app,
            host=bind.host,
            port=bind.port,
            log_config=None,
            access_log=False,
            server_header=False,
            ws_max_size=64 * 1024,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then let the requests in progress end."""
        while not stop.is_set():
            server = _HttpServer(self._config)
            telling = asyncio.create_task(_tell(server, stop), name="http stop")
            try:
                await server.serve()
            except SystemExit:
                log.error("The web door cannot be opened; it is tried again.", port=self._config.port)  # noqa: TRY400
            finally:
                telling.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RETRY_SECONDS)


async def _tell(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True
