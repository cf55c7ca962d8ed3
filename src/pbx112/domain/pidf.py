"""PIDF-LO documents (RFC 4119, 5491, 5139) as lines for the journal; `domain/geolocation.py` reads the lines.

Asterisk must not read these documents (see there), so the whole SIP message comes here: res_hep sends a copy of every
one. Documents are found by their root element, not by Content-ID: a location with a wrong label is still a location.
Nothing here raises, no entity is ever expanded, and everything is bounded.
"""

import re
from collections.abc import Iterator
from itertools import islice
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from pbx112.domain.geolocation import extremes, field_of, line_of, read_positions
from pbx112.domain.place import MOST_LOCATIONS

LINES_LIMIT = 1150
"""Characters of all lines together: the journal keeps 1,200 of a header."""

_MOST_DOCUMENTS = 4
_DOCUMENT_LIMIT = 65_536
_VALUE_LIMIT = 120
_MOST_ELEMENTS = 2_000
_MOST_PARTS = 200
_MOST_CORNERS_READ = 256
_MOST_CORNERS = 8
_ROOT = re.compile(rb"<((?:[A-Za-z][\w.-]{0,40}:)?)presence[\s>]")
_DOCTYPE = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)

_LENGTHS = ("radius", "semiMajorAxis", "semiMinorAxis", "innerRadius", "outerRadius")
_ANGLES = ("orientation", "startAngle", "openingAngle")
_METRE = "urn:ogc:def:uom:EPSG::9001"
_RADIAN = "urn:ogc:def:uom:EPSG::9101"
_CRS = {"urn:ogc:def:crs:EPSG::4326": "2d", "urn:ogc:def:crs:EPSG::4979": "3d"}


def lines_of(message: bytes) -> str:
    """The locations of every PIDF-LO document in a SIP message, or in a body, one a line; empty when there is none."""
    kept: list[str] = []
    for document in _documents(message[:_DOCUMENT_LIMIT]):
        for line in _lines(document):
            if line not in kept and sum(map(len, kept)) + len(kept) + len(line) <= LINES_LIMIT:
                kept.append(line)
    return "\n".join(kept)


def _documents(message: bytes) -> Iterator[bytes]:
    start = 0
    for _ in range(_MOST_DOCUMENTS):
        begun = _ROOT.search(message, start)
        ending = b"</" + begun[1] + b"presence" if begun else b""
        end = message.find(ending, start) if begun else -1
        if begun is None or end < 0:
            return
        start = end + len(ending)
        yield message[begun.start() : start] + b">"


def _lines(document: bytes) -> list[str]:
    root = _parsed(document)
    if root is None:
        return []
    return list(islice((line for holder in root for line in _of_holder(holder)), MOST_LOCATIONS))


def _parsed(document: bytes) -> Element | None:
    """The document's tree, or None. It begins at its root, so no DOCTYPE comes along; one further in is refused."""
    if _DOCTYPE.search(document):
        return None
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError:
        text = document.decode("latin-1")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a DOCTYPE there are no entities to attack with
    except (ET.ParseError, ValueError):
        return None
    return root if sum(1 for _ in root.iter()) <= _MOST_ELEMENTS else None


def _of_holder(holder: Element) -> Iterator[str]:
    """The lines of a tuple, a device or a person; the time of the presence is the time of its locations."""
    at = next((_text(one) for one in holder if _name(one) == "timestamp"), "")
    for geopriv in _geoprivs(holder):
        method = next((_text(one) for one in geopriv if _name(one) == "method"), "")
        for info in (one for one in geopriv if _name(one) == "location-info"):
            for location in info:
                told = _address(location) if _name(location) == "civicAddress" else _shape(location)
                if told:
                    yield line_of(told, method=method, at=at)


def _geoprivs(holder: Element) -> Iterator[Element]:
    """Those at their own places only. Looking at every depth would read a nested document again at each level."""
    for one in holder:
        if _name(one) == "geopriv":
            yield one
        elif _name(one) == "status":
            yield from (inner for inner in one if _name(inner) == "geopriv")


def _address(location: Element) -> str:
    named = [field_of(_name(one), _text(one)) for one in location if _text(one)]
    return ",".join(named[:32])


def _shape(location: Element) -> str:
    crs = _CRS.get(location.get("srsName", ""), "unknown")
    parts = islice(location.iter(), _MOST_PARTS)
    corners = list(islice((field for one in parts for field in _corners(one, crs)), _MOST_CORNERS_READ))
    if not corners:
        return ""
    measures = [field for one in islice(location.iter(), _MOST_PARTS) for field in _measure(one)]
    return ",".join([field_of("shape", _name(location)), field_of("crs", crs), *_few(corners), *measures[:8]])


def _corners(one: Element, crs: str) -> list[str]:
    words = (one.text or "").split()
    if _name(one) == "pos":
        return [" ".join(words[:3])]
    if _name(one) != "posList":
        return []
    size = 3 if crs == "3d" else 2
    return [f"{lat} {lon}" for lat, lon in read_positions(" ".join(words), size)]


def _few(corners: list[str]) -> list[str]:
    """The corners as fields; of many only the outermost, between which the same place lies."""
    if len(corners) > _MOST_CORNERS:
        read = [read_positions(corner, len(corner.split())) for corner in corners if len(corner.split()) in (2, 3)]
        corners = [f"{lat} {lon}" for lat, lon in extremes([place for places in read for place in places] or [(0, 0)])]
    return [field_of("pos", corner[:_VALUE_LIMIT]) for corner in corners]


def _measure(one: Element) -> list[str]:
    name, unit = _name(one), one.get("uom", "")
    if name in _LENGTHS and unit in ("", _METRE):
        return [field_of(name, _text(one))]
    if name in _ANGLES:
        return [field_of(name, f"{_text(one)} {'radians' if unit == _RADIAN else 'degrees'}")]
    return []


def _name(one: Element) -> str:
    """The element's name without its namespace. (A comment has a function for a tag; this parser drops comments.)"""
    return one.tag.rpartition("}")[2][:40]


def _text(one: Element) -> str:
    return " ".join((one.text or "").split())[:_VALUE_LIMIT]
