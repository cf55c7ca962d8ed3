"""Who is calling, from the raw SIP headers and what the trunk is trusted with.

The classes and their order are those of the identity table for emergency calls (3GPP TS 24.229, RFC 3325,
RFC 3323, RFC 7254 for the IMEI). A class never decides whether a call is answered, and nothing here raises:
whatever cannot be read keeps its raw value.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from pbx112.domain.configuration import NumberFormat

COUNTRY_CODE = "62"
RAW_LIMIT = 256


class CallerClass(StrEnum):
    """How much is known of a caller's identity."""

    ASSERTED = "asserted"
    ASSERTED_WITHHELD = "asserted_withheld"
    ASSERTED_FOREIGN = "asserted_foreign"
    PSEUDO_ANI = "pseudo_ani"
    DEVICE_ONLY = "device_only"
    ANONYMOUS = "anonymous"
    UNTRUSTED_CLAIM = "untrusted_claim"
    UNPARSEABLE = "unparseable"


@dataclass(frozen=True, slots=True)
class SipIdentity:
    """The headers a caller's identity is read from, raw; an absent header is an empty string."""

    asserted: str = ""
    from_: str = ""
    contact: str = ""
    privacy: str = ""
    remote_party: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a call record; see the interface names for the meaning of each field."""

    caller_class: CallerClass
    number: str | None = None
    raw_number: str | None = None
    callback_number: str | None = None
    withheld: bool = False
    imei: str | None = None
    cpc: str | None = None
    warnings: tuple[str, ...] = ()


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ANGLED = re.compile(r"<([^<>]*)>")
_URI_USER = re.compile(r"\s*(?:sips?|tel):([^@;>?\s,]*)", re.IGNORECASE)
_BARE_ANONYMOUS = frozenset({"", "anonymous", "unavailable", "unknown", "restricted", "private", "withheld"})
_IMEI = re.compile(r"urn:gsma:imei:([0-9-]{14,20})", re.IGNORECASE)
_CPC = re.compile(r"[;?]cpc=([a-z-]{1,24})", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s().\-]")
_KEY_PREFIX = {CallerClass.PSEUDO_ANI: "pseudo:", CallerClass.UNTRUSTED_CLAIM: "claim:"}
_CALLBACK = frozenset({CallerClass.ASSERTED, CallerClass.ASSERTED_WITHHELD, CallerClass.ASSERTED_FOREIGN})


def classify(
    identity: SipIdentity,
    *,
    trusted: bool,
    number_format: NumberFormat = NumberFormat.AUTO,
    pseudo_patterns: Iterable[str] = (),
) -> Caller:
    """Decide the identity class: asserted identity first, then Remote-Party-ID, From as a claim, then the IMEI."""
    imei = read_imei(identity.contact)
    cpc = _cpc(identity)
    source, is_claim = _identity_source(identity, trusted)
    raw = _uri_user(source)
    if raw is None or raw.lower() in _BARE_ANONYMOUS:
        return _numberless(raw, source, imei, cpc)
    number = normalise(raw, number_format)
    if number is None:
        return Caller(
            CallerClass.UNPARSEABLE,
            raw_number=clean(raw),
            imei=imei,
            cpc=cpc,
            warnings=("number_unreadable",),
        )
    withheld = _withheld(identity)
    caller_class = _class_of(number, raw, is_claim, withheld, pseudo_patterns)
    return Caller(
        caller_class=caller_class,
        number=number,
        raw_number=clean(raw),
        callback_number=number if caller_class in _CALLBACK else None,
        withheld=withheld,
        imei=imei,
        cpc=cpc,
        warnings=_warnings(caller_class),
    )


def normalise(raw: str, number_format: NumberFormat = NumberFormat.AUTO) -> str | None:
    """A calling number as E.164 (`+6281..`), or None when it is not a number at all."""
    digits = _SEPARATORS.sub("", raw)
    plus = digits.startswith("+")
    digits = digits[1:] if plus else digits
    if not digits.isascii() or not digits.isdigit() or not 3 <= len(digits) <= 15:
        return None
    if plus:
        return f"+{digits}"
    if number_format is NumberFormat.E164:
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}" if len(digits) > 5 else None
    if digits.startswith("0"):
        return f"+{COUNTRY_CODE}{digits[1:]}"
    if number_format is NumberFormat.NATIONAL or not digits.startswith(COUNTRY_CODE):
        return f"+{COUNTRY_CODE}{digits}" if len(digits) >= 7 else digits
    return f"+{digits}"


def read_imei(contact: str) -> str | None:
    """The IMEI (RFC 7254) of a Contact's instance id, with its dashes as received, or None."""
    found = _IMEI.search(contact)
    return found.group(1).strip("-") if found else None


def number_key(caller: Caller) -> str | None:
    """By what a caller's number is known again; None for a caller without one.

    Only an asserted number stands for a person. Pseudo numbers collide and claims can be forged: their keys have a
    prefix (`pseudo:`, `claim:`), link calls as a hint, and are never merged or scored.
    """
    if caller.number is None:
        return None
    prefix = _KEY_PREFIX.get(caller.caller_class, "")
    return f"{prefix}{caller.number}"


def is_person(key: str | None) -> bool:
    """True for a number's key that stands for one caller."""
    return key is not None and ":" not in key


def imei_key(caller: Caller) -> str | None:
    """By what a caller's handset is known again: the IMEI's first 14 digits; its check digit is often sent as 0."""
    digits = "".join(char for char in caller.imei or "" if char.isdigit())[:14]
    return digits if len(digits) == 14 else None


def clean(raw: str) -> str:
    """Text that a caller sent, safe to show: bounded, control characters and percent escapes made visible."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in raw[:RAW_LIMIT])


def _identity_source(identity: SipIdentity, trusted: bool) -> tuple[str, bool]:
    if trusted and identity.asserted:
        return _best_asserted(identity.asserted), False
    if trusted and identity.remote_party:
        return identity.remote_party, False
    return identity.from_, True


def _best_asserted(asserted: str) -> str:
    """Of several asserted identities (RFC 3325 allows a sip and a tel value) the first that has a number."""
    for uri in _uris(asserted):
        user = _uri_user(uri)
        if user and normalise(user) is not None:
            return uri
    return asserted


def _uris(header: str) -> list[str]:
    """The addresses of a header, without display names: a name in quotes may hold anything, a number too."""
    bare = _QUOTED.sub("", header)
    return _ANGLED.findall(bare) or re.split(r"[,\n]", bare)


def _uri_user(header: str) -> str | None:
    found = _URI_USER.match(_uris(header)[0])
    if found is None:
        return None
    user = unquote_to_bytes(found.group(1)).decode("utf-8", "replace")
    return user.split(";", 1)[0].split(":", 1)[0]


def _numberless(raw: str | None, source: str, imei: str | None, cpc: str | None) -> Caller:
    kept = clean(raw) if raw else None
    if imei:
        return Caller(CallerClass.DEVICE_ONLY, raw_number=kept, imei=imei, cpc=cpc, warnings=("cannot_call_back",))
    if raw is None and source.strip() and "anonymous" not in source.lower():
        return Caller(CallerClass.UNPARSEABLE, raw_number=clean(source), cpc=cpc, warnings=("number_unreadable",))
    return Caller(CallerClass.ANONYMOUS, raw_number=kept, cpc=cpc, warnings=("cannot_call_back",))


def _withheld(identity: SipIdentity) -> bool:
    values = {value.strip().lower() for value in re.split(r"[;,]", identity.privacy) if value.strip()}
    return bool(values - {"none"})


def _class_of(number: str, raw: str, is_claim: bool, withheld: bool, pseudo_patterns: Iterable[str]) -> CallerClass:
    if any(re.fullmatch(pattern, text) for pattern in pseudo_patterns for text in (number, raw)):
        return CallerClass.PSEUDO_ANI
    if is_claim:
        return CallerClass.UNTRUSTED_CLAIM
    if withheld:
        return CallerClass.ASSERTED_WITHHELD
    if number.startswith("+") and not number.startswith(f"+{COUNTRY_CODE}"):
        return CallerClass.ASSERTED_FOREIGN
    return CallerClass.ASSERTED


def _warnings(caller_class: CallerClass) -> tuple[str, ...]:
    if caller_class is CallerClass.PSEUDO_ANI:
        return ("cannot_call_back",)
    if caller_class is CallerClass.UNTRUSTED_CLAIM:
        return ("number_unverified",)
    return ()


def _cpc(identity: SipIdentity) -> str | None:
    found = _CPC.search(identity.asserted) or _CPC.search(identity.from_)
    return found.group(1).lower() if found else None
