"""What an agency's phone system is told of a caller: one short text, of which transfer.conf makes SIP headers."""

import re

from pbx112.domain.location import read_locations
from pbx112.domain.place import UNREADABLE, Location, LocationKind
from pbx112.services.intake import ArrivedCall, Routing

LIMIT = 200

_UNSAFE = re.compile(r"[^A-Za-z0-9._;=:-]")


def handed(call: ArrivedCall, routing: Routing, *, trusted: bool) -> str:
    """Class, service and best location, each behind a slash; no comma, for which `_` stands. Never raises."""
    try:
        place = best_place(call, trusted=trusted)
    except Exception:
        place = ""  # most likely a header that is not what it should be: a location less, not a call
    words = (routing.caller.caller_class, routing.service, place)
    return "/".join(_UNSAFE.sub("", word)[:80] for word in words)[:LIMIT]


def best_place(call: ArrivedCall, *, trusted: bool) -> str:
    """The best location that is a place: `lat_lon;r=metres`, or `cell=mcc-mnc-tac-cell`; empty without any."""
    return next(filter(None, map(_place, read_locations(call.headers, trusted=trusted))), "")


def _place(location: Location) -> str:
    if UNREADABLE in location.flags:
        return ""
    if location.lat is not None and location.lon is not None:
        radius = "" if location.radius_m is None else f";r={min(round(location.radius_m), 9_999_999)}"
        return f"{location.lat:.6f}_{location.lon:.6f}{radius}"
    if location.kind is LocationKind.CELL and location.mcc is not None and location.cell_id is not None:
        return f"cell={location.mcc}-{location.mnc}-{location.tac}-{location.cell_id}"
    return ""
