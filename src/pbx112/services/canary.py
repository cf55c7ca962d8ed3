"""The canary: the service calls 112 itself, as a drill, and notices when that does not come through."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import structlog

from pbx112.domain.errors import Pbx112Error
from pbx112.services.metrics import Metrics
from pbx112.services.ports import LiveSource

log = structlog.get_logger(__name__)

_DEADLINE_SECONDS = 60.0
_AGAIN_SECONDS = 60.0
_MOST_LOAD = 1.5
_MOST_WAITING = 1  # a drill waits behind them, and app_queue counts its operator as one of theirs


class DrillUnderWay(Pbx112Error):
    """Another drill call is under way, and there is one operator account for all."""

    slug = "drill-under-way"


class Canary:
    """Places a drill call every so many minutes. `failures` counts those in a row, `problem` says why the last failed.

    `place` makes one drill call and raises when it does not go the whole way. A failed call is tried again after a
    minute, so that an alarm does not wait for the next turn. It is put off by a minute while `busy`, and while a drill
    by hand is under way.
    """

    def __init__(
        self,
        place: Callable[[], Awaitable[None]],
        minutes: float,
        metrics: Metrics,
        *,
        busy: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        deadline: float = _DEADLINE_SECONDS,
    ) -> None:
        self._place = place
        self._minutes = minutes
        self._metrics = metrics
        self._busy = busy
        self._sleep = sleep
        self._deadline = deadline
        self._put_off = False
        self.failures = 0
        self.problem: str | None = None

    async def run(self) -> None:
        """Place drill calls for ever; 0 minutes: never."""
        if not self._minutes:
            return
        while True:
            again = self.failures or self._put_off or self._busy()
            await self._sleep(min(_AGAIN_SECONDS, self._minutes * 60) if again else self._minutes * 60)
            if self._busy():
                self._metrics.canary("skipped")
                continue
            await self.once()

    async def once(self) -> None:
        """Place one drill call and note how it went. Never raises."""
        self._put_off = False
        try:
            async with asyncio.timeout(self._deadline):
                await self._place()
        except DrillUnderWay:
            log.info("The canary's turn is put off: another drill call is under way.")
            self._put_off = True
            self._metrics.canary("skipped")
        except TimeoutError:
            self._failed(f"it was not over after {self._deadline:.0f} s.")
        except Pbx112Error as error:
            self._failed(str(error))
        except Exception as error:
            log.exception("The canary could not place its drill call, by a fault of ours.")
            self._failed(type(error).__name__)
        else:
            self._metrics.canary("passed")
            self.failures, self.problem = 0, None

    def _failed(self, problem: str) -> None:
        self._metrics.canary("failed")
        self.failures, self.problem = self.failures + 1, problem
        log.warning("The canary's drill call failed.", reason=problem, in_a_row=self.failures)


def is_busy(live: LiveSource) -> bool:
    """True while the machine or the queues have more to do than to practise: the calls that wait are proof enough."""
    waiting = sum(len(queue.waiting) for queue in live.state.queues)
    return waiting >= _MOST_WAITING or os.getloadavg()[0] / (os.cpu_count() or 1) > _MOST_LOAD
