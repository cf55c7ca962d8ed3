"""One drill call against the running system, and its record.

All drills use one operator account, so only one may be under way: a second would take the first one's phone away.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbx112.bootstrap.applied import database_url
from pbx112.domain.demo import DRILL_ACCOUNT, DRILL_SOURCE
from pbx112.domain.errors import Pbx112Error
from pbx112.host.drill import DrillFailed, DrillPlan, DrillResult, place_drill
from pbx112.host.folders import FolderInUse, FolderLock
from pbx112.host.secrets import read_secrets
from pbx112.services.canary import DrillUnderWay
from pbx112.settings import Settings
from pbx112.storage.call_list import CallFilter, list_calls
from pbx112.storage.engine import make_engine, reading

DRILL_NUMBER = "+628112112112"
_RECORD_SECONDS = 5.0
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.2


class DrillRecordMissing(Pbx112Error):
    """The drill call was answered, and its record did not come."""

    slug = "drill-record-missing"


@dataclass(frozen=True, slots=True)
class DrillOutcome:
    """What the phones saw, and the record that came of it."""

    result: DrillResult
    record: dict[str, Any]


async def drill(
    settings: Settings, progress: Callable[[str], None], *, patience: float = _PATIENCE_SECONDS
) -> DrillOutcome:
    """Place one drill call and wait for its record. Raises DrillFailed or DrillRecordMissing, both in words.

    While another drill call of this centre is under way it waits, for `patience` seconds at most, and then raises
    DrillUnderWay.
    """
    async with _turn(settings, progress, patience):
        result = await place_drill(_plan(settings), progress)
    if not result.passed:
        raise DrillFailed("they talked", "one did not hear the other", "RTP: the port range and the firewall")
    record = await _record_of(settings, result.sip_call_id)
    outcome = DrillOutcome(result, record)
    _tell(outcome, progress)
    return outcome


@contextlib.asynccontextmanager
async def _turn(settings: Settings, progress: Callable[[str], None], patience: float) -> AsyncIterator[None]:
    """The centre's one drill call is ours inside."""
    deadline = time.monotonic() + patience
    lock, told = _lock(settings), False
    while lock is None:
        if time.monotonic() >= deadline:
            raise DrillUnderWay("Another drill call of this centre is under way; try again when it is over.")
        if not told:
            progress("another drill call is under way; waiting until it is over")
            told = True
        await asyncio.sleep(_LOOK_SECONDS)
        lock = _lock(settings)
    try:
        yield
    finally:
        lock.release()


def _lock(settings: Settings) -> FolderLock | None:
    with contextlib.suppress(FolderInUse):
        return FolderLock(drill_lock(settings))
    return None


def drill_lock(settings: Settings) -> Path:
    """The file that whoever places a drill call holds locked."""
    return settings.state_dir / ".drill.lock"


def _plan(settings: Settings) -> DrillPlan:
    host, port = settings.sip_bind
    return DrillPlan(
        sip_host="127.0.0.1" if host in {"0.0.0.0", "::"} else host,  # noqa: S104 - compared, not bound
        sip_port=port,
        caller_source_ip=DRILL_SOURCE,
        caller_number=DRILL_NUMBER,
        operator=DRILL_ACCOUNT,
        operator_secret=read_secrets(settings.secrets_file).phones[DRILL_ACCOUNT],
    )


async def _record_of(settings: Settings, sip_call_id: str) -> dict[str, Any]:
    engine = make_engine(database_url(settings), pool_size=1)
    deadline = time.monotonic() + _RECORD_SECONDS
    try:
        while time.monotonic() < deadline:
            async with reading(engine) as connection:
                page = await list_calls(connection, CallFilter(drill=True), cursor=None, limit=20)
            for record in page.items:
                if record["sip_call_id"] == sip_call_id and record["state"] == "ended":
                    return dict(record)
            await asyncio.sleep(0.02)
    finally:
        await engine.dispose()
    raise DrillRecordMissing(
        f"The drill call was answered, but its record did not come within {_RECORD_SECONDS:.0f} s. "
        "Look at the journal's part in `pbx112 doctor`."
    )


def _tell(outcome: DrillOutcome, progress: Callable[[str], None]) -> None:
    record, result = outcome.record, outcome.result
    heard = "yes" if result.passed else "NO"
    progress(
        f"Drill call {record['id']}: {record['outcome']} by {record['operator']} after {record['wait_ms']} ms, "
        f"{record['talk_ms']} ms talk, intake {record['intake']}, caller {record['caller']['number']} "
        f"({record['caller']['class']}), ended by {record['hangup_by']}; both heard each other: {heard}."
    )
