"""PIDF-LO: from a SIP message to lines for the journal, and from the lines to locations; nothing ever raises."""

from __future__ import annotations

import json
from dataclasses import asdict
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbx112.domain.geolocation import TEXT_LIMIT, read_geolocation
from pbx112.domain.pidf import LINES_LIMIT, lines_of
from pbx112.domain.place import MOST_LOCATIONS, Location
from tests.support import pidf

MERDEKA = (-6.175392, 106.827153)
ADDRESS = {
    "country": "ID",
    "A1": "DKI Jakarta",
    "A2": "Jakarta Pusat",
    "RD": "Medan Merdeka",
    "HNO": "3",
    "PC": "10110",
}
CIVIC = "Medan Merdeka 3, Jakarta Pusat, DKI Jakarta 10110, ID"
SOURCE, TARGET = ("127.0.0.2", 5060), ("127.0.0.1", 5060)


def told(location: Location) -> dict[str, Any]:
    """What is known of it, without what every location of these tests has."""
    common = ("source", "trust", "raw")
    return {name: value for name, value in asdict(location).items() if name not in common and value not in (None, ())}


def read(text: str) -> list[dict[str, Any]]:
    return [told(location) for location in read_geolocation(text, trusted=True)]


def read_document(text: str) -> list[dict[str, Any]]:
    lines = lines_of(pidf.invite_with(text, SOURCE, TARGET))
    assert lines.isprintable() or "\n" in lines
    return read(lines)


# The left side is what Asterisk 22.10.1 gave as GEOLOC_PROFILE(location_info); our own lines have the same form.
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('shape="Point",crs="2d",pos="-6.175392 106.827153"', {"kind": "point"}),
        ('shape="Point",crs="3d",pos="-6.175392 106.827153 12.5"', {"kind": "point"}),
        ('shape="Circle",crs="2d",pos="-6.175392 106.827153",radius="850"', {"kind": "circle", "radius_m": 850}),
        ('shape="Sphere",crs="3d",pos="-6.175392 106.827153 10",radius="85"', {"kind": "circle", "radius_m": 85}),
        ('pos="-6.175392 106.827153",radius="850"', {"kind": "circle", "radius_m": 850}),
        (
            'shape="Ellipse",crs="2d",pos="-6.175392 106.827153",semiMajorAxis="7.7156",semiMinorAxis="3.31",'
            'orientation="142 degrees"',
            {"kind": "ellipse", "radius_m": 7.7156, "semi_minor_m": 3.31, "orientation_deg": 142},
        ),
        (
            'shape="Ellipse",crs="2d",pos="-6.175392 106.827153",semiMajorAxis="7.7156",semiMinorAxis="3.31",'
            'orientation="1.5707963 radians"',
            {"kind": "ellipse", "radius_m": 7.7156, "semi_minor_m": 3.31, "orientation_deg": 90},
        ),
        (
            'shape="ArcBand",crs="2d",pos="-6.175392 106.827153",innerRadius="1661.55",outerRadius="2215.4",'
            'startAngle="266 degrees",openingAngle="120 degrees"',
            {"kind": "arcband", "radius_m": 2215.4, "inner_radius_m": 1661.55, "start_deg": 266, "opening_deg": 120},
        ),
        ('shape="Circle",crs="2d",pos="-6.175392 106.827153",radius="-1"', {"kind": "point"}),
        ('shape="Circle",crs="2d",pos="-6.175392 106.827153",radius="1e30"', {"kind": "point"}),
        ('shape="Circle",crs="2d",pos="-6.175392 106.827153"', {"kind": "point"}),
        (
            'shape="Blob",crs="unknown",pos="-6.175392 106.827153",text="txt"',
            {"kind": "point", "flags": ("unknown_crs",)},
        ),
        ('method="GPS",shape="Point",crs="2d",pos="-6.175392 106.827153"', {"kind": "point", "method": "GPS"}),
        (
            'method="",at="2025-01-31T17:00:00+07:00",shape="Point",crs="2d",pos="-6.175392 106.827153"',
            {"kind": "point", "at": "2025-01-31T10:00:00Z"},
        ),
        ('at="yesterday",pos="-6.175392 106.827153"', {"kind": "point"}),
        ('at="2025-01-31T10:00:00",pos="-6.175392 106.827153"', {"kind": "point"}),
        ('at="0001-01-01T00:00:00+14:00",pos="-6.175392 106.827153"', {"kind": "point"}),
    ],
)
def test_given_a_line_of_a_shape_when_it_is_read_then_the_shape_is_whole(line: str, expected: dict[str, Any]) -> None:
    (location,) = read(line)
    found = {
        key: pytest.approx(value, abs=1e-3) if isinstance(value, float) else value for key, value in expected.items()
    }
    assert location == {"lat": MERDEKA[0], "lon": MERDEKA[1]} | found


@pytest.mark.parametrize(
    ("line", "civic"),
    [
        (
            'lang="id",country="ID",A1="DKI Jakarta",A2="Jakarta Pusat",A3="Gambir",RD="Medan Merdeka Utara",HNO="3",'
            'NAM="Istana "Merdeka", lobi",PC="10110",FLR="2"',
            'Istana "Merdeka", lobi, FLR 2, Medan Merdeka Utara 3, Gambir, Jakarta Pusat, DKI Jakarta 10110, ID',
        ),
        ('country="ID",A1="Papua"', "Papua, ID"),
        ('A6="Jalan Sabang",HNO="1",HNS="B"', "1 B, Jalan Sabang"),
    ],
)
def test_given_a_line_of_an_address_when_it_is_read_then_it_goes_from_the_building_to_the_country(
    line: str, civic: str
) -> None:
    assert read(line) == [{"kind": "civic", "civic": civic}]


@pytest.mark.parametrize(
    ("pos", "flags"),
    [
        ("-6.175392 106.827153", ()),
        ("5.9 95.3", ()),
        ("-10.9 123.0", ()),
        ("-8.5 140.4", ()),
        ("0 0", ("zero_coordinates",)),
        ("-0.0 0.0000001", ("zero_coordinates",)),
        ("0 109.3", ()),
        ("1.35 151.8", ("outside_indonesia",)),
        ("48.1 11.5", ("outside_indonesia",)),
        ("-90 180", ("outside_indonesia",)),
    ],
)
def test_given_coordinates_when_they_cannot_be_true_then_they_are_flagged_and_kept(
    pos: str, flags: tuple[str, ...]
) -> None:
    (location,) = read_geolocation(f'shape="Point",crs="2d",pos="{pos}"', trusted=True)
    assert location.flags == flags
    assert f"{location.lat} {location.lon}" == " ".join(str(float(number)) for number in pos.split())


@pytest.mark.parametrize(
    "line",
    [
        'shape="Point",crs="2d",pos="106.827153 -6.175392"',
        'shape="Point",crs="2d",pos="-6.175392 190"',
        'shape="Point",crs="2d",pos="-6.175392"',
        'shape="Point",crs="2d",pos="-6,175392 106,827153"',
        'shape="Point",crs="2d",pos="nan inf"',
        'shape="Point",crs="2d",pos="\u0666 \u0661"',
        'shape="Point",crs="2d",pos="-6.175392 106.8…',
        'shape="Circle",crs="2d"',
        'lang=""',
        'text="67"',
        'country="ID"',
        "anything",
        '"',
    ],
)
def test_given_a_line_without_a_place_when_it_is_read_then_its_raw_text_is_kept(line: str) -> None:
    (location,) = read_geolocation(line, trusted=False)
    assert told(location) == {"kind": "point", "flags": ("unreadable",)}
    assert (location.source, location.trust) == ("pidf", "claimed")
    assert location.raw == line


def test_given_a_line_that_was_cut_when_it_is_read_then_its_last_number_is_not_used() -> None:
    assert read('shape="Circle",crs="2d",pos="-6.175392 106.827153",radius="85') == [
        {"kind": "point", "lat": MERDEKA[0], "lon": MERDEKA[1]}
    ]


def test_given_a_value_that_forges_a_field_when_it_is_read_then_the_first_one_counts() -> None:
    (location,) = read('pos="-6.175392 106.827153",radius="5",radius="900"')
    assert location["radius_m"] == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<https://lis.example.id/loc/1?a=b,c>", [("https://lis.example.id/loc/1?a=b,c", "by_reference")]),
        ("<sips:loc@lis.example.id>;x=1", [("sips:loc@lis.example.id", "by_reference")]),
        (
            "<https://a/1>, <cid:x>\n<https://a/2>",
            [("https://a/1", "by_reference"), ("https://a/2", "by_reference"), ("cid:x", "unreadable")],
        ),
        ('URI="https://a/1"\n<https://a/1>', [("https://a/1", "by_reference")]),
        ("<cid:target@example.id>", [("cid:target@example.id", "unreadable")]),
        ("<", []),
        ("\n \n", []),
        ("", []),
    ],
)
def test_given_the_header_alone_when_it_is_read_then_what_was_announced_is_told(
    text: str, expected: list[tuple[str, str]]
) -> None:
    locations = read_geolocation(text, trusted=True)
    assert [(one.raw, *one.flags) for one in locations] == expected
    assert all(one.lat is None for one in locations)


def test_given_the_header_and_its_document_when_they_are_read_then_the_document_counts() -> None:
    text = '<cid:target@example.id>\nshape="Point",crs="2d",pos="-6.2 106.8"'
    assert read(text) == [{"kind": "point", "lat": -6.2, "lon": 106.8}]


def test_given_a_polygon_when_it_is_read_then_a_circle_around_it_holds_every_corner() -> None:
    (location,) = read('shape="Polygon",crs="2d",pos="-6.1 106.8",pos="-6.1 106.9",pos="-6.2 106.9",pos="-6.1 106.8"')
    assert location == {"kind": "circle", "lat": -6.15, "lon": 106.85, "radius_m": pytest.approx(7840, abs=10)}
    prism = 'shape="Prism",crs="3d",posList="-6.1 106.8 1 -6.1 106.9 1 -6.2 106.9 1 -6.1 106.8 1",height="2.4"'
    assert read(prism) == [location]


@pytest.mark.parametrize(
    ("holders", "expected"),
    [
        ([pidf.in_tuple(pidf.geopriv(pidf.circle()))], [{"kind": "circle", "radius_m": 850}]),
        ([pidf.in_device(pidf.geopriv(pidf.point("-6.175392 106.827153 9", pidf.THREE_D)))], [{"kind": "point"}]),
        (
            [
                pidf.in_tuple(
                    pidf.geopriv(
                        pidf.shape(
                            "Ellipse",
                            pidf.length("semiMajorAxis", 70),
                            pidf.length("semiMinorAxis", 30),
                            pidf.angle("orientation", 1.5707963, pidf.RADIAN),
                        )
                    )
                )
            ],
            [{"kind": "ellipse", "radius_m": 70, "semi_minor_m": 30, "orientation_deg": 90}],
        ),
        (
            [pidf.in_tuple(pidf.geopriv(pidf.shape("Circle", pidf.length("radius", 850, "urn:feet"))))],
            [{"kind": "point"}],
        ),
        (
            [pidf.in_tuple(pidf.geopriv(pidf.circle() + pidf.civic(**ADDRESS)))],
            [{"kind": "circle", "radius_m": 850}, {"kind": "civic", "civic": CIVIC}],
        ),
        (
            [pidf.in_tuple(pidf.geopriv(pidf.circle())), pidf.in_device(pidf.geopriv(pidf.point()))],
            [{"kind": "circle", "radius_m": 850}, {"kind": "point"}],
        ),
        ([pidf.in_tuple(pidf.geopriv(pidf.CONFIDENCE + pidf.circle()))], [{"kind": "circle", "radius_m": 850}]),
        (
            [pidf.in_tuple(pidf.geopriv(pidf.point(), pidf.circle(), method=""))],
            [{"kind": "point", "method": None}, {"kind": "circle", "radius_m": 850, "method": None}],
        ),
        ([pidf.in_tuple(pidf.geopriv(""))], []),
        (["<tuple id='t1'><status/></tuple>"], []),
    ],
)
def test_given_a_document_when_it_is_read_from_an_invite_then_every_location_of_it_is_there(
    holders: list[str], expected: list[dict[str, Any]]
) -> None:
    common = {"method": "Cell", "at": pidf.TIME}
    found = [
        common | ({} if one["kind"] == "civic" else {"lat": MERDEKA[0], "lon": MERDEKA[1]}) | one for one in expected
    ]
    known = [{name: value for name, value in one.items() if value is not None} for one in found]
    assert read_document(pidf.document(*holders)) == known


@pytest.mark.parametrize("name", pidf.KILLERS)
def test_given_a_document_that_kills_asterisk_when_it_is_read_here_then_its_place_is_known(name: str) -> None:
    assert (read_document(pidf.KILLERS[name])[0]["lat"], read_document(pidf.KILLERS[name])[0]["lon"]) == MERDEKA


def test_given_a_polygon_of_many_corners_when_it_is_read_then_its_circle_fits_into_a_line() -> None:
    corners = [f"{-6 - n / 1000} {106 + n / 1000}" for n in range(100)]
    (location,) = read_document(pidf.document(pidf.in_tuple(pidf.geopriv(pidf.polygon(*corners)))))
    assert (location["kind"], location["lat"], location["lon"]) == ("circle", -6.0495, 106.0495)
    assert 7_500 < location["radius_m"] < 8_000


def test_given_a_wrong_content_id_when_a_document_is_read_then_its_place_is_known() -> None:
    message = pidf.invite_with(
        pidf.document(pidf.in_tuple(pidf.geopriv(pidf.circle()))), SOURCE, TARGET, content_id="x"
    )
    assert read(lines_of(message))[0]["radius_m"] == 850


_ENTITIES = '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    "text",
    [
        pidf.document(pidf.in_tuple(pidf.geopriv(pidf.circle())))[:-30],
        pidf.document(pidf.in_tuple(pidf.geopriv(pidf.circle()))).replace("</gs:Circle>", ""),
        _ENTITIES + pidf.document(pidf.in_tuple(pidf.geopriv(pidf.civic(NAM="&x;&b;")))),
        f"<presence>{_ENTITIES}</presence>",
        "<presence>" * 5000 + "</presence>" * 5000,
        f"<presence>{'<a>' * 20000}{'</a>' * 20000}</presence>",
        "<presence/>",
        "",
    ],
)
def test_given_a_document_that_cannot_be_read_when_it_comes_then_nothing_comes_of_it(text: str) -> None:
    assert read_document(text) == []


def test_given_a_hostile_address_when_it_is_written_down_then_it_is_one_short_line() -> None:
    text = pidf.civic(NAM='x",pos="1 2', A1="a&#13;&#10;Event: Fake", RD="r" * 40_000, LOC=")))) : 5 ${EPOCH}")
    message = pidf.invite_with(pidf.document(pidf.in_tuple(pidf.geopriv(text))), SOURCE, TARGET)
    lines = lines_of(message)
    assert "\n" not in lines
    assert len(lines) < 400
    assert [one["kind"] for one in read(lines)] == ["civic"]


def test_given_more_than_the_journal_keeps_when_it_is_written_down_then_whole_lines_are_left_out() -> None:
    holders = [pidf.in_tuple(pidf.geopriv(pidf.circle(n))) for n in range(1, 60)]
    lines = lines_of(pidf.document(*holders).encode())
    assert len(lines) <= LINES_LIMIT
    assert [one["radius_m"] for one in read(lines)] == list(range(1, MOST_LOCATIONS + 1))


_PIECES = st.sampled_from(
    [
        '"',
        ",",
        "=",
        '",',
        '="',
        " ",
        "\n",
        "<",
        ">",
        "cid:",
        "pos",
        "shape",
        "Circle",
        "radius",
        "-6.2 106.8",
        "1e9",
        "…",
    ]
)
_HOSTILE = st.one_of(st.text(st.characters(codec=None)), st.lists(_PIECES, max_size=60).map("".join))


@settings(max_examples=500)
@given(_HOSTILE, st.booleans())
def test_given_any_text_when_it_is_read_then_it_never_raises_and_every_value_can_be_json(
    text: str, trusted: bool
) -> None:
    locations = read_geolocation(text, trusted=trusted)
    assert len(locations) <= MOST_LOCATIONS
    for location in locations:
        assert location.raw
        assert location.raw.isprintable()
        assert len(location.raw) <= 256
        json.dumps(asdict(location), allow_nan=False)


_DOCUMENT = pidf.document(pidf.in_tuple(pidf.geopriv(pidf.circle() + pidf.civic(**ADDRESS)))).encode()


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, len(_DOCUMENT)), st.integers(0, 60))
@example(b"", 0, 0)
def test_given_any_bytes_in_a_message_when_it_is_read_then_it_never_raises(noise: bytes, at: int, gone: int) -> None:
    lines = lines_of(_DOCUMENT[:at] + noise + _DOCUMENT[at + gone :])
    assert len(lines) <= LINES_LIMIT
    read_geolocation(lines, trusted=True)


@pytest.mark.parametrize("piece", ['"', '",', '",a="', 'pos="1 2",', "<", "<a>", "\n", '",   ', 'posList="1', "1 2 "])
@pytest.mark.alone
def test_given_a_hostile_text_of_any_size_when_it_is_read_then_it_costs_little(piece: str) -> None:
    text = 'posList="' + piece * (2 * TEXT_LIMIT // len(piece))
    started = process_time()
    for _ in range(5):
        read_geolocation(text, trusted=True)
    assert (process_time() - started) / 5 < 0.02


@pytest.mark.parametrize(
    "piece", [b"<presence ", b"<presence></presence>", b"<a>", b"<a:presence>", b"<!DOCTYPE ", b"\xff"]
)
@pytest.mark.alone
def test_given_a_hostile_message_of_the_size_of_a_datagram_when_it_is_read_then_it_costs_little(piece: bytes) -> None:
    message = b"<presence>" + piece * (65_000 // len(piece)) + b"</presence>"
    started = process_time()
    lines_of(message)
    assert process_time() - started < 0.25


@pytest.mark.alone
def test_given_ordinary_lines_when_they_are_read_then_they_take_less_than_a_millisecond() -> None:
    text = lines_of(_DOCUMENT) + "\n<cid:target@example.id>"
    started = process_time()
    for _ in range(200):
        read_geolocation(text, trusted=True)
    assert (process_time() - started) / 200 < 0.001


_CORNERS = f"<posList>{'-6.1 106.8 ' * 128}</posList>"
NESTED = {
    "geoprivs in each other": "<geopriv><location-info><p>" * 200
    + _CORNERS * 8
    + "</p></location-info></geopriv>" * 200,
    "shapes in each other": "<geopriv><location-info>"
    + ("<x>" * 200 + _CORNERS * 10 + "</x>" * 200) * 3
    + "</location-info></geopriv>",
    "many geoprivs": f"<geopriv><location-info><p>{_CORNERS}</p></location-info></geopriv>" * 40,
}


@pytest.mark.parametrize("inside", NESTED.values(), ids=NESTED)
@pytest.mark.alone
def test_given_a_document_nested_to_be_read_again_and_again_when_it_is_read_then_it_costs_little(inside: str) -> None:
    document = f"<presence><tuple><status>{inside}</status></tuple></presence>".encode()
    began = process_time()
    lines_of(document)
    assert process_time() - began < 0.2
