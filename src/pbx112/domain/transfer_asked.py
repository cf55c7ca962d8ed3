"""What a desk may ask of a call's transfers now, by the record, and by what was asked a moment ago and is not in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pbx112.domain.errors import CallNotTalking, NoSuchTransfer, TransferRefused, TransferTaken
from pbx112.domain.record import CallState
from pbx112.domain.transfer import Move, TransferState
from pbx112.domain.transfer_words import refusal

START = "start"

START_SETTLES = timedelta(seconds=10)
MOVE_SETTLES = timedelta(seconds=3)
"""So long a request that shows nowhere yet holds off others: the journal is usually 0.1 s behind."""

_UNDER_WAY = frozenset({TransferState.REQUESTED, TransferState.CALLING, TransferState.BRIEFING})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may have reached Asterisk; `seen` is the transfer's state when it was made."""

    transfer: UUID
    move: str
    by: str
    at: datetime
    seen: str | None = None


@dataclass(frozen=True, slots=True)
class Lately:
    """What was asked for a call in the last seconds before `now`."""

    asked: Sequence[Asked]
    now: datetime


Transfers = Sequence[Mapping[str, Any]]
"""The transfers of a public call record."""


def check_talk(call: Mapping[str, Any], lang: str) -> None:
    """Raises CallNotTalking unless a caller of 112 is in a talk with an operator, or in a transfer."""
    talking = call["state"] in {CallState.TALKING, CallState.TRANSFERRING} and call["operator"] is not None
    if not talking or call["direction"] != "inbound":
        raise CallNotTalking(_say("no_talk", lang))


def check_start(transfers: Transfers, lately: Lately, lang: str) -> None:
    """Raises TransferTaken or TransferRefused when no agency may be called now."""
    _check_lately(transfers, lately, lang)
    for one in transfers:
        if one["state"] in _UNDER_WAY:
            raise TransferRefused(_say("under_way", lang, agency=one["agency"] or "-"))
        if one["state"] == TransferState.HANDED_OVER:
            raise TransferRefused(_say("handed_over", lang, agency=one["agency"] or "-"))


def check_move(transfers: Transfers, transfer: UUID, move: Move, lately: Lately, lang: str) -> Mapping[str, Any]:
    """The transfer that the move is for. Raises TransferTaken, NoSuchTransfer or TransferRefused."""
    _check_lately(transfers, lately, lang)
    found = next((one for one in transfers if str(one["id"]) == str(transfer)), None)
    if found is None:
        raise NoSuchTransfer(_say("unknown", lang))
    words = refusal(TransferState(found["state"]), move, lang)
    if words is not None:
        raise TransferRefused(words)
    # The dialplan moves the operator, who is with one agency alone, or calls it, before he is with the others.
    other = next((one for one in transfers if one is not found and one["state"] in _UNDER_WAY), None)
    if other is not None:
        raise TransferRefused(_say("under_way", lang, agency=other["agency"] or "-"))
    return found


def _check_lately(transfers: Transfers, lately: Lately, lang: str) -> None:
    states = {str(one["id"]): one["state"] for one in transfers}
    for one in lately.asked:
        shown = states.get(str(one.transfer))
        if one.move == START:
            open_ = shown in {None, TransferState.REQUESTED} and lately.now - one.at < START_SETTLES
        else:
            open_ = shown == one.seen and lately.now - one.at < MOVE_SETTLES
        if open_:
            raise TransferTaken(_say("taken", lang, by=one.by))


def no_lines(agency: str, lang: str) -> str:
    """That the agency cannot be called."""
    return _say("no_lines", lang, agency=agency)


def not_blind(agency: str, lang: str) -> str:
    """That callers may not be left to this agency at once."""
    return _say("not_blind", lang, agency=agency)


def not_now(operator: str, lang: str) -> str:
    """That operator and caller are not together by what Asterisk has now."""
    return _say("not_now", lang, operator=operator)


_WORDS: Mapping[str, tuple[str, str]] = {
    "no_talk": (
        "Panggilan ini tidak sedang dibicarakan dengan operator, jadi tidak dapat dialihkan.",
        "This call is in no talk with an operator, so it cannot be handed over.",
    ),
    "taken": (
        "Permintaan {by} untuk panggilan ini sedang dijalankan; tunggu sebentar.",
        "A request of {by} for this call is being carried out; wait a moment.",
    ),
    "under_way": (
        "Instansi {agency} masih dihubungi; gabungkan, serahkan, atau batalkan dahulu.",
        "The agency {agency} is being called or briefed; join it, hand over to it, or cancel it first.",
    ),
    "unknown": ("Panggilan ini tidak punya pengalihan dengan id itu.", "The call has no transfer with this id."),
    "handed_over": (
        "Penelepon sudah diserahkan kepada {agency}.",
        "The caller has been handed over to {agency} already.",
    ),
    "no_lines": ("Instansi {agency} tidak punya saluran.", "The agency {agency} has no line."),
    "not_blind": (
        "Panggilan tidak boleh diserahkan kepada {agency} tanpa pengantar.",
        "Calls may not be left to {agency} without a briefing.",
    ),
    "not_now": (
        "Telepon {operator} dan penelepon tidak sedang bersama; saat ini tidak ada yang dapat dipindahkan.",
        "The phone of {operator} and the caller are not together; nothing can be moved just now.",
    ),
}


def _say(key: str, lang: str, **facts: str) -> str:
    return _WORDS[key][0 if lang == "id" else 1].format(**facts)
