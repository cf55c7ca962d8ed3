"""`make soak MINUTES=n`: calls without end, faults at random (the seed is printed), and the oracle's verdict.

python -m tests.faults.soak --minutes 30 --seed 112
python -m tests.faults.soak --only "service killed" --times 50 --rate 10
python -m tests.faults.soak --only "PostgreSQL frozen" --times 1 --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.conftest import FULL, used
from tests.faults import faults
from tests.faults.load import Load, callers, phones
from tests.faults.oracle import Row, verdict
from tests.faults.rig import Rig, running_rig
from tests.faults.trial import MOST_MS, Memory, watched_memory
from tests.support.centre import until

ROUND_MINUTES = 10.0
READY_SECONDS = 5.0
GROWN_MB = 40.0
TOGETHER = 0.25
"""How often two faults of different parts come at once."""

GROUPS = (
    faults.AGI_DOOR,
    faults.AGI_LINE,
    faults.AGI_SPLIT,
    faults.AMI,
    faults.AMI_BURST,
    faults.DATABASE,
    faults.PROCESSES,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    minutes: float
    seed: int
    rate: float
    only: tuple[str, ...] = ()
    times: int | None = None
    seconds: float | None = None


@dataclass
class Soak:
    """A soak at work."""

    rig: Rig
    plan: Plan
    chance: random.Random
    began: float = field(default_factory=time.monotonic)
    injected: int = 0
    calls: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """True when the time is over, or there were as many faults as asked for."""
        return self.left_s <= 0 or (self.plan.times is not None and self.injected >= self.plan.times)

    @property
    def left_s(self) -> float:
        """Seconds until the end."""
        return self.plan.minutes * 60 - (time.monotonic() - self.began)

    def choose(self) -> list[str]:
        """The next fault, or two of different parts."""
        if self.plan.only:
            return [self.chance.choice(self.plan.only)]
        groups = self.chance.sample(GROUPS, 2 if self.chance.random() < TOGETHER else 1)
        return [self.chance.choice(list(group)) for group in groups]


async def soak(plan: Plan) -> int:
    """The whole of it; 0 when everything is as promised."""
    say(f"seed {plan.seed}: {plan.minutes:g} minutes at {plan.rate:g} calls a second")
    with tempfile.TemporaryDirectory(prefix="pbx112-soak-") as folder:
        async with running_rig(Path(folder)) as rig:
            work = Soak(rig, plan, random.Random(plan.seed))
            at_rest = await used(rig.centre, rig.service)
            start_mb = rig.memory_mb()
            while not work.done:
                async with phones(rig.centre):
                    await one_round(work)
                await at_peace(work, at_rest)
            say(f"service {start_mb:.0f} MB at the start, {rig.memory_mb():.0f} MB at the end")
            if rig.memory_mb() > start_mb + GROWN_MB:
                work.problems.append("the service has grown")
    away = work.rig.ready_s
    ready = (
        f"{len(away)} kills, ready again in {statistics.median(away):.1f} s, {max(away):.1f} at worst; " if away else ""
    )
    say(f"seed {plan.seed}: {work.calls} calls, {work.injected} faults, {ready}{len(work.problems)} problems")
    for problem in work.problems:
        say(f"PROBLEM {problem}")
    return 1 if work.problems else 0


async def one_round(work: Soak) -> None:
    """Up to ten minutes of calls and faults; then it heals, and the oracle judges the round."""
    async with watched_memory(work.rig) as memory, callers(work.rig.centre, work.plan.rate) as load:
        telling = asyncio.create_task(a_line_a_minute(work, load, memory))
        end = time.monotonic() + ROUND_MINUTES * 60
        try:
            await asyncio.sleep(2)
            while not work.done and time.monotonic() < end:
                await next_faults(work)
                await asyncio.sleep(min(work.chance.uniform(0, 5), max(work.left_s, 0)))
        finally:
            telling.cancel()
    await judge_round(work, load)


async def next_faults(work: Soak) -> None:
    """One fault, or two at once; a lone kill must be over in five seconds."""
    names = work.choose()
    seconds = work.plan.seconds or work.chance.uniform(1, 15)
    work.injected += 1
    kills = len(work.rig.ready_s)
    began = time.monotonic()
    found = await asyncio.gather(*(faults.ALL[name](work.rig, seconds) for name in names), return_exceptions=True)
    say(f"  {' and '.join(names)} for {time.monotonic() - began:.1f} s")
    work.problems += [f"{name}: {error!r}" for name, error in zip(names, found, strict=True) if error is not None]
    if len(names) == 1:
        slow = [taken for taken in work.rig.ready_s[kills:] if taken > READY_SECONDS]
        work.problems += [f"killed, the service was ready only after {taken:.1f} s" for taken in slow]


async def a_line_a_minute(work: Soak, load: Load, memory: Memory) -> None:
    """How it goes."""
    while True:
        await asyncio.sleep(60)
        rows = await work.rig.rows(load.since)
        calls = await asyncio.to_thread(lambda: len(load.calls))
        say(
            f"minute {(time.monotonic() - work.began) / 60:.0f}: {work.calls + calls} calls, {work.injected} faults; "
            f"{len(rows)} records, {worst_of(rows)}; service at most {memory.taken():.0f} MB, "
            f"machine's load {os.getloadavg()[0]:.1f}"
        )


async def judge_round(work: Soak, load: Load) -> None:
    """The oracle, and the time to the queue of every caller."""
    await work.rig.ready()
    found = await verdict(load.calls, lambda: work.rig.rows(load.since))
    work.calls += len(load.calls)
    say(f"{found} {worst_of(found.rows)}")
    if not found.holds:
        work.problems.append(str(found))
    slow = [row.queue_ms for row in found.rows if row.queue_ms is not None and row.queue_ms >= MOST_MS]
    if slow:
        work.problems.append(f"{len(slow)} callers took longer than {MOST_MS:.0f} ms to the queue: {max(slow):.0f} ms")


def worst_of(rows: Sequence[Row]) -> str:
    """The longest way to the queue, in words."""
    times = sorted(row.queue_ms for row in rows if row.queue_ms is not None)
    if not times:
        return "no record can be read just now"
    return f"to the queue in {times[len(times) // 2]:.0f} ms (median), {times[-1]:.0f} ms (worst)"


async def at_peace(work: Soak, before: dict[str, int]) -> None:
    """Nothing hangs: no channel is up, and the service holds no more than at rest."""
    held: dict[str, int] = {}

    async def calm() -> bool | None:
        held.update(await used(work.rig.centre, work.rig.service), channels=await work.rig.centre.channels())
        most = {name: max(before[name], full) for name, full in FULL.items()} | {"channels": 0}
        return True if all(held[name] <= most[name] for name in most) else None

    try:
        await until(calm, 30, "all given back")
    except AssertionError:
        work.problems.append(f"not given back: {held}, at rest {before}")


def say(line: str) -> None:
    """One line, at once."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> int:
    """Read the arguments and soak."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--minutes", type=float, default=5)
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    words.add_argument("--rate", type=float, default=8)
    words.add_argument("--only", action="append", default=[], choices=sorted(faults.ALL))
    words.add_argument("--times", type=int)
    words.add_argument("--seconds", type=float)
    asked = words.parse_args()
    plan = Plan(asked.minutes, asked.seed, asked.rate, tuple(asked.only), asked.times, asked.seconds)
    return asyncio.run(soak(plan))


if __name__ == "__main__":
    sys.exit(main())
