"""What a recording's file holds: its length by its header and its size, its bytes, its SHA-256. Blocking."""

import hashlib
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

BYTES_A_SECOND = 4 * 1024**2
"""So much is read, so that the disk stays the calls' own. It is the sound of 260 calls at once."""

_CHUNK = 256 * 1024
_HEADER = 4096
_LATER = 0xFFFFFFFF


class Interrupted(Exception):
    """The reading was told to stop."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file holds; `duration_ms` is 0 for one that is no sound."""

    bytes: int
    duration_ms: int
    sha256: str


def read_recording(path: Path, stop: Event, *, bytes_a_second: float = BYTES_A_SECOND) -> FileFacts | None:
    """Read a file at this rate; None when there is none. Raises Interrupted soon after `stop` is set, and OSError."""
    try:
        with path.open("rb") as file:
            return _read(file, stop, bytes_a_second)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(file: BinaryIO, stop: Event, bytes_a_second: float) -> FileFacts:
    digest, size, header = hashlib.sha256(), 0, b""
    began = time.monotonic()
    while chunk := file.read(_CHUNK):
        header = header or chunk[:_HEADER]
        digest.update(chunk)
        size += len(chunk)
        if stop.wait(max(began + size / bytes_a_second - time.monotonic(), 0)):
            raise Interrupted
    return FileFacts(size, duration_ms(header, size), digest.hexdigest())


def duration_ms(header: bytes, size: int) -> int:
    """How long a wav file of this size lasts, by its first bytes.

    Asterisk writes the lengths into the header when it closes a file: in one that it could not close they are zero, and
    the size tells. On a full disk the header may tell of more than there is.
    """
    if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
        return 0
    place, bytes_a_second = 12, 0
    while place + 8 <= len(header):
        kind, length = header[place : place + 4], int.from_bytes(header[place + 4 : place + 8], "little")
        place += 8
        if kind == b"fmt " and length >= 16 and place + 16 <= len(header):
            (bytes_a_second,) = struct.unpack_from("<I", header, place + 8)
        if kind == b"data":
            there = max(size - place, 0)
            told = length if 0 < length < _LATER else there
            return round(min(told, there) * 1000 / bytes_a_second) if bytes_a_second else 0
        place += length + length % 2
    return 0
