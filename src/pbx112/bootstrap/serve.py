"""The start and the end of the service: calls are taken in first, the other doors open behind them."""

import asyncio
import gc
import importlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvloop

from pbx112.bootstrap.applied import applied_configuration
from pbx112.bootstrap.call_door import CallDoor
from pbx112.bootstrap.logs import configure_logs
from pbx112.settings import Settings

log = structlog.get_logger(__name__)

_SWITCH_SECONDS = 0.0005


def serve_until_told() -> None:
    """Run the service with this process's environment. Raises what the environment or `serve` has against it."""
    uvloop.run(serve(Settings()))


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT; a stop takes at most five seconds.

    It needs neither database nor Asterisk to start: calls' intake works from the applied configuration on disk, and
    each door reconnects by itself. Raises NotPrepared when nothing was ever applied.
    """
    configure_logs(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    calls = CallDoor(settings, applied_configuration(settings))
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(calls.serve_until(stop), name="calls")
        log.info("Calls are taken in.", agi=str(settings.agi_bind))
        with _in_small_turns():
            # What the other doors are made of takes most of a start's time; calls go on meanwhile.
            doors = await asyncio.to_thread(importlib.import_module, "pbx112.bootstrap.doors")
        await doors.run(settings, calls, taking, stop)
    log.info("The service has stopped.")


@contextmanager
def _in_small_turns() -> Iterator[None]:
    """Inside, the loop waits for a thread that computes half a millisecond instead of five; nothing is collected."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
        gc.enable()
        gc.freeze()  # modules live as long as the process: no collection need look at them
