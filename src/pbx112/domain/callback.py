"""Calling a caller back: whom one cannot call, who may not call now, and how long the work is one operator's. Pure.

The refusals are for the operator who asked, in his centre's language.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pbx112.domain.caller import CallerClass
from pbx112.domain.configuration import Trunk
from pbx112.domain.live import OperatorState
from pbx112.domain.record import CallState

LEASE = timedelta(seconds=180)
"""So long nobody else may call the same caller back; long enough for both rings and a note of what came of it."""

RING_SECONDS = 25
"""How long the operator's own phone rings."""

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""A whole number (E.164): the only kind that is ever dialled."""

_REFUSALS: Mapping[str, tuple[str, str]] = {
    "drill": (
        "Ini panggilan latihan; tidak ada yang dapat ditelepon balik.",
        "This was a drill; there is nobody to call back.",
    ),
    "outbound": (
        "Catatan ini sendiri telepon balik; telepon baliklah dari panggilan asalnya, {origin}.",
        "This record is a call back itself; call back from the call that it belongs to, {origin}.",
    ),
    "open": (
        "Panggilan ini masih berlangsung; tunggu sampai berakhir.",
        "This call is still going on; wait for its end.",
    ),
    CallerClass.DEVICE_ONLY: (
        "Tidak dapat ditelepon balik: ponsel tanpa kartu SIM, hanya IMEI yang diketahui. Pakai lokasi di catatan; bila "
        "ia menelepon lagi, tanyakan lokasinya lebih dulu.",
        "Cannot be called back: a handset without a SIM card, only its IMEI is known. Use the record's location; when "
        "he calls again, ask for the location first.",
    ),
    CallerClass.PSEUDO_ANI: (
        "Tidak dapat ditelepon balik: nomornya nomor pengganti dari jaringan, bukan nomor penelepon. Pakai lokasi di "
        "catatan; bila ia menelepon lagi, tanyakan lokasinya lebih dulu.",
        "Cannot be called back: the number is the network's stand-in, not the caller's. Use the record's location; "
        "when he calls again, ask for the location first.",
    ),
    CallerClass.ANONYMOUS: (
        "Tidak dapat ditelepon balik: jaringan tidak memberi nomor. Bila ia menelepon lagi, tanyakan lokasinya lebih "
        "dulu.",
        "Cannot be called back: the network gave no number. When he calls again, ask for the location first.",
    ),
    CallerClass.UNTRUSTED_CLAIM: (
        "Tidak ditelepon balik: nomor {number} hanya pengakuan yang tidak dijamin jaringan, bisa milik orang lain.",
        "Not called back: the number {number} is only a claim that no network vouches for; it may be somebody else's.",
    ),
    CallerClass.UNPARSEABLE: (
        "Tidak dapat ditelepon balik: nomor penelepon tidak terbaca.",
        "Cannot be called back: the caller's number cannot be read.",
    ),
    "unchecked": (
        "Tidak ditelepon balik: nomor {number} tidak diperiksa, karena layanan sedang mati saat panggilan masuk. "
        "Periksa nomornya, lalu telepon dari telepon biasa.",
        "Not called back: the number {number} was not checked, as the service was down when the call came. Check it, "
        "and call it from an ordinary telephone.",
    ),
    "number": (
        "Tidak dapat ditelepon balik: {number} bukan nomor telepon lengkap.",
        "Cannot be called back: {number} is not a whole telephone number.",
    ),
    "no trunk": (
        "Tidak dapat ditelepon balik: trunk {trunk} sudah tidak ada. Telepon nomornya dari telepon biasa.",
        "Cannot be called back: there is no trunk {trunk} any more. Call the number from an ordinary telephone.",
    ),
    "no address": (
        "Tidak dapat ditelepon balik: trunk {trunk} tidak punya alamat keluar; admin dapat mengisinya (outbound). "
        "Sementara itu telepon nomornya dari telepon biasa.",
        "Cannot be called back: trunk {trunk} has no address for outgoing calls; an admin can set it (outbound). Until "
        "then call the number from an ordinary telephone.",
    ),
}
_READY: Mapping[OperatorState, tuple[str, str]] = {
    OperatorState.TALKING: (
        "{operator} sedang bicara di telepon; akhiri dulu panggilannya.",
        "{operator} is on the phone; end that call first.",
    ),
    OperatorState.RINGING: (
        "Telepon {operator} sedang berdering; jawab dulu.",
        "The phone of {operator} rings; answer it first.",
    ),
    OperatorState.OFFLINE: (
        "Telepon {operator} tidak terdaftar atau tidak terhubung; sambungkan dulu.",
        "The phone of {operator} is not registered or not reachable; connect it first.",
    ),
}
_TAKEN = (
    "{operator} sedang menelepon balik penelepon ini; giliran lain mulai {until}.",
    "{operator} is calling this caller back; others may from {until}.",
)
_ON_THE_LINE = (
    "Penelepon ini sedang menelepon 112 sejak {since} (panggilan {call}); jangan ditelepon balik sekarang.",
    "This caller is calling 112 now, since {since} (call {call}); do not call him back.",
)
_UP = (
    "{operator} sedang menelepon balik penelepon ini sejak {since}, dan panggilannya belum berakhir.",
    "{operator} has been calling this caller back since {since}, and that call is not over.",
)


def refusal(call: Mapping[str, Any], trunk: Trunk | None, lang: str) -> str | None:
    """Why the caller of this (public) record cannot be called back; None when he can.

    `trunk` is the configured trunk that the call came by.
    """
    reason = _reason(call, trunk)
    if reason is None:
        return None
    facts = {
        "number": call["caller"]["number"] or call["caller"]["raw_number"] or "-",
        "trunk": call["trunk"] or "-",
        "origin": call["callback_of"],
    }
    return _say(_REFUSALS[reason], lang).format(**facts)


def not_ready(operator: str, state: OperatorState, lang: str) -> str | None:
    """Why this operator cannot call back now, by what his phone does; None when he can (a pause is no hindrance)."""
    texts = _READY.get(state)
    return None if texts is None else _say(texts, lang).format(operator=operator)


def taken(operator: str, until: str, lang: str) -> str:
    """That another operator works on this caller, and until when (local time)."""
    return _say(_TAKEN, lang).format(operator=operator, until=until)


def still_up(operator: str, since: str, lang: str) -> str:
    """That a call back to this caller is not over."""
    return _say(_UP, lang).format(operator=operator, since=since)


def on_the_line(call: object, since: str, lang: str) -> str:
    """That the caller himself is calling just now."""
    return _say(_ON_THE_LINE, lang).format(call=call, since=since)


def _reason(call: Mapping[str, Any], trunk: Trunk | None) -> str | None:
    number = call["caller"]["callback_number"]
    checks = (
        ("drill", call["drill"]),
        ("outbound", call["direction"] != "inbound"),
        ("open", call["state"] != CallState.ENDED),
        (call["caller"]["class"], call["caller"]["class"] in _REFUSALS),
        ("unchecked", number is None and call["caller"]["number"] is not None),
        ("number", number is None or NUMBER.fullmatch(number) is None),
        ("no trunk", trunk is None),
        ("no address", trunk is not None and trunk.outbound is None),
    )
    return next((str(reason) for reason, holds in checks if holds), None)


def _say(texts: tuple[str, str], lang: str) -> str:
    return texts[0] if lang == "id" else texts[1]
