"""Cells from a CSV file: read strictly, imported whole or not at all.

A wrong cell sends help to the wrong place, so one bad line refuses the file.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TextIO, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import BadInput
from pbx112.domain.networks import INDONESIA
from pbx112.storage import audit
from pbx112.storage.cells import CellRow, CellsImported, import_cells

MOST_FAULTS = 20
OPENCELLID = ("radio", "mcc", "net", "area", "cell", "unit", "lon", "lat", "range")
"""The columns of an OpenCellID export, which may come without its header line; more may follow."""

_RADIOS = ("GSM", "UMTS", "LTE", "NR", "CDMA")
_NAMES = {
    "radio": ("radio",),
    "mcc": ("mcc",),
    "mnc": ("mnc", "net"),
    "tac": ("tac", "lac", "area"),
    "cell_id": ("cell_id", "cell", "cid", "cellid", "ci", "eci", "nci"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "lng", "longitude"),
    "range_m": ("range_m", "range", "radius_m", "radius"),
    "name": ("name",),
}
_REQUIRED = ("mcc", "mnc", "tac", "cell_id", "lat", "lon")
_TAC_MOST, _CELL_MOST = 0xFFFFFF, 0xFFFFFFFFF  # 24 and 36 bits: those of NR, the longest
_RANGE_MOST = 200_000.0
_NAME_LIMIT = 200
_HEAD_LIMIT = 65_536
_Item = TypeVar("_Item")


class _Fault(ValueError):
    """What is wrong with one line; the text names the column."""


async def import_file(
    connection: AsyncConnection, stream: TextIO, *, subject: str, replace: bool, who: str
) -> CellsImported:
    """Import a CSV file of cells and audit it; `subject` is the file's name. Raises BadInput for a file with faults."""
    done = await import_cells(connection, read_csv(stream), replace=replace)
    after = {**asdict(done), "replace": replace}
    await audit.append(connection, who=who, action="cells.import", subject=subject, after=after)
    return done


def read_csv(stream: TextIO) -> Iterator[CellRow]:
    """The cells of a CSV file, one after the other.

    Its first line names the columns: mcc, mnc, tac, cell_id, lat, lon and, if known, range_m (metres) and name, in any
    order; OpenCellID's names and lac, cid, radius are understood too. Ids are decimal, or hexadecimal with 0x. Cells
    of CDMA are left out: no phone names them here. Raises BadInput at the end, or after MOST_FAULTS bad lines.
    """
    faults: list[str] = []
    lines = _lines(stream)
    first = next(lines, None)
    if first is None:
        raise BadInput("The file is empty.")
    columns = _columns(first[1])
    if columns is None:
        columns, lines = (
            {name: at for at, name in enumerate(map(_column, OPENCELLID)) if name},
            _again(first, lines),
        )
    for number, values in lines:
        try:
            row = _row(number, values, columns)
        except _Fault as fault:
            faults.append(f"line {number}: {fault}")
            if len(faults) == MOST_FAULTS:
                break
        else:
            if row is not None and not faults:
                yield row
    if faults:
        more = " (and perhaps more)" if len(faults) == MOST_FAULTS else ""
        raise BadInput(f"Nothing was imported; the file has faults{more}: {'; '.join(faults)}.")


def read_id(value: str, most: int) -> int:
    """An id as files and people write it: decimal, or hexadecimal with 0x. Raises BadInput."""
    try:
        found = int(value, 16 if value[:2].lower() == "0x" else 10) if value.isascii() and "_" not in value else -1
    except ValueError:
        found = -1
    if not 0 <= found <= most:
        raise BadInput(f"{value[:20]!r} is not a number from 0 to {most} (or its hexadecimal form with 0x)")
    return found


def read_network(mcc: str, mnc: str) -> tuple[str, str]:
    """MCC and MNC with the zeros that spreadsheets drop. Raises BadInput."""
    if not _digits(mcc, 3, 3):
        raise BadInput(f"mcc: {mcc[:20]!r} is not a country code of three digits")
    whole = mnc.zfill(2)
    most = 2 if mcc == INDONESIA else 3
    if not _digits(whole, 2, most):
        length = "two digits" if most == 2 else "two or three digits"
        raise BadInput(f"mnc: {mnc[:20]!r} is not a network code of {length}")
    return mcc, whole


def _lines(stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The lines that hold anything, with their numbers. A byte order mark and semicolons for commas do no harm."""
    try:
        head = stream.readline(_HEAD_LIMIT).lstrip("\ufeff")
        separator = ";" if ";" in head and "," not in head else ","
        reader = csv.reader(_again(head, stream), delimiter=separator, strict=True)
        for values in reader:
            if any(value.strip() for value in values):
                yield reader.line_num, values
    except UnicodeDecodeError as error:
        raise BadInput("The file is not UTF-8 text; save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise BadInput(f"The file is not CSV: {error}.") from error


def _again(first: _Item, rest: Iterator[_Item]) -> Iterator[_Item]:
    yield first
    yield from rest


def _columns(header: Sequence[str]) -> Mapping[str, int] | None:
    """Where each column stands; None for a first line that is a cell in OpenCellID's order. Raises BadInput."""
    if header[0].strip().upper() in _RADIOS:
        return None
    columns: dict[str, int] = {}
    for at, name in enumerate(header):
        column = _column(name)
        if column and column in columns:
            raise BadInput(f"The first line names the column {column} twice.")
        if column:
            columns[column] = at
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise BadInput(f"The first line must name the columns; these are missing: {', '.join(missing)}.")
    return columns


def _column(name: str) -> str:
    known = name.strip().lower().replace(" ", "_")
    return next((column for column, names in _NAMES.items() if known in names), "")


def _row(number: int, values: Sequence[str], columns: Mapping[str, int]) -> CellRow | None:
    told = {column: values[at].strip() for column, at in columns.items() if at < len(values)}
    if told.get("radio", "").upper() == "CDMA":
        return None
    for column in _REQUIRED:
        if column not in told:
            raise _Fault(f"{column}: the line ends before this column")
    mcc, mnc = _named("", lambda: read_network(told["mcc"], told["mnc"]))
    lat, lon = _number("lat", told["lat"], -90, 90), _number("lon", told["lon"], -180, 180)
    if lat == 0 and lon == 0:
        raise _Fault("lat, lon: both are 0, which stands for an unknown place")
    radius = told.get("range_m")
    return CellRow(
        line=number,
        mcc=mcc,
        mnc=mnc,
        tac=_named("tac: ", lambda: read_id(told["tac"], _TAC_MOST)),
        cell_id=_named("cell_id: ", lambda: read_id(told["cell_id"], _CELL_MOST)),
        lat=lat,
        lon=lon,
        # A range of 0 is OpenCellID's "unknown".
        radius_m=(_number("range_m", radius, 0, _RANGE_MOST) or None) if radius else None,
        name=_name(told.get("name", "")),
    )


def _named(column: str, read: Callable[[], _Item]) -> _Item:
    try:
        return read()
    except BadInput as error:
        raise _Fault(f"{column}{error}") from error


def _number(column: str, text: str, least: float, most: float) -> float:
    try:
        found = float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        found = None
    if found is None or not least <= found <= most:
        raise _Fault(f"{column}: {text[:20]!r} is not a number from {least:g} to {most:g} (with a point, not a comma)")
    return found


def _name(text: str) -> str | None:
    if len(text) > _NAME_LIMIT or not text.isprintable():
        raise _Fault(f"name: it must be printable and have at most {_NAME_LIMIT} characters")
    return text or None


def _digits(text: str, least: int, most: int) -> bool:
    return least <= len(text) <= most and text.isascii() and text.isdigit()
