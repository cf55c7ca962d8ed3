"""The best location first, and cells placed by the table: pure functions."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

import pytest

from pbx112.domain.place import (
    KnownCell,
    Location,
    LocationKind,
    LocationSource,
    LocationTrust,
    best_first,
    cell_key,
    doubts_of,
    with_cells,
)

KEY = ("510", "10", 7978, 11259361)


def place(kind: str, trust: str = "trunk", **fields: Any) -> Location:
    source = LocationSource.PANI if kind == "cell" else LocationSource.PIDF
    return Location(LocationKind(kind), source, LocationTrust(trust), **fields)


def cell(trust: str = "trunk", **fields: Any) -> Location:
    return place("cell", trust, **dict(zip(("mcc", "mnc", "tac", "cell_id"), KEY, strict=True)), **fields)


def public(location: Location) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(location).items()}


IN_ORDER = [
    place("circle", lat=-6.2, lon=106.8, radius_m=20),
    place("point", lat=-6.2, lon=106.8),
    place("circle", lat=-6.2, lon=106.8, radius_m=850),
    cell("network", lat=-6.2, lon=106.8, radius_m=500),
    cell("trunk", lat=-6.2, lon=106.8, radius_m=500),
    cell("trunk", lat=-6.2, lon=106.8),
    place("civic", civic="Jalan Sabang 1"),
    cell("network"),
    cell("trunk", age_s=5),
    cell("trunk", age_s=600),
    place("circle", "claimed", lat=-6.2, lon=106.8, radius_m=5),
    cell("claimed"),
    place("circle", lat=51.5, lon=0.1, radius_m=5, flags=("outside_indonesia",)),
    cell("trunk", age_s=3600, flags=("stale",)),
    place("point", raw="https://lis.example.id/1", flags=("by_reference",)),
    place("point", "claimed", lat=0.0, lon=0.0, flags=("zero_coordinates",)),
    place("cell", "network", raw="junk", flags=("unreadable",)),
]


def test_given_locations_in_any_order_when_they_are_sorted_then_the_best_comes_first() -> None:
    mixed = list(IN_ORDER)
    for seed in range(20):
        random.Random(seed).shuffle(mixed)
        assert list(best_first(mixed)) == IN_ORDER


def test_given_equal_locations_when_they_are_sorted_then_their_order_stays() -> None:
    equal = [cell(raw=str(number)) for number in range(5)]
    assert list(best_first(equal)) == equal
    assert best_first([]) == ()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((-6.175392, 106.827153), ()),
        ((-11.2, 94.7), ()),
        ((6.3, 141.1), ()),
        ((-11.21, 120), ("outside_indonesia",)),
        ((0, 141.11), ("outside_indonesia",)),
        ((0.0, 0.0), ("zero_coordinates",)),
        ((0.0, 110.0), ()),
    ],
)
def test_given_coordinates_when_they_are_doubted_then_the_edge_belongs_to_indonesia(
    place: tuple[float, float], expected: tuple[str, ...]
) -> None:
    assert doubts_of(*place) == expected


def test_given_a_table_when_cells_are_placed_then_the_known_one_comes_before_the_address() -> None:
    unknown = {**public(cell()), "cell_id": 1}
    locations = [public(place("civic", civic="Jalan Sabang 1")), unknown, public(cell())]
    placed = with_cells(locations, {KEY: KnownCell(-6.2, 106.8, 500.0, "Monas")})
    assert [one["name"] for one in placed] == ["Monas", None, None]
    assert placed[0] == {**public(cell()), "lat": -6.2, "lon": 106.8, "radius_m": 500.0, "name": "Monas"}
    assert placed[1:] == locations[:2]
    assert locations[2]["lat"] is None


def test_given_a_table_that_is_wrong_when_a_cell_is_placed_then_it_is_doubted() -> None:
    locations = [public(cell()), public(place("civic", civic="x"))]
    placed = with_cells(locations, {KEY: KnownCell(51.5, 0.1)})
    assert [one["flags"] for one in placed] == [[], ["outside_indonesia"]]


def test_given_a_record_of_before_when_its_cells_are_placed_then_missing_fields_do_no_harm() -> None:
    old = {"kind": "cell", "source": "pani", "trust": "trunk", "mcc": "510", "mnc": "10", "tac": 7978, "raw": "x"}
    assert cell_key(old) is None
    assert with_cells([{**old, "cell_id": 11259361}], {KEY: KnownCell(-6.2, 106.8)})[0]["lat"] == -6.2


def test_given_a_location_when_it_is_no_readable_cell_then_it_has_no_key() -> None:
    assert cell_key(public(cell())) == KEY
    assert cell_key(public(place("cell", raw="junk"))) is None
    assert cell_key({**public(cell()), "kind": "point"}) is None
