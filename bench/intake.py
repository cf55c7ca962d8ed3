"""What the intake costs a caller: INVITE from the carrier to INVITE at the operator's phone, with it and without.

Side `pbx112` is the product: journal of the arrival, FastAGI, routing, queue. Side `bare` is `Ringing()` and
`Queue(112,r)` on the same Asterisk, by an extension that only this benchmark adds to its own rendered dialplan. Blocks
of calls alternate, and the side that begins changes with each pair, so that a machine that grows slower or faster
favours neither: the result is the median of the pairs' differences. The times are those of SIPp's own logs; it stamps
what it sends only after sending, so that one call in some hundred looks too short, which no median sees.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.centre import Centre, running_centre, until
from tests.support.sipp import SCENARIOS, SippJob, run_sipp
from tests.support.tools import sipp_argv

from bench.phones import Phones, phones
from bench.report import Outcome, figures

WHAT = "milliseconds from the carrier's INVITE to the INVITE at the operator's phone"
LIMIT_MS = 10.0
PAIRS, BLOCK, WARM_UP = 4, 50, 10
RATE = 5.0
ANSWER_MS, TALK_MS = 20, 40
BARE_EXTENSION = "999"
BARE = f"""
; Added by bench/intake.py, to be measured against: never a part of the product.
[from-trunk]
exten => {BARE_EXTENSION},1,Ringing()
 same => n,Queue(112,r)
"""
SIDES = {"pbx112": "112", "bare": BARE_EXTENSION}


@dataclass(frozen=True, slots=True)
class Block:
    """The calls of one side that were placed one after another: milliseconds from INVITE to INVITE."""

    side: str
    times_ms: list[float]

    @property
    def median_ms(self) -> float:
        """The block's own median: compared with that of the block beside it."""
        return statistics.median(self.times_ms)


async def run() -> Outcome:
    """Start a centre, place the calls, compare."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        async with running_centre(folder, worker=9) as centre:
            await _add_bare_queue(centre)
            version = (await centre.cli("core show version")).split(" built ")[0]
            async with phones(centre, folder, answer_ms=ANSWER_MS) as held:
                numbers = itertools.count()
                for side in SIDES:
                    await _block(centre, held, side, WARM_UP, numbers)
                pairs = [await _pair(centre, held, n, numbers) for n in range(PAIRS)]
    return outcome(pairs, version)


def outcome(pairs: Sequence[Mapping[str, Block]], version: str) -> Outcome:
    """The figures of both sides and the verdict."""
    added = [pair["pbx112"].median_ms - pair["bare"].median_ms for pair in pairs]
    result = statistics.median(added)
    sides = {side: figures([ms for pair in pairs for ms in pair[side].times_ms]) for side in SIDES}
    passed = result <= LIMIT_MS
    facts: dict[str, Any] = {
        "asterisk": version,
        "what": WHAT,
        "calls_a_second": RATE,
        "limit_ms": LIMIT_MS,
        "added_ms": round(result, 3),
        "added_ms_by_pair": [round(value, 3) for value in added],
        "ratio": round(sides["pbx112"]["median"] / sides["bare"]["median"], 3),
        "sides": sides,
        "block_medians": {side: [round(pair[side].median_ms, 3) for pair in pairs] for side in SIDES},
        "times_ms": {side: [[round(ms, 3) for ms in pair[side].times_ms] for pair in pairs] for side in SIDES},
    }
    return Outcome("intake", passed, _text(facts, passed), facts)


async def _add_bare_queue(centre: Centre) -> None:
    """Put the bare extension into the running centre's rendered dialplan, which ends with the centre."""
    etc = centre.settings.asterisk_dir / "etc"
    (etc / "bench.conf").write_text(BARE)
    with (etc / "extensions.conf").open("a") as file:
        file.write('\n#include "bench.conf"\n')
    await centre.cli("dialplan reload")
    shown = await centre.cli(f"dialplan show {BARE_EXTENSION}@from-trunk")
    assert "Queue(112,r)" in shown, shown


async def _pair(centre: Centre, held: Phones, n: int, numbers: itertools.count[int]) -> dict[str, Block]:
    order = list(SIDES) if n % 2 == 0 else list(reversed(SIDES))
    return {side: await _block(centre, held, side, BLOCK, numbers) for side in order}


async def _block(centre: Centre, held: Phones, side: str, count: int, numbers: itertools.count[int]) -> Block:
    """Place the calls, each with a number of its own, and match the carrier's log with the phones'."""
    mine = [f"{next(numbers):06d}" for _ in range(count)]
    job = SippJob(
        sipp_argv(),
        SCENARIOS / "carrier_talk.xml",
        "127.0.0.2",
        remote=centre.sip,
        service=SIDES[side],
        calls=count,
        rate=RATE,
        pause_ms=TALK_MS,
        rows=[(f"+6281100{number}",) for number in mine],
        deadline_s=60,
    )
    calls = (await run_sipp(job)).assert_all_good()
    assert len(calls) == count, f"{len(calls)} of {count} calls left the carrier"
    rang = held.rang_at()
    left = {mine[int(call.call_id.split("-")[1]) - 1]: call.invite_at for call in calls}
    missing = [number for number in mine if number not in rang]
    assert not missing, f"calls that reached no phone: {missing}"
    await until(lambda: _quiet(centre), 10, "all channels gone before the next block")
    await asyncio.sleep(0.2)
    return Block(side, [(rang[number] - left[number]).total_seconds() * 1000 for number in mine])


async def _quiet(centre: Centre) -> bool | None:
    return True if await centre.channels() == 0 else None


def _text(facts: Mapping[str, Any], passed: bool) -> str:
    columns = ("count", "median", "p99", "q1", "q3", "min", "max")
    lines = [
        "",
        f"intake: {facts['what']}; {facts['asterisk']}, {facts['calls_a_second']:g} calls a second",
        "  side    " + "".join(f"{name:>9}" for name in columns) + "   medians of the blocks",
    ]
    for side, values in facts["sides"].items():
        told = "".join(f"{values[name]:>9.2f}" if name != "count" else f"{values[name]:>9}" for name in columns)
        lines.append(f"  {side:<8}{told}   {', '.join(f'{ms:.2f}' for ms in facts['block_medians'][side])}")
    by_pair = ", ".join(f"{ms:.2f}" for ms in facts["added_ms_by_pair"])
    lines.append(f"  added {facts['added_ms']:.2f} ms a call (pairs: {by_pair}), ratio {facts['ratio']:.2f}")
    lines.append(f"  {'PASS' if passed else 'FAIL'}: the limit is {facts['limit_ms']:g} ms")
    return "\n".join(lines)
