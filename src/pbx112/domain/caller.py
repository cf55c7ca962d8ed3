"""Who is calling, from the raw SIP headers and what the trunk is trusted with.

The classes and their order are those of the identity table for emergency calls (3GPP TS 24.229, RFC 3325,
RFC 3323, RFC 7254 for the IMEI). A class never decides whether a call is answered, and nothing here raises:
whatever cannot be read keeps its raw value. Who forwarded a call (Diversion, History-Info) is never its caller.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pbx112.domain.addresses import HEADER_LIMIT, Address, addresses, unescaped
from pbx112.domain.configuration import NumberFormat
from pbx112.domain.dialled import (
    COUNTRY_CODE,
    NUMBER_LIMIT,
    TELEPHONE_SCHEMES,
    NumberReader,
    normalise,
    number_of,
    squeezed,
)

RAW_LIMIT = 256
WARNINGS = {
    "cannot_call_back": "No number reaches the caller: ask for the location first.",
    "number_unreadable": "A number was there and could not be read; its raw value is kept.",
    "number_unverified": "The number is a claim: nobody whom we trust vouches for it.",
    "number_unusual": "The number is read, but no telephone has a number of this length.",
    "numbers_differ": "Several numbers stand in the header that counts; one of them was taken.",
    "identity_unreadable": "A header that counts more could not be read; the number is from the next one.",
    "unknown_trunk": "The call came by a trunk that is not configured, so nothing it says is believed.",
    "nuisance_likely": "Operators often found this number's calls to be no emergency; it is taken like any other.",
    "intake_rule_failed": "A rule of the intake failed, such as a pattern of the trunk that is no regular expression.",
}
"""Every warning word of a caller and what it means. The words are public and never change; the intake adds the last
three."""


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
    """The headers a caller's identity is read from, raw; an absent header is an empty string.

    Several lines of one header stand below each other.
    """

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


@dataclass(frozen=True, slots=True)
class _Source:
    """Where an identity stands, and whether its numbers are believed."""

    addresses: list[Address]
    believed: bool


@dataclass(frozen=True, slots=True)
class _Number:
    text: str
    raw: str
    pseudo: bool


_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]*")
_HIDDEN = frozenset({"restricted", "private", "withheld", "blocked", "suppressed", "p"})
_ABSENT = _HIDDEN | {
    *("", "anonymous", "unavailable", "not available", "unknown", "none", "null", "o", "out of area", "no number"),
    *("number unavailable", "coin line payphone", "coin line", "payphone", "interaction with other service"),
}
_IMEI = re.compile(r"urn:gsma:imei(?:sv)?:([0-9][0-9-]{13,19})(?![0-9A-Za-z-])", re.IGNORECASE)
_CPC = re.compile(r"[a-z][a-z0-9-]{0,23}")
_PATTERN_LIMIT = 40
_BETWEEN_WORDS = re.compile(r"[\s_./-]+")
_OPEN = frozenset({"", "none", "off", "no"})
_WHOLE = re.compile(r"\+[1-9][0-9]{7,14}")
_KEY_PREFIX = {CallerClass.PSEUDO_ANI: "pseudo:", CallerClass.UNTRUSTED_CLAIM: "claim:"}
_CALLBACK = frozenset({CallerClass.ASSERTED, CallerClass.ASSERTED_WITHHELD, CallerClass.ASSERTED_FOREIGN})


def classify(
    identity: SipIdentity,
    *,
    trusted: bool,
    number_format: NumberFormat = NumberFormat.AUTO,
    pseudo_patterns: Iterable[str] = (),
    from_trusted: bool = False,
    e164: NumberReader = normalise,
    is_possible: Callable[[str], bool] = bool,
) -> Caller:
    """Decide the identity class: asserted identity first, then Remote-Party-ID, From as a claim, then the IMEI.

    On a trunk that is not trusted From comes first, and all are claims; `from_trusted` makes From as good as an
    asserted identity on either. A claim never stands in for an identity that counts and could not be read: an
    operator would take it for what the network said. `pseudo_patterns` are matched against the number in E.164
    and against its digits as sent. `is_possible` tells numbers that a telephone can have; by default, any.
    """
    sources = _sources(identity, trusted, from_trusted)
    patterns, warnings = _compiled(pseudo_patterns)
    known = Caller(
        CallerClass.ANONYMOUS,
        withheld=_withheld(identity),
        imei=read_imei(identity.contact),
        cpc=next(filter(None, (_cpc(address) for source in sources for address in source.addresses)), None),
        warnings=warnings,
    )
    unread: list[Address] = []
    doubted = False
    for source in sources:
        if doubted and not source.believed:
            continue
        numbers = list(_numbers(source, number_format, e164, patterns))
        if numbers:
            return _numbered(known, numbers, source.believed, bool(unread), is_possible)
        unreadable = [address for address in source.addresses if not _is_absent(address)]
        unread += unreadable
        doubted = doubted or (source.believed and bool(unreadable))
    return _unreadable(known, unread[0]) if unread else _numberless(known, sources)


def read_imei(contact: str) -> str | None:
    """The IMEI (RFC 7254) of a Contact's instance id, with its dashes as received, or None.

    Its check digit is not checked, as handsets send 0 there; one of only zeros names no handset.
    """
    for found in _IMEI.finditer(unescaped(contact[:HEADER_LIMIT])):
        imei = found[1].strip("-")
        digits = imei.replace("-", "")
        if 14 <= len(digits) <= 16 and digits.strip("0"):
            return imei
    return None


def number_key(caller: Caller) -> str | None:
    """By what a caller's number is known again; None for a caller without one.

    Only a whole asserted number that was checked stands for a person. Pseudo numbers collide, claims can be forged, and
    a short code (112 as a carrier's stand-in) is many people's: their keys have a prefix (`pseudo:`, `claim:`,
    `code:`), link calls as a hint, and are never merged or scored.
    """
    if caller.number is None:
        return None
    prefix = _KEY_PREFIX.get(caller.caller_class, "")
    if not prefix and not _WHOLE.fullmatch(caller.number):
        prefix = "code:"
    elif not prefix and caller.callback_number is None:
        prefix = "claim:"
    return f"{prefix}{caller.number}"


def is_person(key: str | None) -> bool:
    """True for a key of a number or a handset that stands for one caller."""
    return key is not None and ":" not in key


def imei_key(caller: Caller) -> str | None:
    """By what a caller's handset is known again: the IMEI's first 14 digits; its check digit is often sent as 0."""
    digits = "".join(char for char in caller.imei or "" if char.isdigit())[:14]
    if len(digits) != 14:
        return None
    return f"claim:{digits}" if caller.caller_class is CallerClass.UNTRUSTED_CLAIM else digits


def clean(raw: str) -> str:
    """Text that a caller sent, safe to show: bounded, control characters and percent escapes made visible."""
    text = raw[:RAW_LIMIT]
    if text.isprintable():
        return text
    for char in {char for char in text if not char.isprintable()}:
        text = text.replace(char, f"\\x{ord(char):02x}")
    return text


def _is_absent(address: Address) -> bool:
    """Whether an address says that there is no number, as gateways write it for ISUP's restricted or unavailable."""
    if len(address.user) > NUMBER_LIMIT:
        return False
    digits = squeezed(address.user).removeprefix("+")
    if address.user and (_name(address) in _ABSENT or not digits.strip("0")):
        return True
    if address.scheme not in TELEPHONE_SCHEMES:
        return False
    if not address.user:
        return _HOST.fullmatch(address.host) is not None
    return address.host.endswith(".invalid") and not any(char.isdigit() for char in digits)


def _name(address: Address) -> str:
    return _BETWEEN_WORDS.sub(" ", address.user).strip().lower()


def _sources(identity: SipIdentity, trusted: bool, from_trusted: bool) -> list[_Source]:
    asserted = _Source(addresses(identity.asserted), trusted)
    remote = [
        _Source([address], trusted and address.header_parameters.get("screen", "").lower() != "no")
        for address in _calling_parties(identity)
    ]
    from_ = _Source(addresses(identity.from_), from_trusted)
    return [asserted, *remote, from_] if trusted else [from_, asserted, *remote]


def _calling_parties(identity: SipIdentity) -> list[Address]:
    return [
        address
        for address in addresses(identity.remote_party)
        if address.header_parameters.get("party", "").lower() in {"", "calling"}
    ]


def _numbers(
    source: _Source, number_format: NumberFormat, e164: NumberReader, patterns: list[re.Pattern[str]]
) -> Iterator[_Number]:
    for address in source.addresses:
        number = number_of(address, number_format, e164)
        if number is not None:
            # Whatever a pattern costs, it costs it on at most 40 characters, and these are mostly digits.
            texts = (number[:_PATTERN_LIMIT], squeezed(address.user)[:_PATTERN_LIMIT])
            pseudo = any(pattern.fullmatch(text) for pattern in patterns for text in texts)
            yield _Number(number, address.user, pseudo)


def _compiled(patterns: Iterable[str]) -> tuple[list[re.Pattern[str]], tuple[str, ...]]:
    """The patterns, without those that are no regular expressions, and the warning that there are such."""
    compiled = []
    warnings: tuple[str, ...] = ()
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except (re.error, OverflowError, RecursionError):
            warnings = ("intake_rule_failed",)
    return compiled, warnings


def _numbered(
    known: Caller, numbers: list[_Number], believed: bool, unread: bool, is_possible: Callable[[str], bool]
) -> Caller:
    """The caller with the best of the numbers of one source: the first that is no pseudo number."""
    taken = next((number for number in numbers if not number.pseudo), numbers[0])
    caller_class = _class_of(taken, believed, known.withheld)
    warnings = {
        "cannot_call_back": taken.pseudo,
        "number_unverified": caller_class is CallerClass.UNTRUSTED_CLAIM,
        "number_unusual": not taken.pseudo and not is_possible(taken.text),
        "numbers_differ": len({number.text for number in numbers}) > 1,
        "identity_unreadable": unread,
    }
    return replace(
        known,
        caller_class=caller_class,
        number=taken.text,
        raw_number=clean(taken.raw),
        callback_number=taken.text if caller_class in _CALLBACK else None,
        warnings=(*(word for word, applies in warnings.items() if applies), *known.warnings),
    )


def _class_of(number: _Number, believed: bool, withheld: bool) -> CallerClass:
    if number.pseudo:
        return CallerClass.PSEUDO_ANI
    if not believed:
        return CallerClass.UNTRUSTED_CLAIM
    if withheld:
        return CallerClass.ASSERTED_WITHHELD
    if number.text.startswith("+") and not number.text.startswith(f"+{COUNTRY_CODE}"):
        return CallerClass.ASSERTED_FOREIGN
    return CallerClass.ASSERTED


def _unreadable(known: Caller, address: Address) -> Caller:
    raw = address.user if address.scheme in TELEPHONE_SCHEMES and address.user else address.uri
    return replace(
        known,
        caller_class=CallerClass.UNPARSEABLE,
        raw_number=clean(raw),
        warnings=("number_unreadable", "cannot_call_back", *known.warnings),
    )


def _numberless(known: Caller, sources: list[_Source]) -> Caller:
    absent = [address for source in sources for address in source.addresses if address.user]
    return replace(
        known,
        caller_class=CallerClass.DEVICE_ONLY if known.imei else CallerClass.ANONYMOUS,
        raw_number=clean(absent[0].user) if absent else None,
        withheld=known.withheld or any(_name(address) in _HIDDEN for address in absent),
        warnings=("cannot_call_back", *known.warnings),
    )


def _withheld(identity: SipIdentity) -> bool:
    """Whether the caller's number is not to be shown: Privacy (RFC 3323), or as Remote-Party-ID says it."""
    asked = {value.strip('"').lower() for value in re.split(r"[;,\s]+", identity.privacy[:HEADER_LIMIT])}
    for address in _calling_parties(identity):
        asked.add(address.header_parameters.get("privacy", "").lower())
    return bool(asked - _OPEN)


def _cpc(address: Address) -> str | None:
    """The calling party's category (`payphone`, `emergency` ..), of a parameter whose value is a plain word."""
    value = (address.parameters.get("cpc") or address.header_parameters.get("cpc", "")).lower()
    return value if _CPC.fullmatch(value) else None
