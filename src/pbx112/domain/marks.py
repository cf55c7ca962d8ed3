"""What an INVITE says of the emergency beside who calls and where from: service, priority, further data, forwarding.

Nothing here raises and nothing here decides anything: these are notes for the operator, bounded and safe to show.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pbx112.domain.addresses import Address, addresses, unescaped
from pbx112.domain.caller import RAW_LIMIT, clean
from pbx112.domain.dialled import number_of

MOST_MARKS = 8
PRIORITIES = frozenset({"emergency", "urgent", "normal", "non-urgent"})
"""The values of RFC 3261; another one is kept as the plain word that it begins with."""

SERVICES = frozenset(
    {
        "sos",
        "sos.ambulance",
        "sos.animal-control",
        "sos.ecall.automatic",
        "sos.ecall.manual",
        "sos.fire",
        "sos.gas",
        "sos.marine",
        "sos.mountain",
        "sos.physician",
        "sos.poison",
        "sos.police",
    }
)
"""The emergency services of RFC 5031 and its registry."""

_MOST_READ = 12
_SHORT_TEXT = 1024
_SERVICE = re.compile(r"(?<![a-z0-9.-])urn:service:sos((?:\.[a-z0-9-]+)*)(?![a-z0-9-])", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9!%*_+`'~-]{1,32}")
_NAMESPACE_VALUE = re.compile(r"[a-z0-9!%*_+`'~-]{1,32}\.[a-z0-9!%*_+`'~-]{1,32}")
_DATA_PURPOSE = re.compile(r"EmergencyCallData\.[A-Za-z0-9._-]{1,40}", re.IGNORECASE)
_REASON_IN_URI = re.compile(r"[?&]reason=", re.IGNORECASE)
_EMERGENCY_NUMBERS = frozenset({"112", "sos", "+62112"})


@dataclass(frozen=True, slots=True)
class Marks:
    """`additional_data` are addresses of further data on the call (RFC 7852), `forwarded_by` who forwarded it, as
    written (RFC 7044, RFC 5806): never the caller.

    An address of further data stands behind its purpose, `EmergencyCallData.DeviceInfo cid:1@host`: `cid:` means a
    part of the INVITE's own body, anything else a place that nobody here fetches.
    """

    priority: str | None = None
    resource_priority: tuple[str, ...] = ()
    additional_data: tuple[str, ...] = ()
    forwarded_by: tuple[str, ...] = ()


def read_marks(headers: Mapping[str, str]) -> Marks:
    """The marks of an INVITE, from its raw headers by their names in lower case; lines joined by line breaks."""
    return Marks(
        priority=_priority(headers.get("priority", "")),
        resource_priority=_resource_priority(headers.get("resource-priority", "")),
        additional_data=_additional_data(headers.get("call-info", "")),
        forwarded_by=_first(map(_party, _forwarders(headers.get("history-info", ""), headers.get("diversion", "")))),
    )


def read_service(*texts: str) -> str:
    """The emergency service (RFC 5031) named by the first text that has one; `sos` when none has.

    An unknown child falls back to its nearest known parent. A test call (`urn:service:test.sos`) that comes by a
    carrier's trunk is still answered, so it is `sos` too, whatever child it names: whoever answers finds out.
    """
    for text in texts:
        found = _SERVICE.search(unescaped(text[:_SHORT_TEXT]))
        if found is not None:
            return _known_service(found[1].lower())
    return "sos"


def _known_service(children: str) -> str:
    labels = children.split(".")[:4]
    while labels:
        service = "sos" + ".".join(labels)
        if service in SERVICES:
            return service
        labels.pop()
    return "sos"


def _priority(header: str) -> str | None:
    found = _WORD.match(header.strip())
    return found[0].lower() if found else None


def _resource_priority(header: str) -> tuple[str, ...]:
    """The values `namespace.value` (RFC 4412), in the order of the header."""
    values = (value.strip() for value in re.split(r"[,\n]", header[:_SHORT_TEXT].lower()))
    return _first(value for value in values if _NAMESPACE_VALUE.fullmatch(value))


def _additional_data(header: str) -> tuple[str, ...]:
    return _first(
        clean(f"{purpose} {address.uri}")
        for address in addresses(header, _MOST_READ)
        if address.uri and _DATA_PURPOSE.fullmatch(purpose := address.header_parameters.get("purpose", ""))
    )


def _forwarders(history: str, diversion: str) -> list[Address]:
    """Those whom the call was meant for before it came here: by its history (RFC 7044), then by Diversion (RFC 5806).

    The last entry of a history is where the call is now, so it forwarded nothing, unless it says the reason why it
    did. An entry that is 112 itself is the caller's own dialling.
    """
    *before, last = [*addresses(history, _MOST_READ)] or [Address("")]
    if _REASON_IN_URI.search(last.uri):
        before.append(last)
    return [address for address in before if not _is_emergency(address)] + addresses(diversion, MOST_MARKS)


def _is_emergency(address: Address) -> bool:
    return address.user.lower() in _EMERGENCY_NUMBERS or "urn:service:" in unescaped(address.uri).lower()


def _party(address: Address) -> str:
    """The number of an address, or the address itself."""
    return number_of(address) or clean(address.uri)


def _first(texts: Iterable[str]) -> tuple[str, ...]:
    """The first few different texts; no more of them is made than that."""
    different: dict[str, None] = {}
    for text in texts:
        if text:
            different[text[:RAW_LIMIT]] = None
        if len(different) == MOST_MARKS:
            break
    return tuple(different)
