"""Asterisk's own count of its channels, and what it proves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pbx112.domain.channels import ChannelCount, Missing, count_channels
from pbx112.domain.events import JournalEvent
from tests.support.journal import events_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOURNALS = sorted((Path(__file__).parent / "journals").glob("real_callback_*.csv"))


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def start(number: int, second: float, name: str = "PJSIP/op1-{:08x}") -> JournalEvent:
    return JournalEvent("CHAN_START", at(second), "n-1.1", "n-1.1", channel=name.format(number))


def later(second: float) -> JournalEvent:
    return JournalEvent("CHAN_END", at(second), "n-1.1", "n-1.1", channel="PJSIP/op1-00000001")


def lost(*events: JournalEvent, count: ChannelCount | None = None) -> list[tuple[int, int, datetime, datetime]]:
    """What is missing, event by event, as a reader that is killed after each of them has it."""
    found: list[Missing] = []
    for event in events:
        count, missing = count_channels(count, [event])
        found += missing
    return [(one.first, one.last, one.since, one.until) for one in found]


def test_given_numbers_that_no_line_shows_when_counted_then_they_are_missing_between_their_neighbours() -> None:
    events = [start(7, 0), start(8, 1), later(2), start(12, 600), later(604.9)]
    assert lost(*events) == []
    assert lost(*events, later(605)) == [(9, 11, at(1), at(600))]
    assert lost(*events, later(605), later(700), start(13, 800), later(900)) == [(9, 11, at(1), at(600))]


def test_given_lines_in_another_order_when_counted_then_nothing_is_missing() -> None:
    numbers = [0, 1, 3, 4, 2, 5, 8, 6, 7, 9]
    assert lost(*(start(number, place / 100) for place, number in enumerate(numbers)), later(60)) == []


def test_given_a_hole_that_is_filled_in_part_when_counted_then_the_rest_is_missing() -> None:
    events = [start(0, 0), start(9, 1), start(4, 1.1), start(1, 1.2), later(7)]
    assert sorted(one[:2] for one in lost(*events)) == [(2, 3), (5, 8)]


@pytest.mark.parametrize(("first", "missing"), [(0, []), (1, [(0, 0)]), (20, [(0, 19)])])
def test_given_asterisk_begins_anew_when_counted_then_its_numbers_begin_at_0(
    first: int, missing: list[tuple[int, int]]
) -> None:
    events = [start(100, 0), start(first, 60), start(first + 1, 61), later(70)]
    assert [one[:2] for one in lost(*events)] == missing


@pytest.mark.parametrize("numbers", [(3, 2, 4), (1, 0, 2), (400, 399, 401), (5, 0, 1, 2, 3, 4, 5, 6)])
def test_given_the_first_lines_in_another_order_or_a_short_life_when_counted_then_nothing_is_missing(
    numbers: tuple[int, ...],
) -> None:
    assert lost(*(start(number, number / 100) for number in numbers), later(60)) == []


def test_given_a_clock_that_is_set_back_in_a_hole_when_counted_then_it_is_told_and_its_times_are_in_order() -> None:
    events = [start(0, 3600), start(5, 0), later(1)]
    assert lost(*events) == [(1, 4, at(0), at(3600))]


@pytest.mark.parametrize("name", ["Local/1@x-{:08x};1", "PJSIP/op1-{:08x}<ZOMBIE>", "CBAnn/c1-{:08x};2", "PJSIP/op1"])
def test_given_channels_that_are_not_counted_when_they_begin_then_they_change_nothing(name: str) -> None:
    assert lost(start(0, 0), start(5, 1, name), start(1, 2), later(60)) == []


def test_given_many_losses_when_counted_in_one_batch_or_in_many_then_the_same_is_missing() -> None:
    numbers = [number for number in range(300) if number % 37 and number % 41 > 3]
    events = [start(number, number) for number in numbers]
    _, at_once = count_channels(None, events)
    assert [(one.first, one.last, one.since, one.until) for one in at_once] == lost(*events)
    assert len(at_once) > 10


def test_given_a_real_life_of_asterisk_when_counted_then_only_what_is_left_out_is_missing() -> None:
    """Asterisk 22 wrote it: calls back that succeed and that fail in every way, with channels of other kinds."""
    events = [event for path in JOURNALS for event in events_of(path.read_bytes())]
    events.sort(key=lambda event: event.at)
    starts = [event for event in events if event.kind == "CHAN_START" and event.channel.startswith("PJSIP/")]
    assert len(starts) > 15
    assert lost(*events, later(10**9)) == []
    for left_out in starts[1:-1]:
        rest = [event for event in events if event is not left_out]
        number = int(left_out.channel[-8:], 16)
        assert [one[:2] for one in lost(*rest, later(10**9))] == [(number, number)]
