"""What the dialplan says of agencies: which lines are called, and by which keys of an operator's phone."""

from collections.abc import Iterator
from dataclasses import dataclass

from pbx112.domain.configuration import Agency, Configuration, NumberFormat

KEYS = {"warm": "*1", "conference": "*6", "blind": "*8"}
"""What an operator presses before an agency's code, by the mode of the transfer."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name in the record, and what Asterisk dials."""

    name: str
    dial: str


def modes(agency: Agency) -> tuple[str, ...]:
    """The modes that the agency can be called in."""
    return tuple(mode for mode in KEYS if mode != "blind" or agency.blind)


def keys(agency: Agency) -> Iterator[tuple[str, str, str]]:
    """What an operator presses to reach it: the whole code, the mode, the agency's name."""
    if agency.code:
        for mode in modes(agency):
            yield KEYS[mode] + agency.code, mode, agency.name


def lines(agency: Agency, configuration: Configuration) -> Iterator[Line]:
    """The lines in ringing order. A number is called by its trunk, from 112; one whose trunk is gone is left out."""
    for line in agency.lines:
        number, at, name = line.partition("@")
        if not at:
            yield Line(line, f"PJSIP/{line}")
            continue
        trunk = configuration.trunk(name)
        if trunk is not None and trunk.outbound is not None:
            national = trunk.number_format is NumberFormat.NATIONAL and number.startswith("+62")
            yield Line(line, f"PJSIP/{trunk.name}/sip:{'0' + number[3:] if national else number}@{trunk.outbound}")
