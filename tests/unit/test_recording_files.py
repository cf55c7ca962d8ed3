"""What a recording's file holds: headers as Asterisk leaves them, the rate of reading, and what counts as short."""

import hashlib
import time
from pathlib import Path
from threading import Event, Timer

import pytest

from pbx112.services.recording_file import FileFacts, Interrupted, duration_ms, read_recording
from pbx112.services.recordings import judge
from tests.support.wav import wav_header as header


@pytest.mark.parametrize(
    ("first", "size", "expected"),
    [
        (header(16000), 44 + 16000, 1000),
        (header(0), 44 + 32768, 2048),  # Asterisk was killed: as seen, the lengths are zero
        (header(65492), 44 + 32000, 2000),  # a full disk: the header tells more than there is
        (header(0), 44, 0),  # nobody answered
        (header(16000, extra=b"LIST\x03\x00\x00\x00abc\x00"), 56 + 16000, 1000),
        (header(0xFFFFFFFF), 44 + 8000, 500),
        (header(16000)[:40], 40, 0),
        (header(16000, riff=b"RIFX"), 44 + 16000, 0),
        (b"", 0, 0),
        (b"\0" * 44, 44, 0),
        (b"RIFF\0\0\0\0WAVEdata\x10\0\0\0", 36, 0),  # no format
    ],
)
def test_given_a_header_and_a_size_when_read_then_the_length_is_what_is_really_there(
    first: bytes, size: int, expected: int
) -> None:
    assert duration_ms(first, size) == expected


@pytest.mark.parametrize("first", [header(16000)[:n] for n in range(44)])
def test_given_any_torn_header_when_read_then_it_has_no_length(first: bytes) -> None:
    assert duration_ms(first, len(first)) == 0


def test_given_a_file_when_read_then_its_facts_are_found_and_a_missing_one_is_none(tmp_path: Path) -> None:
    content = header(16000) + b"\1\0" * 8000
    (tmp_path / "a.wav").write_bytes(content)
    facts = read_recording(tmp_path / "a.wav", Event())
    assert facts == FileFacts(len(content), 1000, hashlib.sha256(content).hexdigest())
    assert read_recording(tmp_path / "b.wav", Event()) is None
    assert read_recording(tmp_path / "a.wav" / "c.wav", Event()) is None


def test_given_a_large_file_when_read_then_the_disk_is_left_to_the_calls_and_a_stop_is_heard(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"\0" * 2**20)
    began = time.monotonic()
    read_recording(tmp_path / "a.wav", Event(), bytes_a_second=4 * 2**20)
    assert 0.24 < time.monotonic() - began < 1
    stop = Event()
    timer = Timer(0.05, stop.set)
    timer.start()
    with pytest.raises(Interrupted):
        read_recording(tmp_path / "a.wav", stop, bytes_a_second=1000)
    timer.join()


@pytest.mark.parametrize(
    ("lasts", "expected", "state"),
    [
        (4020, 4010, "ok"),
        (0, 0, "ok"),
        (0, 2000, "ok"),
        (0, 2100, "short"),
        (58_000, 60_000, "ok"),
        (56_000, 60_000, "short"),
        (0, None, "ok"),
        (3_590_000, 3_660_000, "ok"),
    ],
)
def test_given_a_length_when_judged_then_a_missing_piece_is_short_and_a_lost_packet_is_not(
    lasts: int, expected: int | None, state: str
) -> None:
    assert judge(FileFacts(100, lasts, "0" * 64), expected).state == state
    assert judge(None, expected).state == "missing"
