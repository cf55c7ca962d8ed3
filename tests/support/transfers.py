"""Records with transfers as people can check them by eye: times are milliseconds since the call came in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pbx112.domain.record import CallRecord
from pbx112.storage.calls import public

_SHOWN = ("state", "outcome", "operator", "answered_at", "ended_at", "talk_ms", "hangup_by", "priority", "offers")


def shown(record: CallRecord) -> dict[str, Any]:
    """What a transfer changes in a record, and all of its transfers, in plain JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return round((value - record.received_at).total_seconds() * 1000)
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, UUID) else value

    told = public(record)
    return {name: plain(told[name]) for name in (*_SHOWN, "transfers")}
