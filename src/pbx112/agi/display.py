"""How the caller shows on the operator's phone: a number that may be dialled, and a short text in ASCII."""

from pbx112.domain.caller import Caller, CallerClass
from pbx112.services.intake import NUISANCE_WARNING

ANONYMOUS = "anonymous"
"""The SIP user of a caller who must not be called back by a press of the redial key."""

_TEXTS: dict[str, dict[CallerClass, str]] = {
    "id": {
        CallerClass.ASSERTED: "{number}",
        CallerClass.ASSERTED_WITHHELD: "Dirahasiakan {number}",
        CallerClass.ASSERTED_FOREIGN: "Luar negeri {number}",
        CallerClass.PSEUDO_ANI: "Tanpa SIM? {number}",
        CallerClass.DEVICE_ONLY: "Tanpa SIM? IMEI {imei}",
        CallerClass.ANONYMOUS: "Anonim",
        CallerClass.UNTRUSTED_CLAIM: "Belum pasti {number}",
        CallerClass.UNPARSEABLE: "Nomor tak terbaca",
    },
    "en": {
        CallerClass.ASSERTED: "{number}",
        CallerClass.ASSERTED_WITHHELD: "Withheld {number}",
        CallerClass.ASSERTED_FOREIGN: "Foreign {number}",
        CallerClass.PSEUDO_ANI: "SIM-less? {number}",
        CallerClass.DEVICE_ONLY: "SIM-less? IMEI {imei}",
        CallerClass.ANONYMOUS: "Anonymous",
        CallerClass.UNTRUSTED_CLAIM: "Unverified {number}",
        CallerClass.UNPARSEABLE: "Number unreadable",
    },
}

_NUISANCE = {"id": "Iseng?", "en": "Nuisance?"}


def shown_number(caller: Caller) -> str:
    """The number for the phone's redial key; `anonymous` where a call back cannot reach the caller."""
    claimed = caller.number if caller.caller_class is CallerClass.UNTRUSTED_CLAIM else None
    return caller.callback_number or claimed or ANONYMOUS


def shown_name(caller: Caller, language: str) -> str:
    """One line for the phone's display, in the centre's language (Indonesian when there is no text for it)."""
    text = _TEXTS.get(language, _TEXTS["id"])[caller.caller_class]
    warning = _NUISANCE.get(language, _NUISANCE["id"]) if NUISANCE_WARNING in caller.warnings else ""
    return f"{warning} {text.format(number=caller.number or '', imei=caller.imei or '')}".strip()
