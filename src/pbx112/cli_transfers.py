"""A call's transfers to agencies, told to people."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pbx112.cli_show import duration, show_line, show_table
from pbx112.settings import Settings

_INDONESIAN: Mapping[str, str] = {
    "warm": "dengan pengantar",
    "conference": "bertiga",
    "blind": "tanpa pengantar",
    "phone": "dari telepon",
    "desk": "dari meja",
    "requested": "diminta",
    "calling": "memanggil",
    "briefing": "pengantar",
    "handed_over": "diserahkan",
    "ended": "berakhir",
    "cancelled": "dibatalkan",
    "exhausted": "semua saluran gagal",
    "agency_left": "instansi menutup",
    "caller_left": "penelepon menutup",
    "returned": "kembali ke antrean",
    "completed": "selesai",
    "lost": "terputus",
    "answered": "dijawab",
    "unconfirmed": "tanpa konfirmasi",
    "busy": "sibuk",
    "no_answer": "tidak dijawab",
    "unavailable": "tidak terhubung",
    "failed": "gagal",
    "caller": "penelepon",
    "operator": "operator",
    "agency": "instansi",
    "hold": "terlalu lama ditahan",
    "room": "sendirian",
}
"""The public words of a transfer in the centre's language; in English they stand as they are."""

_COLUMNS = ("agency", "mode", "state", "at", "lines", "dispatch", "hold", "conversations")


def show_transfers(transfers: Sequence[Mapping[str, Any]], of: Settings) -> None:
    """Print them as a table of their own; nothing when there are none."""
    if transfers:
        show_line("")
        show_table(of.lang, _COLUMNS, [_row(one, of) for one in transfers])


def _row(one: Mapping[str, Any], of: Settings) -> tuple[object, ...]:
    def say(word: str | None) -> str:
        return "-" if word is None else (_INDONESIAN.get(word, word) if of.lang == "id" else word.replace("_", " "))

    def clock(at: datetime | None) -> str:
        return "" if at is None else at.astimezone(ZoneInfo(of.timezone)).strftime("%H:%M:%S")

    state = say(one["result"] or one["state"])
    if one["returned"] is not None and one["result"] != "returned":
        state = f"{state}, {say('returned')}"
    if one["returned"] is not None:
        state = f"{state} ({say(one['returned'])})"
    lines = [f"{tried['line']} {say(tried['result'])} {duration(tried['ring_ms'])}" for tried in one["attempts"]]
    talks = [
        f"{clock(talk['from'])}-{clock(talk['until'])} {'+'.join(map(say, talk['parties']))}"
        for talk in one["conversations"]
    ]
    return (
        one["agency"],
        f"{say(one['mode'])}, {say(one['by'])}",
        state,
        clock(one["requested_at"]),
        "; ".join(lines) or "-",
        duration(one["dispatch_ms"]),
        duration(one["hold_ms"]),
        "; ".join(talks) or "-",
    )
