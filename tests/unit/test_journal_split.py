"""Cutting a journal's bytes into records: exact places, and no broken line takes others with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbx112.journal.parse import parse
from pbx112.journal.split import LONGEST, Piece, split
from tests.support.journal import Script, line

HOSTILE = 'x"\n"HANGUP","1795282659.000001","","",'
GOOD = [
    line("CHAN_START", 0.0, num="+62811"),
    line("ANSWER", 1.0, name=HOSTILE, data="a,b\r\nc"),
    line("HANGUP", 2.0, extra={"hangupcause": 16, "hangupsource": ""}),
]


def whole(data: bytes) -> tuple[list[Piece], int]:
    pieces, covered = split(data, most=10**6)
    at = 0
    for piece in pieces:
        assert (piece.start, piece.raw) == (at, data[piece.start : piece.end])
        at = piece.end
    assert at == covered
    return pieces, covered


def records(pieces: list[Piece]) -> list[tuple[int, bytes]]:
    return [(piece.start, piece.raw) for piece in pieces if piece.fault is None]


def fed(data: bytes, steps: list[int]) -> list[Piece]:
    """Feed a file that grows by `steps` bytes at a time, as the reader sees it."""
    pieces: list[Piece] = []
    at = seen = 0
    for step in [*steps, len(data)]:
        seen = min(seen + step, len(data))
        while True:
            more, covered = split(data[at:seen], base=at, most=2)
            pieces += more
            at += covered
            if not more:
                break
    return pieces


def test_given_good_lines_when_split_then_each_has_its_place() -> None:
    pieces, covered = whole("".join(GOOD).encode())
    assert [piece.raw.decode() for piece in pieces] == GOOD
    assert covered == len("".join(GOOD).encode())


@pytest.mark.parametrize("cut", [1, 20, 60, -2, -1])
def test_given_a_torn_last_line_when_split_then_it_waits(cut: int) -> None:
    data = "".join(GOOD).encode()
    torn = GOOD[0].encode()[:cut]
    pieces, covered = whole(data + torn)
    assert len(pieces) == 3
    assert covered == len(data)


@pytest.mark.parametrize("newline", ["", "\n"])
def test_given_a_line_torn_at_any_byte_when_the_next_follows_then_the_next_is_read(newline: str) -> None:
    first, second, third = (text.encode() for text in GOOD)
    for cut in range(1, len(first) - 1):
        data = first[:cut] + newline.encode() + second + third
        pieces, covered = whole(data)
        assert covered == len(data), cut
        assert [raw for _, raw in records(pieces)][-2:] == [second, third], cut
        assert pieces[0].fault, cut


def test_given_a_hostile_line_torn_at_any_byte_when_the_next_follows_then_nothing_is_forged() -> None:
    first, hostile, third = (text.encode() for text in GOOD)
    for cut in range(1, len(hostile) - 1):
        pieces, _ = whole(first + hostile[:cut] + third + first)
        assert [raw for _, raw in records(pieces)] == [first, third, first], cut


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\n",
        b"\n\n\n",
        b'"ANSWER","1795282659.000001","too few"\n',
        GOOD[0].encode().replace(b'"CHAN_START"', b'"CHAN_START","one too many"', 1),
        GOOD[0].encode().replace(b".000000", b".x", 1),
        GOOD[0].encode().replace(b'"CHAN_START"', b"CHAN_START", 1),
        b"\x00\xff\xfe" * 50,
        b'"' * 99 + b"\n",
        b'"HANGUP","1795282659.000001","' + b"x" * LONGEST + b'\n"',
    ],
)
def test_given_garbage_between_lines_when_split_then_the_lines_are_read(garbage: bytes) -> None:
    before, after = GOOD[0].encode(), (GOOD[1] + GOOD[2]).encode()
    data = before + garbage + after
    pieces, covered = whole(data)
    assert covered == len(data)
    assert [raw.decode() for _, raw in records(pieces)] == GOOD
    assert b"".join(piece.raw for piece in pieces if piece.fault) == garbage


def test_given_a_record_above_the_limit_when_split_then_it_is_garbage_and_the_next_is_read() -> None:
    long = line("ANSWER", 1.0, name="x" * LONGEST)
    pieces, _ = whole((long + GOOD[0]).encode())
    assert [piece.fault for piece in pieces] == ["longer than 64 KiB", None]


def test_given_a_quote_that_never_closes_when_it_grows_then_it_is_given_up_in_bounds() -> None:
    data = b'"ANSWER","1795282659.000001","' + b"x" * (3 * LONGEST)
    assert split(data[:LONGEST])[1] == 0
    pieces, covered = split(data)
    assert pieces[0].fault == "longer than 64 KiB"
    assert covered > len(data) - 100


@pytest.mark.parametrize("cut", [-1, -2, -30])
def test_given_the_end_of_a_finished_file_when_split_then_nothing_is_left(cut: int) -> None:
    data = (GOOD[0] + GOOD[1]).encode()[:cut]
    pieces, covered = split(data, at_end=True)
    assert covered == len(data)
    assert (pieces[-1].fault is None) == (cut == -1)


messy = st.lists(
    st.sampled_from([text.encode() for text in GOOD])
    | st.binary(max_size=40)
    | st.text('"\n,.1AZ_\r', max_size=30).map(str.encode)
    | st.sampled_from(GOOD).flatmap(lambda text: st.integers(0, len(text)).map(lambda n: text.encode()[:n])),
    max_size=12,
).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(messy, st.lists(st.integers(1, 400), max_size=30))
@example(b'"' * 200, [1] * 200)
@example(b'\n"\n', [1])
@example(b'\n"AB","1.\n', [1, 3, 1])
def test_given_any_bytes_in_any_steps_when_fed_then_the_same_records_come_out(data: bytes, steps: list[int]) -> None:
    pieces, covered = whole(data)
    grown = fed(data, steps)
    assert records(grown) == records(pieces)
    assert sum(piece.end - piece.start for piece in grown) == covered


@settings(max_examples=60, deadline=None)
@given(messy)
def test_given_any_bytes_when_fed_byte_by_byte_then_the_same_records_come_out(data: bytes) -> None:
    assert records(fed(data, [1] * len(data))) == records(whole(data)[0])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.booleans())
def test_given_any_bytes_when_split_then_it_never_raises(data: bytes, at_end: bool) -> None:
    pieces, covered = split(data, at_end=at_end, most=10**6)
    assert covered == sum(len(piece.raw) for piece in pieces)
    assert not at_end or covered == len(data)


def test_given_real_journals_when_split_then_every_byte_is_a_record() -> None:
    for path in sorted((Path(__file__).parent / "journals").glob("*.csv")):
        data = path.read_bytes()
        pieces, covered = whole(data)
        assert covered == len(data)
        assert not [piece.fault for piece in pieces if piece.fault]
        assert not [piece.raw for piece in pieces if parse(piece).fault]


def test_given_a_whole_call_when_split_then_the_count_is_right() -> None:
    lines = Script().answered_call()
    assert len(whole("".join(lines).encode())[0]) == len(lines)
