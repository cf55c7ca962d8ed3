"""How the steps that the journal tells move a transfer on.

A step that cannot follow (a line is missing, or came twice) changes nothing; what an agency's line did is kept in any
state, as it did it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from pbx112.domain.events import JournalEvent
from pbx112.domain.readings import text_of, whole_ms
from pbx112.domain.transfer import (
    Attempt,
    LineResult,
    RequestedBy,
    ReturnReason,
    Transfer,
    TransferMode,
    TransferResult,
    TransferState,
)

_WITH_OPERATOR = frozenset({TransferState.BRIEFING, TransferState.CONFERENCE})


def apply(transfer: Transfer, event: JournalEvent) -> Transfer:
    """The transfer after a PBX112_TRANSFER event of it; the same for a step that cannot follow. Never raises."""
    step = _STEPS.get(text_of(event.extra, "step"))
    if step is None:
        return transfer
    words = (text_of(event.extra, name) for name in ("one", "two", "three"))
    return step(transfer, event.at, *words)


def lost(transfer: Transfer, at: datetime) -> Transfer:
    """The same when Asterisk has died under it."""
    if transfer.ended:
        return transfer
    rung = (_settled(one, at, LineResult.FAILED, "") for one in transfer.attempts)
    return _end(replace(transfer, attempts=tuple(rung)), at, TransferResult.LOST)


def without_caller(transfer: Transfer) -> Transfer:
    """The same when the caller had gone before the agency's leg ended: nobody had to be handed over any more."""
    if transfer.result in {TransferResult.AGENCY_LEFT, TransferResult.CANCELLED}:
        return replace(transfer, result=TransferResult.CALLER_LEFT)
    return transfer


def _end(transfer: Transfer, at: datetime, result: TransferResult) -> Transfer:
    if transfer.ended:
        return transfer
    return replace(transfer, state=TransferState.ENDED, result=result, ended_at=at)


def _begun(transfer: Transfer, at: datetime, agency: str, mode: str, by: str) -> Transfer:
    if transfer.mode is not None:
        return transfer
    calling = transfer.state is TransferState.REQUESTED
    return replace(
        transfer,
        requested_at=min(transfer.requested_at, at),
        agency=agency or None,
        mode=TransferMode(mode) if mode in set(TransferMode) else None,
        by=RequestedBy(by) if by in set(RequestedBy) else None,
        state=TransferState.CALLING if calling else transfer.state,
    )


def _rings(transfer: Transfer, at: datetime, line: str, _: str, __: str) -> Transfer:
    if any((one.line, one.at) == (line, at) for one in transfer.attempts):
        return transfer
    return replace(_calling(transfer), attempts=(*transfer.attempts, Attempt(line, at)))


def _calling(transfer: Transfer) -> Transfer:
    """Lines ring: so it has begun, though the line that says so is missing."""
    if transfer.state is TransferState.REQUESTED:
        return replace(transfer, state=TransferState.CALLING)
    return transfer


def _change(transfer: Transfer, line: str, change: Callable[[Attempt], Attempt]) -> Transfer:
    """Change the last attempt on this line."""
    for place in reversed(range(len(transfer.attempts))):
        attempt = transfer.attempts[place]
        if attempt.line == line:
            changed = (*transfer.attempts[:place], change(attempt), *transfer.attempts[place + 1 :])
            return replace(transfer, attempts=changed)
    return transfer


def _answered(transfer: Transfer, at: datetime, line: str, _: str, __: str) -> Transfer:
    def lift(attempt: Attempt) -> Attempt:
        if attempt.answered_at is not None or attempt.result is not None:
            return attempt
        return replace(attempt, answered_at=at, ring_ms=whole_ms(at - attempt.at))

    return _change(transfer, line, lift)


def _ready(transfer: Transfer, at: datetime, line: str, key: str, _: str) -> Transfer:
    def take(attempt: Attempt) -> Attempt:
        if attempt.result is not None:
            return attempt
        lifted_at = attempt.answered_at or at
        ring_ms = whole_ms(lifted_at - attempt.at)
        return replace(attempt, result=LineResult.ANSWERED, key=key or None, answered_at=lifted_at, ring_ms=ring_ms)

    changed = _change(transfer, line, take)
    if transfer.ended or transfer.answered_at is not None:
        return changed
    lifted = [one.answered_at for one in changed.attempts if one.line == line and one.answered_at is not None]
    return replace(changed, line=line or None, answered_at=lifted[-1] if lifted else at)


def _unconfirmed(transfer: Transfer, at: datetime, line: str, _: str, __: str) -> Transfer:
    return _change(transfer, line, lambda attempt: _settled(attempt, at, LineResult.UNCONFIRMED, ""))


def _line_failed(transfer: Transfer, at: datetime, line: str, status: str, cause: str) -> Transfer:
    result = _BY_DIALSTATUS.get(status, LineResult.FAILED)
    return _change(transfer, line, lambda attempt: _settled(attempt, at, result, cause))


_BY_DIALSTATUS = {
    "BUSY": LineResult.BUSY,
    "NOANSWER": LineResult.NO_ANSWER,
    "CHANUNAVAIL": LineResult.UNAVAILABLE,
    "CANCEL": LineResult.CANCELLED,
}


def _settled(attempt: Attempt, at: datetime, result: LineResult, cause: str) -> Attempt:
    """The attempt with its end: the first result counts, the cause is added when it was not known."""
    if attempt.answered_at is not None:
        result = LineResult.UNCONFIRMED  # it was lifted, and whoever did that has gone before he was ready
    ring_ms = attempt.ring_ms if attempt.ring_ms is not None else whole_ms(at - attempt.at)
    number = int(cause) if _CAUSE.fullmatch(cause) else None
    known = attempt.cause if attempt.cause is not None else (number or None)  # 0: not defined
    return replace(attempt, result=attempt.result or result, cause=known, ring_ms=ring_ms)


_CAUSE = re.compile(r"[0-9]{1,3}", re.ASCII)


def _exhausted(transfer: Transfer, at: datetime, *_: str) -> Transfer:
    return _end(transfer, at, TransferResult.EXHAUSTED)


def _joined(transfer: Transfer, at: datetime, *_: str) -> Transfer:
    if transfer.state not in {TransferState.REQUESTED, TransferState.CALLING}:
        return transfer
    if transfer.mode is TransferMode.BLIND:
        return replace(transfer, state=TransferState.HANDED_OVER, handed_over_at=at)
    private = transfer.mode is not TransferMode.CONFERENCE and not transfer.together
    return replace(transfer, state=TransferState.BRIEFING if private else TransferState.CONFERENCE)


def _together(transfer: Transfer, _: datetime, *__: str) -> Transfer:
    if transfer.state is TransferState.BRIEFING:
        return replace(transfer, state=TransferState.CONFERENCE, together=True)
    return transfer if transfer.ended else replace(transfer, together=True)


def _handed(transfer: Transfer, at: datetime, *_: str) -> Transfer:
    if transfer.state not in _WITH_OPERATOR:
        return transfer  # the agency is not there yet, so the caller has not been handed to anybody
    return replace(transfer, state=TransferState.HANDED_OVER, handed_over_at=at)


def _cancelled(transfer: Transfer, at: datetime, *_: str) -> Transfer:
    return _end(transfer, at, TransferResult.CANCELLED)


def _left(transfer: Transfer, at: datetime, line: str, cause: str, status: str) -> Transfer:
    """The agency's leg has ended: one that rang is no more called, one that talked has gone."""
    rang = LineResult.CANCELLED if status == "CANCEL" else LineResult.FAILED
    changed = _change(transfer, line, lambda attempt: _settled(attempt, at, rang, cause))
    if transfer.state is TransferState.HANDED_OVER:
        return _end(changed, at, TransferResult.COMPLETED)
    return _end(changed, at, TransferResult.CANCELLED if status == "CANCEL" else TransferResult.AGENCY_LEFT)


def _returned(transfer: Transfer, at: datetime, why: str, *_: str) -> Transfer:
    if transfer.returned is not None or why not in set(ReturnReason):
        return transfer
    changed = _end(transfer, at, TransferResult.RETURNED)
    result = TransferResult.RETURNED if changed.result is TransferResult.COMPLETED else changed.result
    return replace(changed, result=result, returned=ReturnReason(why))


_STEPS: Mapping[str, Callable[..., Transfer]] = {
    "begun": _begun,
    "rings": _rings,
    "answered": _answered,
    "ready": _ready,
    "unconfirmed": _unconfirmed,
    "line": _line_failed,
    "exhausted": _exhausted,
    "joined": _joined,
    "conference": _together,
    "handed": _handed,
    "cancelled": _cancelled,
    "left": _left,
    "returned": _returned,
}
