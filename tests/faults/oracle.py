"""The oracle: SIPp's own list of calls against the records: each has exactly one, whole and true; nothing else has.

Missing 0, twice 0, open 30 s after healing 0. Nothing is forgiven because a part was dead: Asterisk lived.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from tests.support.sipp_log import SippCall

OPEN_SECONDS = 30.0
AGREE = timedelta(seconds=1)
"""On a machine at its limit an INVITE is lost now and then, and sent again after half a second."""

COMFORT_MS = 9_000.0
"""Who waits ten seconds gets his 200 from the comfort prompt (`answer_mode` after 10 s), not from an operator."""

_SHOWN = 10

_QUERY = (
    "SELECT sip_call_id, state, outcome, intake, operator, received_at, queued_at, answered_at, ended_at "
    "FROM calls WHERE received_at >= $1"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What the oracle looks at in a call record."""

    sip_call_id: str | None
    state: str
    outcome: str | None
    intake: str
    received_at: datetime
    queued_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    operator: str | None = None

    @property
    def queue_ms(self) -> float | None:
        """Milliseconds from the INVITE's arrival to the queue."""
        return None if self.queued_at is None else (self.queued_at - self.received_at).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, by kind, in words."""

    calls: int
    rows: Sequence[Row]
    missing: Sequence[str]
    twice: Sequence[str]
    open: Sequence[str]
    unknown: Sequence[str]
    untrue: Sequence[str]

    @property
    def holds(self) -> bool:
        """True when every call has its one true record."""
        return not (self.missing or self.twice or self.open or self.unknown or self.untrue)

    def __str__(self) -> str:
        kinds = {
            "missing": self.missing,
            "twice": self.twice,
            f"open after {OPEN_SECONDS:.0f} s": self.open,
            "known to no SIPp": self.unknown,
            "not true": self.untrue,
        }
        counts = ", ".join(f"{name} {len(found)}" for name, found in kinds.items())
        lines = [f"{self.calls} calls, {len(self.rows)} records: {counts}."]
        for name, found in kinds.items():
            lines += [f"  {name}: {text}" for text in found[:_SHOWN]]
            lines += [f"  {name}: and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return "\n".join(lines)


def judge(calls: Iterable[SippCall], rows: Sequence[Row], *, agree: timedelta = AGREE) -> Verdict:
    """Compare both lists."""
    known: Mapping[str | None, SippCall] = {call.call_id: call for call in calls}
    times = Counter(row.sip_call_id for row in rows)
    return Verdict(
        calls=len(known),
        rows=rows,
        missing=[f"{_call(call)} has no record" for name, call in known.items() if not times[name]],
        twice=[f"{_call(known[name])} has {n} records" for name, n in times.items() if n > 1 and name in known],
        open=[f"{_row(row)} is still {row.state}" for row in rows if row.state != "ended" or row.ended_at is None],
        unknown=[f"{_row(row)} is of no call that was placed" for row in rows if row.sip_call_id not in known],
        untrue=[
            text for row in rows if row.sip_call_id in known for text in _untrue(known[row.sip_call_id], row, agree)
        ],
    )


def _untrue(call: SippCall, row: Row, agree: timedelta) -> list[str]:
    """Where a record says something else than SIPp saw."""
    name = _row(row)
    found = []
    late = call.answer_ms is not None and call.answer_ms >= COMFORT_MS
    answered = row.answered_at is not None if late else call.answered_at is not None
    if answered != (row.answered_at is not None):
        seen = "no answer" if call.answered_at is None else f"a 200 at {call.answered_at:%H:%M:%S.%f}"
        found.append(f"{name} has answered_at {row.answered_at}, and SIPp saw {seen}")
    if (row.outcome == "answered") != answered and row.state == "ended":
        found.append(f"{name} has the outcome {row.outcome}, and SIPp saw {call.final_code}")
    if row.answered_at is not None and row.queued_at is None:
        found.append(f"{name} was answered and never queued")
    ended = call.bye_at if call.answered_at is not None else (call.cancelled_at or call.final_at)
    pairs = (
        ("received_at", row.received_at, call.invite_at),
        ("answered_at", row.answered_at, None if late else call.answered_at),
        ("ended_at", row.ended_at, ended),
    )
    for field, recorded, seen_at in pairs:
        if recorded is not None and seen_at is not None and abs(recorded - seen_at) > agree:
            off = (recorded - seen_at).total_seconds()
            found.append(f"{name} has {field} {off:+.3f} s off what SIPp saw")
    return found


def _call(call: SippCall) -> str:
    end = f"ended with {call.final_code}" if call.final_code else "without a final answer"
    return f"the call {call.call_id} of {call.invite_at:%H:%M:%S.%f} ({end})"


def _row(row: Row) -> str:
    return f"the record of {row.sip_call_id} ({row.received_at:%H:%M:%S.%f}, intake {row.intake})"


async def rows_since(connection: asyncpg.Connection[Any], since: datetime) -> list[Row]:
    """Every record of a call received since then."""
    return [Row(**dict(row)) for row in await connection.fetch(_QUERY, since)]


async def verdict(
    calls: Sequence[SippCall],
    read: Callable[[], Awaitable[Sequence[Row]]],
    *,
    deadline_s: float = OPEN_SECONDS,
) -> Verdict:
    """Judge until all is well, for 30 s after healing at most; the last judgement."""
    deadline = time.monotonic() + deadline_s
    while True:
        found = judge(calls, await read())
        if found.holds or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.25)
