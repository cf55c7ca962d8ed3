"""Small readings of the journal that every fold shares."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any


def cause_of(facts: Mapping[str, Any]) -> int | None:
    """The Q.850 cause of a HANGUP line; None for one that is no cause."""
    cause = facts.get("hangupcause")
    return cause if isinstance(cause, int) and 0 <= cause < 256 else None


def text_of(facts: Mapping[str, Any], name: str) -> str:
    """A text of a payload; empty when it is absent or anything else: a payload must never stop a fold."""
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def whole_ms(duration: timedelta) -> int:
    """Whole milliseconds, never negative: a clock that was set back must not show in a record."""
    return max(round(duration / timedelta(milliseconds=1)), 0)
