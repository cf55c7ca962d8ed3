"""Cells from P-Access-Network-Info: read exactly or not at all, and never raising."""

from dataclasses import fields
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain.location import (
    Location,
    LocationKind,
    LocationSource,
    LocationTrust,
    read_access_network,
    read_locations,
)
from pbx112.domain.networks import INDONESIAN_NETWORKS, network_name
from pbx112.domain.place import MOST_LOCATIONS

JAKARTA = "510101F2A0ABCDE1"
JAKARTA_CELL = ("510", "10", 7978, 11259361)
FDD = f"3GPP-E-UTRAN-FDD;utran-cell-id-3gpp={JAKARTA}"
UNREAD = (None, None, None, None)

Cell = tuple[str | None, str | None, int | None, int | None]


def cell(location: Location) -> Cell:
    return location.mcc, location.mnc, location.tac, location.cell_id


def read_one(header: str, *, trusted: bool = True) -> Location:
    (location,) = read_access_network(header, trusted=trusted)
    return location


def cells(header: str) -> list[Cell]:
    return [cell(location) for location in read_access_network(header, trusted=True)]


def test_given_the_public_record_when_a_cell_is_read_then_its_fields_are_those() -> None:
    assert " ".join(field.name for field in fields(Location)) == (
        "kind source trust mcc mnc tac cell_id network name age_s lat lon radius_m semi_minor_m orientation_deg "
        "inner_radius_m start_deg opening_deg civic method at flags raw"
    )
    assert read_one(FDD) == Location(
        LocationKind.CELL,
        LocationSource.PANI,
        LocationTrust.TRUNK,
        mcc="510",
        mnc="10",
        tac=7978,
        cell_id=11259361,
        network="Telkomsel",
        raw=FDD,
    )


@pytest.mark.parametrize(
    ("access_type", "parameter", "text", "expected"),
    [
        ("3GPP-GERAN", "cgi-3gpp", "510011F2AABCD", ("510", "01", 0x1F2A, 0xABCD)),
        ("3GPP-GERAN", "cgi-3gpp", "3104101F2AABCD", ("310", "410", 0x1F2A, 0xABCD)),
        *(
            (access_type, "utran-cell-id-3gpp", text, expected)
            for access_type in (
                *("3GPP-UTRAN", "3GPP-UTRAN-FDD", "3GPP-UTRAN-TDD"),
                *("3GPP-E-UTRAN", "3GPP-E-UTRAN-FDD", "3GPP-E-UTRAN-TDD"),
            )
            for text, expected in [
                (JAKARTA, JAKARTA_CELL),
                ("3104101F2A0ABCDE1", ("310", "410", 7978, 11259361)),
                ("001010000FFFFFFF", ("001", "01", 0, 0xFFFFFFF)),
            ]
        ),
        *(
            (access_type, "utran-cell-id-3gpp", text, expected)
            for access_type in ("3GPP-NR", "3GPP-NR-FDD", "3GPP-NR-TDD")
            for text, expected in [
                ("5101000012A0012ABCDE", ("510", "10", 0x12A, 0x0012ABCDE)),
                ("31041000012AF012ABCDE", ("310", "410", 0x12A, 0xF012ABCDE)),
            ]
        ),
    ],
)
def test_given_an_access_type_when_its_cell_is_read_then_the_layout_of_the_table_holds(
    access_type: str, parameter: str, text: str, expected: Cell
) -> None:
    header = f"{access_type};{parameter}={text}"
    assert cell(read_one(header)) == expected
    assert cell(read_one(header.lower())) == expected
    # One digit less of an MNC with three is the length of an MNC with two, so the cuts are of two.
    assert cell(read_one(f"{access_type};{parameter}={text[:-2]}")) == UNREAD
    assert cell(read_one(f"{access_type};{parameter}={text}00")) == UNREAD


@pytest.mark.parametrize(
    "header",
    [
        f'3GPP-E-UTRAN-FDD;utran-cell-id-3gpp="{JAKARTA}"',
        f'3GPP-E-UTRAN-FDD;"utran-cell-id-3gpp={JAKARTA}"',
        f'"{FDD}"',
        f"3gpp-e-utran-fdd;UTRAN-Cell-Id-3GPP={JAKARTA.lower()}",
        f"  3GPP-E-UTRAN-FDD ;\tutran-cell-id-3gpp = {JAKARTA} ; network-provided ",
        f'3GPP-E-UTRAN-FDD ; utran-cell-id-3gpp = " {JAKARTA} "',
        f"3GPP-E-UTRAN-FDD;\r\n utran-cell-id-3gpp={JAKARTA}",
        f"3GPP-E-UTRAN-FDD\n\t;utran-cell-id-3gpp=\n {JAKARTA}",
        f'3GPP-E-UTRAN-FDD;"sbc-domain=a,b;c";utran-cell-id-3gpp={JAKARTA};ue-ip=[2001:db8::1]',
        f'3GPP-E-UTRAN-FDD;x="a\\",;b";utran-cell-id-3gpp={JAKARTA}',
        f"{FDD};local-time-zone;utran-cell-id-3gpp={JAKARTA.lower()}",
        f"{FDD};",
        f",{FDD},,\n\n",
    ],
)
def test_given_one_value_when_it_is_written_in_another_way_then_its_cell_is_the_same(header: str) -> None:
    assert cells(header) == [JAKARTA_CELL]


@pytest.mark.parametrize(
    "header",
    [
        "3GPP-E-UTRAN-FDD",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=",
        f"3GPP-E-UTRAN-FDD;utran-cell-id-3gpp={JAKARTA[:-1]}",
        "3GPP-GERAN;cgi-3gpp=510011F2AABC",
        "3GPP-NR-FDD;utran-cell-id-3gpp=5101000012A0012ABCD",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510101F2A0ABCDEG",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=51A101F2A0ABCDE1",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=0x510101F2A0ABCD",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=\u0665\u0661\u0660101F2A0ABCDE1",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510 10 1F2A 0ABCDE1",
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510101F2A0ABCDE1%00",
        # An Indonesian MNC has two digits: here the cell has a digit too many, which shifts the area.
        "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510101F2A00ABCDE1",
        "3GPP-NR-TDD;utran-cell-id-3gpp=510101F2A0ABCDE1",
        "3GPP-E-UTRAN-FDD;cgi-3gpp=510101F2A0ABCDE1",
        "3GPP-GERAN;utran-cell-id-3gpp=510011F2AABCD",
        "3GPP-E-UTRAN-XDD;utran-cell-id-3gpp=510101F2A0ABCDE1",
        "utran-cell-id-3gpp=510101F2A0ABCDE1",
        ";utran-cell-id-3gpp=510101F2A0ABCDE1",
        f"{FDD};utran-cell-id-3gpp=510101F2A0ABCDE2",
        "IEEE-802.11;i-wlan-node-id=001122AABBCC",
        "IEEE-802.11ac;i-wlan-node-id=001122AABBCC;country=ID",
        "DOCSIS",
        '"',
        ";",
        "\x00",
        "\ud800",
        "anything",
    ],
)
def test_given_a_value_that_is_no_cell_of_the_table_when_it_is_read_then_only_its_raw_text_is_kept(header: str) -> None:
    location = read_one(header)
    assert (location.kind, cell(location), location.flags) == (LocationKind.CELL, UNREAD, ("unreadable",))
    assert location.network is None
    assert location.raw
    assert location.raw.isprintable()
    assert not header.isprintable() or location.raw == header


@pytest.mark.parametrize("header", ["", " ", ",", "\r\n", " ,\t,\n ,"])
def test_given_an_empty_header_when_it_is_read_then_there_is_no_location(header: str) -> None:
    assert read_access_network(header, trusted=True) == ()


@pytest.mark.parametrize("joined", [",", " , ", "\n", "\r\n", ",\r\n "])
def test_given_several_values_when_they_are_read_then_the_networks_own_comes_first(joined: str) -> None:
    geran = "3GPP-GERAN;cgi-3gpp=510011F2AABCD"
    wlan = "IEEE-802.11;i-wlan-node-id=001122AABBCC"
    marked = f"{FDD};Network-Provided"
    locations = read_access_network(joined.join([geran, wlan, marked, geran]), trusted=True)
    assert [location.raw for location in locations] == [marked, geran, wlan, geran]
    assert [location.trust for location in locations] == ["network", "trunk", "trunk", "trunk"]


def test_given_too_many_values_when_they_are_read_then_the_networks_own_is_not_the_one_that_is_dropped() -> None:
    header = ",".join([*(f"junk{number}" for number in range(20)), f"{FDD};network-provided"])
    raws = [location.raw for location in read_access_network(header, trusted=True)]
    assert len(raws) == MOST_LOCATIONS
    assert raws[:2] == [f"{FDD};network-provided", "junk0"]


@pytest.mark.parametrize(
    ("suffix", "trusted", "trust"),
    [
        (";network-provided", True, "network"),
        ("; NETWORK-PROVIDED ;x=1", True, "network"),
        (";network-provided", False, "claimed"),
        ("", True, "trunk"),
        ("", False, "claimed"),
        (";network-provided=no", True, "trunk"),
        (";not-network-provided", True, "trunk"),
        # The network does not look into quotes for what a phone must not say.
        (';x=";network-provided;"', True, "trunk"),
        (';"network-provided"', True, "trunk"),
        (';x=";network-provided', True, "trunk"),
    ],
)
def test_given_a_trunk_and_a_mark_when_a_cell_is_read_then_its_trust_follows(
    suffix: str, trusted: bool, trust: str
) -> None:
    location = read_one(FDD + suffix, trusted=trusted)
    assert (cell(location), location.trust) == (JAKARTA_CELL, trust)


def test_given_a_value_in_quotes_when_it_bears_the_mark_inside_then_it_is_not_the_networks() -> None:
    assert read_one(f'"{FDD};network-provided"').trust is LocationTrust.TRUNK


def test_given_a_quote_that_nobody_closed_when_the_network_adds_a_value_then_it_is_read_but_not_marked() -> None:
    locations = read_access_network(f'3GPP-GERAN;cgi-3gpp="51001,{FDD};network-provided', trusted=True)
    assert [cell(location) for location in locations] == [UNREAD, JAKARTA_CELL]
    assert {location.trust for location in locations} == {LocationTrust.TRUNK}


def test_given_cellular_network_info_when_it_is_read_then_its_source_says_so() -> None:
    header = "3GPP-E-UTRAN;utran-cell-id-3gpp=311480a70c0001817;cell-info-age=0"
    (location,) = read_access_network(header, trusted=False, source=LocationSource.CNI)
    assert (location.source, cell(location)) == ("cni", ("311", "480", 0xA70C, 0x1817))


@pytest.mark.parametrize(
    ("age", "expected", "flags"),
    [
        (";cell-info-age=0", 0, ()),
        (";cell-info-age=900", 900, ()),
        ("; Cell-Info-Age = 901", 901, ("stale",)),
        (';cell-info-age="7200"', 7200, ("stale",)),
        (";cell-info-age=30;cell-info-age=4000", 4000, ("stale",)),
        (";cell-info-age", None, ()),
        (";cell-info-age=", None, ()),
        (";cell-info-age=-5", None, ()),
        (";cell-info-age=1e3", None, ()),
        (";cell-info-age=1234567890", None, ()),
        (";cell-info-age=\u0665", None, ()),
    ],
)
def test_given_the_age_of_a_cell_when_it_is_read_then_an_old_one_is_doubtful(
    age: str, expected: int | None, flags: tuple[str, ...]
) -> None:
    (location,) = read_locations({"cellular-network-info": FDD + age}, trusted=True)
    assert (location.source, cell(location)) == ("cni", JAKARTA_CELL)
    assert (location.age_s, location.flags) == (expected, flags)


def test_given_every_header_when_a_call_is_located_then_the_best_comes_first() -> None:
    headers = {
        "p-access-network-info": f"{FDD},junk\n3GPP-GERAN;cgi-3gpp=510011F2AABCD;network-provided",
        "cellular-network-info": f"{FDD};cell-info-age=3600",
        "geolocation": 'method="Cell",shape="Circle",crs="2d",pos="-6.175392 106.827153",radius="850"',
        "from": "<sip:+62811@example.id>",
    }
    locations = read_locations(headers, trusted=True)
    assert [(one.kind, one.source, one.trust, one.flags) for one in locations] == [
        ("circle", "pidf", "trunk", ()),
        ("cell", "pani", "network", ()),
        ("cell", "pani", "trunk", ()),
        ("cell", "cni", "trunk", ("stale",)),
        ("cell", "pani", "trunk", ("unreadable",)),
    ]
    assert {one.trust for one in read_locations(headers, trusted=False)} == {"claimed"}
    assert read_locations({}, trusted=True) == ()


def test_given_more_locations_than_are_kept_when_a_call_is_located_then_the_worst_are_dropped() -> None:
    headers = {
        "p-access-network-info": ",".join(["junk"] * 20),
        "cellular-network-info": FDD,
        "geolocation": 'shape="Point",crs="2d",pos="-6.2 106.8"',
    }
    locations = read_locations(headers, trusted=True)
    assert len(locations) == MOST_LOCATIONS
    assert [one.source for one in locations[:3]] == ["pidf", "cni", "pani"]


def test_given_control_characters_when_a_value_is_kept_then_they_are_visible_and_it_is_bounded() -> None:
    assert read_one("a\x00b\x1b[2J\r\n c\u202e").raw == "a\\x00b\\x1b[2J\\x0d\\x0a c\\x202e"
    assert read_one("\x01" * 5000).raw == ("\\x01" * 64)
    assert read_one(f"{FDD};{'x' * 5000}").raw == f"{FDD};".ljust(256, "x")


def test_given_an_indonesian_code_when_its_network_is_named_then_only_the_known_ones_have_a_name() -> None:
    assert network_name("510", "10") == "Telkomsel"
    assert network_name("510", "01") == network_name("510", "21") == "Indosat"
    assert all(len(mnc) == 2 and mnc.isdigit() for mnc in INDONESIAN_NETWORKS)
    for mcc, mnc in [("510", "010"), ("510", "1"), ("510", "98"), ("310", "10"), (None, None), ("510", None)]:
        assert network_name(mcc, mnc) is None


_PIECES = st.sampled_from(
    [*',;="\\ \t\r\n\x00', "\r\n ", FDD, JAKARTA, "3GPP-GERAN", "cgi-3gpp", "utran-cell-id-3gpp", "network-provided"]
)
_HOSTILE = st.one_of(st.text(st.characters(codec=None)), st.lists(_PIECES, max_size=40).map("".join))


@settings(max_examples=500)
@given(_HOSTILE, st.booleans())
def test_given_any_text_when_it_is_read_then_it_never_raises_and_every_raw_value_is_printable(
    header: str, trusted: bool
) -> None:
    locations = read_access_network(header, trusted=trusted)
    assert len(locations) <= MOST_LOCATIONS
    assert bool(locations) == bool(header.strip(", \t\r\n"))
    for location in locations:
        assert location.raw
        assert location.raw.isprintable()
        assert len(location.raw) <= 256
        assert (location.trust is LocationTrust.CLAIMED) is not trusted
        assert cell(location) == UNREAD or None not in cell(location)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["p-access-network-info", "cellular-network-info", "geolocation", "x"]), _HOSTILE),
    st.booleans(),
)
def test_given_any_text_in_any_header_when_a_call_is_located_then_it_never_raises(
    headers: dict[str, str], trusted: bool
) -> None:
    locations = read_locations(headers, trusted=trusted)
    assert len(locations) <= MOST_LOCATIONS
    assert all((one.trust is LocationTrust.CLAIMED) is not trusted for one in locations)


@given(
    st.from_regex(r"[0-9]{3}", fullmatch=True).filter(lambda mcc: mcc != "510"),
    st.integers(0, 999),
    st.sampled_from([2, 3]),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFF),
)
def test_given_any_cell_when_it_is_written_and_read_then_it_is_the_same(
    mcc: str, number: int, digits: int, tac: int, cell_id: int
) -> None:
    mnc = f"{number:03}"[-digits:]
    header = f"3GPP-E-UTRAN-TDD;utran-cell-id-3gpp={mcc}{mnc}{tac:04x}{cell_id:07X}"
    assert cell(read_one(header)) == (mcc, mnc, tac, cell_id)


@pytest.mark.parametrize("piece", [",", ";", '"', '\\"', '"\\', "\n", "\r", " ", "a,", "a;", "\n ", f"{FDD},"])
@pytest.mark.alone
def test_given_a_hostile_header_of_the_size_asterisk_passes_when_it_is_read_then_it_costs_little(piece: str) -> None:
    header = '"' + piece * (4096 // len(piece))
    started = process_time()
    for _ in range(5):
        read_access_network(header, trusted=True)
    # Far above what it takes, far below what a quadratic reading would.
    assert (process_time() - started) / 5 < 0.05


@pytest.mark.alone
def test_given_ordinary_headers_when_they_are_read_then_one_takes_less_than_a_millisecond() -> None:
    header = f'{FDD};"sbc-domain=sbc1.example";network-provided,3GPP-GERAN;cgi-3gpp=510011F2AABCD'
    started = process_time()
    for _ in range(200):
        read_access_network(header, trusted=True)
    assert (process_time() - started) / 200 < 0.001
