"""Where a caller is, as far as the signalling tells: read_locations, and the cells of access network headers.

The layouts are those of 3GPP TS 24.229 (RFC 7315, RFC 7913 for P-Access-Network-Info; Cellular-Network-Info stands in
TS 24.229 alone). A cell is read only when its text has exactly the length of its access type: a wrong place is worse
than none. Nothing here raises: whatever cannot be read keeps its raw value.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pbx112.domain.caller import RAW_LIMIT, clean
from pbx112.domain.geolocation import read_geolocation
from pbx112.domain.networks import INDONESIA, network_name
from pbx112.domain.place import (
    MOST_LOCATIONS,
    STALE,
    STALE_AFTER_S,
    UNREADABLE,
    Location,
    LocationKind,
    LocationSource,
    LocationTrust,
    best_first,
)

__all__ = ["Location", "LocationKind", "LocationSource", "LocationTrust", "read_access_network", "read_locations"]


@dataclass(frozen=True, slots=True)
class _Cell:
    mcc: str | None = None
    mnc: str | None = None
    tac: int | None = None
    cell_id: int | None = None
    age_s: int | None = None


@dataclass(frozen=True, slots=True)
class _Value:
    """One value of the header; in `mask`, of the same length, nothing inside quotes looks like a separator."""

    text: str
    mask: str
    well_quoted: bool

    def parts(self) -> list[str]:
        return [part for part, _ in _split(self.text, self.mask, ";")]


def _layout(area_digits: int, cell_digits: int) -> re.Pattern[str]:
    """MCC, MNC, area and cell: as a whole text, its length alone tells an MNC of two digits from one of three."""
    return re.compile(rf"([0-9]{{3}})([0-9]{{2,3}})([0-9A-Fa-f]{{{area_digits}}})([0-9A-Fa-f]{{{cell_digits}}})")


_GERAN = ("cgi-3gpp", _layout(4, 4))
_UTRAN = ("utran-cell-id-3gpp", _layout(4, 7))
_NR = ("utran-cell-id-3gpp", _layout(6, 9))
# The names without FDD or TDD are access classes: what a network writes that only knows the radio technology,
# so they are usual in the very values that are marked as network-provided.
_LAYOUTS = {
    "3gpp-geran": _GERAN,
    **dict.fromkeys(("3gpp-utran", "3gpp-utran-fdd", "3gpp-utran-tdd"), _UTRAN),
    **dict.fromkeys(("3gpp-e-utran", "3gpp-e-utran-fdd", "3gpp-e-utran-tdd"), _UTRAN),
    **dict.fromkeys(("3gpp-nr", "3gpp-nr-fdd", "3gpp-nr-tdd"), _NR),
}
_NETWORK_PROVIDED = "network-provided"
_AGE = "cell-info-age"
_SECONDS = re.compile(r"[0-9]{1,9}")
_BLANK = " \t\r\n"
_LINE_END = re.compile(r"\r?\n(?![ \t])")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def read_locations(headers: Mapping[str, str], *, trusted: bool) -> tuple[Location, ...]:
    """Every location of a call, the best first, at most MOST_LOCATIONS.

    `headers` go by their names in lower case, several lines of one joined by line breaks: p-access-network-info,
    cellular-network-info, and geolocation, which is what `domain/geolocation.py` reads.
    """
    found = (
        *read_geolocation(headers.get("geolocation", ""), trusted=trusted),
        *read_access_network(headers.get("p-access-network-info", ""), trusted=trusted),
        *read_access_network(headers.get("cellular-network-info", ""), trusted=trusted, source=LocationSource.CNI),
    )
    return best_first(found)[:MOST_LOCATIONS]


def read_access_network(
    header: str, *, trusted: bool, source: LocationSource = LocationSource.PANI
) -> tuple[Location, ...]:
    """Every value of a P-Access-Network-Info header, its lines joined by line breaks; network-provided first.

    Cellular-Network-Info has the same form and adds `cell-info-age`, in seconds: `source` names it.
    """
    marked = [(value, _network_provided(value)) for value in _values(header)]
    marked.sort(key=lambda pair: not pair[1])
    return tuple(_location(value, _trust(trusted, network), source) for value, network in marked[:MOST_LOCATIONS])


def _values(header: str) -> Iterator[_Value]:
    """The values of all lines, without empty ones; a line break before a blank only folds a line."""
    for line in _LINE_END.split(header):
        mask, well_quoted = _masked(line)
        for text, masked in _split(line, mask, ","):
            if text:
                yield _Value(text, masked, well_quoted)


def _masked(text: str) -> tuple[str, bool]:
    """The text with everything inside quotes blotted out, and whether every quote was closed.

    What follows a quote that nobody closed stays as it is, so that a network's value behind a broken one is read.
    """
    unclosed = False

    def blot(found: re.Match[str]) -> str:
        nonlocal unclosed
        if found[2]:
            return f'"{"_" * len(found[1])}"'
        unclosed = True
        return found[0]

    return _QUOTED.sub(blot, text), not unclosed


def _split(text: str, mask: str, separator: str) -> Iterator[tuple[str, str]]:
    """The stretches between separators outside of quotes, stripped alike in the text and in its mask."""
    start = 0
    for stretch in mask.split(separator):
        kept = stretch.strip(_BLANK)
        begin = start + len(stretch) - len(stretch.lstrip(_BLANK))
        yield text[begin : begin + len(kept)], kept
        start += len(stretch) + len(separator)


def _network_provided(value: _Value) -> bool:
    """Whether the network marked the value. The mark is a bare word.

    A network strips the mark from what a phone sends, but looks neither into quotes nor past an unclosed one:
    there a caller could forge it.
    """
    return value.well_quoted and any(part.lower() == _NETWORK_PROVIDED for part in value.parts()[1:])


def _trust(trusted: bool, network: bool) -> LocationTrust:
    if not trusted:
        return LocationTrust.CLAIMED
    return LocationTrust.NETWORK if network else LocationTrust.TRUNK


def _location(value: _Value, trust: LocationTrust, source: LocationSource) -> Location:
    cell = _cell(value)
    return Location(
        LocationKind.CELL,
        source,
        trust,
        mcc=cell.mcc,
        mnc=cell.mnc,
        tac=cell.tac,
        cell_id=cell.cell_id,
        network=network_name(cell.mcc, cell.mnc),
        age_s=cell.age_s,
        flags=_doubts(cell),
        raw=clean(value.text)[:RAW_LIMIT],
    )


def _doubts(cell: _Cell) -> tuple[str, ...]:
    if cell.mcc is None:
        return (UNREADABLE,)
    return (STALE,) if cell.age_s is not None and cell.age_s > STALE_AFTER_S else ()


def _cell(value: _Value) -> _Cell:
    """The cell of a value, or nothing: also when it names two different ones."""
    access_type, *parameters = _whole(value).parts()
    name, layout = _LAYOUTS.get(_unquoted(access_type).lower(), ("", None))
    if layout is None:
        return _Cell()
    told = [_parameter(parameter) for parameter in parameters]
    given = {text.upper() for parameter, text in told if parameter == name}
    found = layout.fullmatch(given.pop()) if len(given) == 1 else None
    if found is None:
        return _Cell()
    mcc, mnc, area, cell = found.groups()
    # A text that is one digit too long would otherwise be read with every field shifted by one.
    if mcc == INDONESIA and len(mnc) != 2:
        return _Cell()
    ages = [int(text) for parameter, text in told if parameter == _AGE and _SECONDS.fullmatch(text)]
    return _Cell(mcc, mnc, int(area, 16), int(cell, 16), max(ages, default=None))


def _whole(value: _Value) -> _Value:
    """The value inside the quotes that stand around all of it, or the value itself."""
    inner = _unquoted(value.text)
    return value if inner == value.text else _Value(inner, *_masked(inner))


def _parameter(part: str) -> tuple[str, str]:
    """Name and value; `"name=value"`, quoted as a whole, is how some networks write what is no token."""
    name, _, text = _unquoted(part).partition("=")
    return name.strip(_BLANK).lower(), _unquoted(text.strip(_BLANK)).strip(_BLANK)


def _unquoted(text: str) -> str:
    found = _QUOTED.fullmatch(text)
    return _ESCAPED.sub(r"\1", found[1]) if found and found[2] else text
