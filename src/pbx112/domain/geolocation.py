"""Locations by value (PIDF-LO) and by reference, from a few lines of text that fit into the journal.

The text has one location a line, in any order:

    method="GPS",at="2025-01-31T10:00:00Z",shape="Circle",crs="2d",pos="-6.175392 106.827153",radius="850"
    method="Manual",country="ID",A1="DKI Jakarta",RD="Medan Merdeka Utara",HNO="3"
    <https://lis.example.id/loc/1>, <cid:target@example.id>

The first two come from a PIDF-LO document (`domain/pidf.py` writes them), the last is the Geolocation header (RFC 6442)
itself. Shapes are those of RFC 5491, addresses those of RFC 5139. `pos` is latitude, longitude and perhaps a height.

The form is that of Asterisk's GEOLOC_PROFILE(location_info), which is read too, but is NOT asked for. What Asterisk
22.10.1 made of documents here, with geoloc_incoming_call_profile = <prefer_incoming>:

- **It dies** (a null pointer, before any dialplan has run) of a document whose geopriv has no usage-rules, and of one
  whose location-info has a shape but begins with something else: a confidence (RFC 7459), a relative location
  (RFC 7035), a bare word. Phones write such documents, so trunks have <discard_incoming>.
- Point, Circle, Ellipse, ArcBand, Sphere: as above; angles as `142 degrees` or `1.57 radians`, lengths without a unit.
  Polygon: `pos` again and again. Prism: one posList. No srsName: crs="unknown".
- An address: its elements after lang=".."; quotes inside stay as they are (NAM="Istana "Merdeka", lobi").
- A circle and an address in one location-info: only pos and radius, or only the address, whichever stands first.
- Several tuples, devices, persons: one of them (device before tuple before person). No timestamp at all.
- Broken XML, no or an empty location-info, a wrong or missing Content-ID, no such part: nothing, and a warning in the
  log. Entities: external ones are empty, many make the document unparseable. 60 KB: comes whole.
- Without a Geolocation header every single reading of GEOLOC_PROFILE writes a NOTICE to the log.
- By reference: URI="https://.."; never fetched. Only the first URI counts; a comma inside one breaks it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import asin, cos, degrees, radians, sin, sqrt

from pbx112.domain.caller import RAW_LIMIT, clean
from pbx112.domain.place import (
    BY_REFERENCE,
    MOST_LOCATIONS,
    UNKNOWN_CRS,
    UNREADABLE,
    Location,
    LocationKind,
    LocationSource,
    LocationTrust,
    doubts_of,
)

Position = tuple[float, float]
"""Latitude and longitude."""

TEXT_LIMIT = 4096
_METHOD_LIMIT = 64
_MOST_LINES = 16
_MOST_FIELDS = 64
_MOST_POSITIONS = 128
_EARTH_M = 6_371_000.0
_LONGEST_M = 20_040_000.0

_BETWEEN = re.compile(r'",\s*(?=[A-Za-z][\w.:-]{0,40}=")')
_URI = re.compile(r"<([^<>]+)>")
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?")
_ROUND = {"circle": LocationKind.CIRCLE, "sphere": LocationKind.CIRCLE, "": LocationKind.CIRCLE}
_ELLIPTIC = ("ellipse", "ellipsoid")
_STREET = ("PRD", "RD", "STS", "POD", "HNO", "HNS")
_NAMED = ("UNIT", "ROOM", "FLR")


@dataclass(frozen=True, slots=True)
class _Line:
    """The fields of one line in their order; of several with one name the first counts."""

    text: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        return next((value for known, value in self.fields if known == name), "")

    def number(self, name: str) -> float | None:
        """A length in metres; a negative one and one that leaves the earth are none."""
        found = _number(self.get(name))
        return found if found is not None and 0 <= found <= _LONGEST_M else None

    def angle(self, name: str) -> float | None:
        """An angle in degrees, whatever it was written in."""
        text, _, unit = self.get(name).strip().partition(" ")
        found = _number(text)
        return round(degrees(found) % 360, 4) if found is not None and unit.startswith("rad") else found


def read_geolocation(text: str, *, trusted: bool) -> tuple[Location, ...]:
    """Every location of such lines, at most MOST_LOCATIONS, in their order.

    A document that was announced (`cid:`) and gave no line is told by one unreadable location.
    """
    trust = LocationTrust.TRUNK if trusted else LocationTrust.CLAIMED
    blank = Location(LocationKind.POINT, LocationSource.PIDF, trust)
    lines = [line.strip() for line in text[:TEXT_LIMIT].split("\n")[:_MOST_LINES]]
    headers = [line for line in lines if line.startswith("<")]
    found = [one for line in lines if line and line not in headers for one in _of_line(line, blank)]
    announced = [uri for line in headers for uri in _URI.findall(line)]
    references = dict.fromkeys(uri for uri in announced if not uri.lower().startswith("cid:"))
    documents = [uri for uri in announced if uri not in references]
    found += [_raw(blank, uri, BY_REFERENCE) for uri in references if all(one.raw != _shown(uri) for one in found)]
    if documents and not any(UNREADABLE not in one.flags and BY_REFERENCE not in one.flags for one in found):
        found.append(_raw(blank, documents[0], UNREADABLE))
    return tuple(found[:MOST_LOCATIONS])


def line_of(location: str, *, method: str = "", at: str = "") -> str:
    """One line of the text: `location` is its `name="value"` pairs, joined by commas."""
    told = "".join(f'{name}="{_plain(value)}",' for name, value in (("method", method), ("at", at)) if value.strip())
    return told + " ".join(location.split())


def field_of(name: str, value: str) -> str:
    """One `name="value"` of a line; quotes and line breaks in the value cannot end it."""
    return f'{name}="{_plain(value)}"'


def read_positions(text: str, size: int) -> list[Position]:
    """The positions of a text of numbers, `size` (2 or 3) for each; none when one of them is no place on earth."""
    words = text.split()[: _MOST_POSITIONS * size]
    numbers = [_number(word) for word in words]
    if not numbers or len(numbers) % size:
        return []
    pairs = list(zip(numbers[::size], numbers[1::size], strict=True))
    places = [(lat, lon) for lat, lon in pairs if lat is not None and lon is not None and _on_earth(lat, lon)]
    return places if len(places) == len(pairs) else []


def extremes(positions: Sequence[Position]) -> list[Position]:
    """The southernmost, northernmost, westernmost and easternmost of many positions."""
    by_lat, by_lon = sorted(positions), sorted(positions, key=lambda place: place[1])
    return list(dict.fromkeys([by_lat[0], by_lat[-1], by_lon[0], by_lon[-1]]))


def _of_line(text: str, blank: Location) -> list[Location]:
    line = _Line(text, _fields(text))
    uri = line.get("URI")
    if uri:
        return [_raw(blank, uri, BY_REFERENCE)]
    method = clean(line.get("method"))[:_METHOD_LIMIT] or None
    told = replace(blank, method=method, at=_utc(line.get("at")), raw=_shown(text))
    found = [one for one in (_shape(line, told), _address(line, told)) if one is not None]
    return found or [replace(told, flags=(UNREADABLE,))]


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    """The pairs of a line. What has no closing quote at its end was cut off, so its last value is not used."""
    pieces = _BETWEEN.split(text, maxsplit=_MOST_FIELDS)[: _MOST_FIELDS + 1]
    last = pieces.pop()
    if last.endswith('"') and len(pieces) < _MOST_FIELDS:
        pieces.append(last[:-1])
    pairs = (piece.partition('="') for piece in pieces)
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _shape(line: _Line, told: Location) -> Location | None:
    positions = _positions(line)
    if not positions:
        return None
    lat, lon = positions[0]
    unknown = (UNKNOWN_CRS,) if line.get("crs") == "unknown" else ()
    place = replace(told, lat=lat, lon=lon, flags=(*doubts_of(lat, lon), *unknown))
    shape = line.get("shape").lower()
    if shape in _ROUND and line.number("radius") is not None:
        return replace(place, kind=LocationKind.CIRCLE, radius_m=line.number("radius"))
    if shape in _ELLIPTIC and line.number("semiMajorAxis") is not None:
        return replace(
            place,
            kind=LocationKind.ELLIPSE,
            radius_m=line.number("semiMajorAxis"),
            semi_minor_m=line.number("semiMinorAxis"),
            orientation_deg=line.angle("orientation"),
        )
    if shape == "arcband" and line.number("outerRadius") is not None:
        return replace(
            place,
            kind=LocationKind.ARCBAND,
            radius_m=line.number("outerRadius"),
            inner_radius_m=line.number("innerRadius"),
            start_deg=line.angle("startAngle"),
            opening_deg=line.angle("openingAngle"),
        )
    return place if len(positions) == 1 else _around(positions, place)


def _positions(line: _Line) -> list[Position]:
    sizes = {"2d": (2,), "3d": (3,)}.get(line.get("crs"), (2, 3))
    places = [place for name, value in line.fields if name == "pos" for place in _one_position(value)]
    listed = line.get("posList")
    return places or next((found for size in sizes if (found := read_positions(listed, size))), [])


def _one_position(text: str) -> list[Position]:
    size = len(text.split())
    return read_positions(text, size) if size in (2, 3) else []


def _around(positions: Sequence[Position], place: Location) -> Location:
    """The circle around the corners of a polygon or another shape; not the smallest one, but never too small."""
    corners = extremes(positions)
    lats, lons = [lat for lat, _ in corners], [lon for _, lon in corners]
    lat, lon = (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2
    radius = max(_metres((lat, lon), corner) for corner in positions)
    flags = tuple(flag for flag in place.flags if flag == UNKNOWN_CRS)
    rounded = (round(lat, 6), round(lon, 6), round(radius, 1))
    return replace(
        place,
        kind=LocationKind.CIRCLE,
        lat=rounded[0],
        lon=rounded[1],
        radius_m=rounded[2],
        flags=(*doubts_of(lat, lon), *flags),
    )


def _metres(one: Position, other: Position) -> float:
    lat1, lon1, lat2, lon2 = map(radians, (*one, *other))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_M * asin(min(1.0, sqrt(half)))


def _address(line: _Line, told: Location) -> Location | None:
    """The civic address in one line, from the building to the country; a country alone is none."""
    street = " ".join(filter(None, map(line.get, _STREET)))
    rooms = (f"{name} {line.get(name)}" for name in _NAMED if line.get(name))
    areas = map(line.get, ("A6", "A5", "A4", "A3", "A2"))
    region = " ".join(filter(None, map(line.get, ("A1", "PC"))))
    parts = [*map(line.get, ("NAM", "LMK", "LOC", "BLD")), *rooms, street, *areas, region]
    if not any(parts):
        return None
    civic = ", ".join(filter(None, [*parts, line.get("country")]))
    return replace(told, kind=LocationKind.CIVIC, civic=_shown(civic))


def _raw(blank: Location, text: str, flag: str) -> Location:
    return replace(blank, raw=_shown(text), flags=(flag,))


def _shown(text: str) -> str:
    return clean(text)[:RAW_LIMIT]


def _plain(value: str) -> str:
    return " ".join(value.replace('"', "'").split())


def _on_earth(lat: float, lon: float) -> bool:
    return -90 <= lat <= 90 and -180 <= lon <= 180


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _utc(text: str) -> str | None:
    """An ISO time in UTC; one without an offset is not used, as nobody knows whose it is."""
    try:
        at = datetime.fromisoformat(text)
        return None if at.tzinfo is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return None
