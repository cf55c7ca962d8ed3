"""Bytes of a journal file -> records with their exact places. Pure; never raises, whatever the bytes.

A record is 18 quoted fields and a newline outside of quotes; quotes within a field are doubled. That makes the begin
of a record, `"KIND","seconds.micros"`, impossible to write for a caller: his quotes arrive doubled. So after a torn
or broken line the reader finds its way again at the next such begin, and no line behind it is lost.
"""

import re
from dataclasses import dataclass
from enum import Enum

FIELDS = 18
LONGEST = 64 * 1024
"""Bytes of the longest record; a longer one is garbage."""

# Possessive repeats: linear time on any bytes.
_FIELD = rb'"(?:[^"]++|"")*+"'
_HEAD = re.compile(rb'"[A-Za-z][A-Za-z0-9_]{1,63}","[0-9]{1,12}\.[0-9]{1,6}"')
_HEADS_BEGIN = re.compile(rb'"(?:[A-Za-z][A-Za-z0-9_]{0,63}(?:"(?:,(?:"(?:[0-9]{1,12}(?:\.[0-9]{0,6})?)?)?)?)?)?')
"""What may still become a head."""
_RECORD = re.compile(_HEAD.pattern + rb"(?:," + _FIELD + rb"){%d}+\r?\n" % (FIELDS - 2))
_ONE_FIELD = re.compile(_FIELD)
_LONGEST_HEAD = 96


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `end` of a file. `fault` is None for a record, else why it is garbage."""

    start: int
    end: int
    raw: bytes
    fault: str | None = None


class _Shape(Enum):
    OPEN = "may become a record when more bytes come"
    BROKEN = "not a record, whatever comes"


def split(data: bytes, *, base: int = 0, most: int = 500, at_end: bool = False) -> tuple[list[Piece], int]:
    """Cut `data`, which begins at byte `base` of its file, into pieces without a hole between them.

    Returns at most `most` pieces and how many bytes they cover. What is left may still become a record; with
    `at_end` (nothing will ever be added to the file) it becomes a last piece too.
    """
    pieces: list[Piece] = []
    at = 0
    while at < len(data) and len(pieces) < most:
        end, fault = _next(data, at, at_end)
        if end == at:
            if not at_end:
                break
            end, fault = len(data), fault or "torn at the end of the file"
        pieces.append(Piece(base + at, base + end, data[at:end], fault))
        at = end
    return pieces, at


def is_torn(piece: Piece) -> bool:
    """True for garbage that is the begin of a record without its line's end: what a full disk leaves."""
    return piece.fault is not None and not piece.raw.endswith(b"\n") and _HEAD.match(piece.raw) is not None


def _next(data: bytes, at: int, at_end: bool) -> tuple[int, str | None]:
    """Find the end of the piece that begins at `at` (the same place: more bytes are needed), and its fault."""
    record = _RECORD.match(data, at)
    if record is not None:
        if record.end() - at <= LONGEST:
            return record.end(), None
        return _end_of_garbage(data, at), "longer than 64 KiB"
    if _shape(data, at) is _Shape.BROKEN:
        return _end_of_garbage(data, at), "not 18 quoted fields with a time"
    if len(data) - at > LONGEST:
        return _end_of_garbage(data, at), "longer than 64 KiB"
    if at_end:
        # Only the newline may be missing; anything else is no record.
        return (len(data), None) if _RECORD.fullmatch(data[at:] + b"\n") else (at, None)
    return at, None


def _shape(data: bytes, at: int) -> _Shape:
    """Judge bytes that are no complete record."""
    if _HEAD.match(data, at) is None and not _HEADS_BEGIN.fullmatch(data[at : at + _LONGEST_HEAD]):
        return _Shape.BROKEN
    place = at
    for left in range(FIELDS - 1, -1, -1):
        field = _ONE_FIELD.match(data, place)
        if field is None:
            return _Shape.OPEN if data[place : place + 1] in {b"", b'"'} else _Shape.BROKEN
        place = field.end()
        behind = data[place : place + 2]
        if behind in ({b""} if left else {b"", b"\r"}):
            return _Shape.OPEN
        if left and not behind.startswith(b","):
            return _Shape.BROKEN
        place += 1
    return _Shape.BROKEN


def _end_of_garbage(data: bytes, at: int) -> int:
    """Where garbage that begins at `at` ends: at the next begin of a record, else after the last whole line."""
    following = _HEAD.search(data, at + 1)
    if following is not None:
        return following.start()
    newline = data.rfind(b"\n", at)
    if newline >= 0:
        return newline + 1
    # No end in sight: give up what cannot be part of a begin any more, when it is too much to wait with.
    return len(data) - _LONGEST_HEAD if len(data) - at > LONGEST else at
