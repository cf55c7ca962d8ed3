"""A journal reader and keeper in a process that is killed (SIGKILL) again and again at random moments.

`python -m tests.support.killed_reader URL JOURNAL SEED KILLS`: a fork takes milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.journal import reader, rotate
from pbx112.journal.reader import JournalReader
from pbx112.journal.rotate import JournalKeeper, KeepRules
from pbx112.storage.engine import make_engine
from tests.support.recorded import NODE

MAX_BYTES = 6_000
PRACTICE_SECONDS = 1.0


async def work(engine: AsyncEngine, journal: Path) -> None:
    """Read, rename and delete as the service does, only far more often."""
    keeper = JournalKeeper(engine, node=NODE, path=journal, rules=KeepRules(MAX_BYTES, keep_seconds=0.3))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(JournalReader(engine, node=NODE, path=journal, poll_seconds=0.002).run())
        tasks.create_task(keeper.run())


async def practise(engine: AsyncEngine, journal: Path) -> None:
    """Work for a while. A fork then has every statement compiled, and is killed at its work, not at its start."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PRACTICE_SECONDS):
            await work(engine, journal)
    await engine.dispose()


def main(url: str, journal: Path, seed: int, kills: int) -> None:
    """Start it and kill it, `kills` times."""
    # Without these every kill would fall into the same second of waiting.
    reader._QUIET_SECONDS = 0.02
    reader._LOOK_SECONDS = 0.005
    rotate._LOOK_SECONDS = 0.03
    rotate._DELETE_EVERY_SECONDS = 0.05
    chance = random.Random(seed)
    engine = make_engine(url, pool_size=2)
    asyncio.run(practise(engine, journal))
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            asyncio.run(work(engine, journal))
            os._exit(1)
        time.sleep(chance.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit("The reader ended by itself.")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
