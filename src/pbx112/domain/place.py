"""What a location of a call record is, what is doubtful about it, and which of several is the best.

All lengths are metres, all angles degrees clockwise from north, all coordinates degrees of WGS 84.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

MOST_LOCATIONS = 8

OUTSIDE_INDONESIA = "outside_indonesia"
ZERO_COORDINATES = "zero_coordinates"
UNKNOWN_CRS = "unknown_crs"
STALE = "stale"
BY_REFERENCE = "by_reference"
UNREADABLE = "unreadable"

STALE_AFTER_S = 900
"""A cell that a phone used longer ago than this is doubtful: a car has left it long since."""

UNSAID_RADIUS_M = 100.0
"""Among shapes, a bare point counts as this coarse: who sends no uncertainty seldom means none."""

# Weh to Rote and Sabang to Merauke, with about twenty kilometres of sea around.
_SOUTH, _NORTH, _WEST, _EAST = -11.2, 6.3, 94.7, 141.1
_ZERO = 0.001

CellKey = tuple[str, str, int, int]
"""MCC, MNC, TAC (or LAC), cell id: what names a cell in the table of cells."""


class LocationKind(StrEnum):
    """What a location is. Shapes that are none of these (polygon, prism, sphere) become a circle around them."""

    CELL = "cell"
    POINT = "point"
    CIRCLE = "circle"
    ELLIPSE = "ellipse"
    ARCBAND = "arcband"
    CIVIC = "civic"


class LocationSource(StrEnum):
    """What a location came in: P-Access-Network-Info, Cellular-Network-Info, or a PIDF-LO document."""

    PANI = "pani"
    CNI = "cni"
    PIDF = "pidf"


class LocationTrust(StrEnum):
    """Who vouches for a location: the caller's network, only the trunk, or nobody."""

    NETWORK = "network"
    TRUNK = "trunk"
    CLAIMED = "claimed"


@dataclass(frozen=True, slots=True)
class Location:
    """A location of a call record; one that could not be read has its raw value alone.

    Every shape has one `radius_m`: a circle's, an ellipse's semi-major axis, an arc band's outer radius. An ellipse
    adds `semi_minor_m` and `orientation_deg` (of the major axis), an arc band `inner_radius_m`, `start_deg` and
    `opening_deg`. `flags` are stable words: outside_indonesia, zero_coordinates, unknown_crs, stale, by_reference,
    unreadable. A flagged location is doubtful, and never dropped.
    """

    kind: LocationKind
    source: LocationSource
    trust: LocationTrust
    mcc: str | None = None
    mnc: str | None = None
    tac: int | None = None
    cell_id: int | None = None
    network: str | None = None
    """Operator's name, for Indonesian codes."""
    name: str | None = None
    """The cell's name from the table of cells; a reader of records fills it."""
    age_s: int | None = None
    """Seconds since the phone used this cell."""
    lat: float | None = None
    lon: float | None = None
    radius_m: float | None = None
    semi_minor_m: float | None = None
    orientation_deg: float | None = None
    inner_radius_m: float | None = None
    start_deg: float | None = None
    opening_deg: float | None = None
    civic: str | None = None
    """An address in one line, from the building to the country."""
    method: str | None = None
    """How it was found, as sent: GPS, A-GPS, Cell, Manual, .. (the registry of RFC 4119)."""
    at: str | None = None
    """When it was found: ISO 8601 in UTC."""
    flags: tuple[str, ...] = ()
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class KnownCell:
    """What the table of cells says of a cell."""

    lat: float
    lon: float
    radius_m: float | None = None
    name: str | None = None


def doubts_of(lat: float, lon: float) -> tuple[str, ...]:
    """What is doubtful about coordinates. Ships and border towns are outside too, so nothing is dropped for it."""
    if abs(lat) < _ZERO and abs(lon) < _ZERO:
        return (ZERO_COORDINATES,)
    inside = _SOUTH <= lat <= _NORTH and _WEST <= lon <= _EAST
    return () if inside else (OUTSIDE_INDONESIA,)


def best_first(locations: Iterable[Location]) -> tuple[Location, ...]:
    """The same locations, the best first; equals keep their order.

    What could be read before what could not. Then: without a doubt before flagged; vouched for before claimed;
    shapes (fine before coarse), cells whose place is known, addresses, bare cell ids; the network's own before the
    trunk's; fresh before old.
    """
    return tuple(sorted(locations, key=lambda one: _rank(lambda name: getattr(one, name))))


def cell_key(location: Mapping[str, Any]) -> CellKey | None:
    """The key of a public location of kind `cell`; None for another kind and for a cell that was not read."""
    if location.get("kind") != LocationKind.CELL:
        return None
    mcc, mnc, tac, cell_id = (location.get(name) for name in ("mcc", "mnc", "tac", "cell_id"))
    if mcc is None or mnc is None or tac is None or cell_id is None:
        return None
    return mcc, mnc, tac, cell_id


def with_cells(locations: Sequence[Mapping[str, Any]], table: Mapping[CellKey, KnownCell]) -> list[dict[str, Any]]:
    """Public locations with lat, lon, radius_m and name of the cells that the table knows, best first anew."""
    filled = [_filled(one, table) for one in locations]
    return sorted(filled, key=lambda one: _rank(one.get))


def _filled(location: Mapping[str, Any], table: Mapping[CellKey, KnownCell]) -> dict[str, Any]:
    key = cell_key(location)
    cell = table.get(key) if key is not None else None
    if cell is None:
        return dict(location)
    doubts = [flag for flag in doubts_of(cell.lat, cell.lon) if flag not in location.get("flags", ())]
    place = {"lat": cell.lat, "lon": cell.lon, "radius_m": cell.radius_m, "name": cell.name}
    return {**location, **place, "flags": [*location.get("flags", ()), *doubts]}


def _rank(get: Callable[[str], Any]) -> tuple[Any, ...]:
    flags = get("flags") or ()
    trust = get("trust")
    group, coarseness = _precision(get)
    vouched = (LocationTrust.NETWORK, LocationTrust.TRUNK).index(trust) if trust != LocationTrust.CLAIMED else 2
    return UNREADABLE in flags, bool(flags), vouched == 2, group, coarseness, vouched, get("age_s") or 0


def _precision(get: Callable[[str], Any]) -> tuple[int, float]:
    kind, radius = get("kind"), get("radius_m")
    placed = get("lat") is not None
    if kind == LocationKind.CELL:
        coarseness: float = inf if radius is None else radius
        return (1, coarseness) if placed else (3, 0) if get("cell_id") is not None else (4, 0)
    if placed:
        return 0, UNSAID_RADIUS_M if radius is None else radius
    return (2, 0) if kind == LocationKind.CIVIC else (4, 0)
