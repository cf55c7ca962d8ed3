"""PIDF-LO documents as carriers' systems write them, and an INVITE that carries one beside its SDP."""

from __future__ import annotations

import re

from tests.support.raw_sip import Address, build_invite

CONTENT_ID = "target@example.id"
NAMESPACES = " ".join(
    f'xmlns{":" if prefix else ""}{prefix}="{uri}"'
    for prefix, uri in {
        "": "urn:ietf:params:xml:ns:pidf",
        "dm": "urn:ietf:params:xml:ns:pidf:data-model",
        "gp": "urn:ietf:params:xml:ns:pidf:geopriv10",
        "gml": "http://www.opengis.net/gml",
        "gs": "http://www.opengis.net/pidflo/1.0",
        "ca": "urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr",
        "con": "urn:ietf:params:xml:ns:geopriv:conf",
    }.items()
)
TWO_D, THREE_D = "urn:ogc:def:crs:EPSG::4326", "urn:ogc:def:crs:EPSG::4979"
METRE, DEGREE, RADIAN = (f"urn:ogc:def:uom:EPSG::{code}" for code in (9001, 9102, 9101))
TIME = "2025-01-31T10:00:00Z"
CONFIDENCE = '<con:confidence pdf="normal">67</con:confidence>'


def length(name: str, metres: float, unit: str = METRE) -> str:
    """A length of a shape."""
    return f'<gs:{name} uom="{unit}">{metres}</gs:{name}>'


def angle(name: str, value: float, unit: str = DEGREE) -> str:
    """An angle of a shape."""
    return f'<gs:{name} uom="{unit}">{value}</gs:{name}>'


def point(pos: str = "-6.175392 106.827153", crs: str = TWO_D) -> str:
    """A gml:Point; `pos` is latitude, longitude and perhaps a height."""
    return f'<gml:Point srsName="{crs}"><gml:pos>{pos}</gml:pos></gml:Point>'


def shape(name: str, *measures: str, pos: str = "-6.175392 106.827153", crs: str = TWO_D) -> str:
    """A shape of RFC 5491 around a position: Circle, Ellipse, ArcBand, Sphere, .."""
    return f'<gs:{name} srsName="{crs}"><gml:pos>{pos}</gml:pos>{"".join(measures)}</gs:{name}>'


def circle(radius: float = 850) -> str:
    """A circle around Merdeka square."""
    return shape("Circle", length("radius", radius))


def polygon(*corners: str) -> str:
    """A polygon; the first corner closes it."""
    ring = "".join(f"<gml:pos>{corner}</gml:pos>" for corner in (*corners, corners[0]))
    inside = f"<gml:exterior><gml:LinearRing>{ring}</gml:LinearRing></gml:exterior>"
    return f'<gml:Polygon srsName="{TWO_D}">{inside}</gml:Polygon>'


def civic(**elements: str) -> str:
    """A civic address of RFC 5139."""
    inside = "".join(f"<ca:{name}>{value}</ca:{name}>" for name, value in elements.items())
    return f'<ca:civicAddress xml:lang="id">{inside}</ca:civicAddress>'


def geopriv(*infos: str, method: str = "Cell", rules: str = "<gp:usage-rules/>") -> str:
    """A geopriv with one location-info for each text."""
    told = f"<gp:method>{method}</gp:method>" if method else ""
    return (
        f"<gp:geopriv>{''.join(f'<gp:location-info>{i}</gp:location-info>' for i in infos)}{rules}{told}</gp:geopriv>"
    )


def in_tuple(inside: str, time: str = TIME) -> str:
    """A geopriv as the status of a tuple."""
    return f'<tuple id="t1"><status>{inside}</status><timestamp>{time}</timestamp></tuple>'


def in_device(inside: str, time: str = TIME) -> str:
    """A geopriv of a device."""
    return f'<dm:device id="d1">{inside}<dm:timestamp>{time}</dm:timestamp></dm:device>'


def document(*holders: str) -> str:
    """A whole document of tuples, devices and persons."""
    root = f'<presence {NAMESPACES} entity="pres:target@example.id">{"".join(holders)}</presence>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}'


KILLERS = {
    "no usage-rules": document(in_tuple(geopriv(circle(), rules=""))),
    "a confidence first": document(in_tuple(geopriv(CONFIDENCE + circle()))),
    "a word first": document(in_tuple(geopriv("here" + circle()))),
}
"""Documents of which Asterisk 22.10.1 dies when it reads them (geoloc_incoming_call_profile = <prefer_incoming>)."""


def invite_with(text: str | bytes, source: Address, target: Address, *, content_id: str = CONTENT_ID) -> bytes:
    """An INVITE with SDP and this document in a multipart/mixed body, and the Geolocation header that names it."""
    extra = f"Geolocation: <cid:{CONTENT_ID}>\r\n".encode()
    head, sdp = build_invite(source, target, extra=extra).split(b"\r\n\r\n", 1)
    about = f"Content-Type: application/pidf+xml\r\nContent-ID: <{content_id}>".encode()
    parts = [(b"Content-Type: application/sdp", sdp), (about, text.encode() if isinstance(text, str) else text)]
    body = b"".join(b"--=_part\r\n" + kind + b"\r\n\r\n" + content + b"\r\n" for kind, content in parts)
    body += b"--=_part--\r\n"
    kind = f'Content-Type: multipart/mixed;boundary="=_part"\r\nContent-Length: {len(body)}'.encode()
    return re.sub(rb"Content-Type: [^\r]*\r\nContent-Length: \d+", kind, head) + b"\r\n\r\n" + body
