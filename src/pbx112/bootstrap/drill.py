"""One drill call against the running system, and its record."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pbx112.bootstrap.applied import database_url
from pbx112.domain.demo import DRILL_ACCOUNT, DRILL_SOURCE
from pbx112.domain.errors import Pbx112Error
from pbx112.host.drill import DrillFailed, DrillPlan, DrillResult, place_drill
from pbx112.host.secrets import read_secrets
from pbx112.settings import Settings
from pbx112.storage.call_list import CallFilter, list_calls
from pbx112.storage.engine import make_engine, reading

DRILL_NUMBER = "+628112112112"
_RECORD_SECONDS = 5.0


class DrillRecordMissing(Pbx112Error):
    """The drill call was answered, and its record did not come."""

    slug = "drill-record-missing"


@dataclass(frozen=True, slots=True)
class DrillOutcome:
    """What the phones saw, and the record that came of it."""

    result: DrillResult
    record: dict[str, Any]


async def drill(settings: Settings, progress: Callable[[str], None]) -> DrillOutcome:
    """Place one drill call and wait for its record. Raises DrillFailed or DrillRecordMissing, both in words."""
    host, port = settings.sip_bind
    plan = DrillPlan(
        sip_host="127.0.0.1" if host in {"0.0.0.0", "::"} else host,  # noqa: S104 - compared, not bound
        sip_port=port,
        caller_source_ip=DRILL_SOURCE,
        caller_number=DRILL_NUMBER,
        operator=DRILL_ACCOUNT,
        operator_secret=read_secrets(settings.secrets_file).phones[DRILL_ACCOUNT],
    )
    result = await place_drill(plan, progress)
    if not result.passed:
        raise DrillFailed("they talked", "one did not hear the other", "RTP: the port range and the firewall")
    record = await _record_of(settings, result.sip_call_id)
    outcome = DrillOutcome(result, record)
    _tell(outcome, progress)
    return outcome


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
