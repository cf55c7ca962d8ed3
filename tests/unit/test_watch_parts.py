"""The watchdog's rules of parts and trunks, its words, and that nothing on a board can make a rule fail."""

from __future__ import annotations

import string
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain import watch_words
from pbx112.domain.demo import DEMO_CENTRE, DRILL_TRUNK
from pbx112.domain.live import LiveMember, LiveQueue, LiveState, LiveWaiting
from pbx112.domain.traffic import HourCount, Traffic, Usual, expected, needed, usual
from pbx112.domain.watch import Facts, WaitingCall, canary_failed, journal_late, parts_away, trunk_silent
from pbx112.domain.watch_memory import look
from pbx112.domain.watch_words import say
from tests.support.watch import NOON, Looks, all_found, board, caller, found, member

JAKARTA, JAYAPURA = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Jayapura")
TRUNK = DEMO_CENTRE.trunks[0]


def facts(**more: Any) -> Facts:
    return replace(Facts(NOON, 1000.0, DEMO_CENTRE, board(member())), **more)


@pytest.mark.parametrize(
    ("given_", "expected_"),
    [
        ({}, []),
        ({"ami_down": 15.0}, []),
        ({"ami_down": 15.1}, ["ami-down"]),
        ({"database_away": 16.0}, ["database-away"]),
        ({"agi_down": 6.0}, ["agi-down"]),
        ({"ami_down": 99.0, "database_away": 99.0, "agi_down": 99.0}, ["ami-down", "database-away", "agi-down"]),
    ],
)
def test_given_parts_that_are_away_when_it_lasts_then_each_is_found(
    given_: dict[str, float], expected_: list[str]
) -> None:
    assert [finding.key for finding in parts_away(facts(**given_))] == expected_


@pytest.mark.parametrize(
    ("late", "level"), [(0, None), (5000, None), (5001, "warning"), (60_000, "warning"), (60_001, "critical")]
)
def test_given_late_records_then_the_level_is_that_of_the_delay(late: int, level: str | None) -> None:
    assert found(journal_late, facts(journal_late_ms=late)) == ([] if level is None else [("journal-late", level)])


@pytest.mark.parametrize(("failures", "wrong"), [(0, False), (1, False), (2, True), (9, True)])
def test_given_failed_drill_calls_when_it_is_the_second_in_a_row_then_it_is_found(failures: int, wrong: bool) -> None:
    given_ = facts(canary_failures=failures, canary_problem="The drill {failed}.")
    assert found(canary_failed, given_) == ([("canary", "critical")] if wrong else [])
    assert not wrong or "The drill {failed}." in say(next(iter(canary_failed(given_))), "id")


def every_hour(calls: int, days: int = 27, hours: range = range(24), trunk: str = TRUNK.name) -> list[HourCount]:
    first = NOON.date() - timedelta(days=days)
    return [HourCount(trunk, first + timedelta(days=n), hour, calls) for n in range(days) for hour in hours]


def usual_of(counts: list[HourCount]) -> Usual:
    return usual(counts, until={TRUNK.name: NOON.date()})[TRUNK.name]


def silent(counts: list[HourCount], hours: float, **more: Any) -> list[tuple[str, str]] | None:
    """What is found when the last call was so many hours before noon in Jakarta."""
    last = NOON - timedelta(hours=hours)
    until = min(last.astimezone(JAKARTA).date(), NOON.date())
    traffic = Traffic(usual(counts, until={TRUNK.name: until}), {TRUNK.name: last})
    return found(lambda given_: trunk_silent(given_, TRUNK), facts(traffic=traffic, **more))


WARNED, URGENT = [(f"trunk-silent:{TRUNK.name}", "warning")], [(f"trunk-silent:{TRUNK.name}", "critical")]
OFFICE = every_hour(10, hours=range(8, 17))
TOWN = every_hour(1, hours=range(12, 14))


@pytest.mark.parametrize(
    ("counts", "hours", "expected_"),
    [
        (OFFICE, 0.5, []),  # five calls are missing, but a trunk with 90 a day is silent that long by chance
        (OFFICE, 1.0, WARNED),
        (OFFICE, 2.5, URGENT),
        (OFFICE, 14.0, URGENT),
        (every_hour(60), 0.1, []),
        (every_hour(60), 0.3, WARNED),
        (TOWN, 20.0, []),  # a small town: one quiet day is nothing
        (TOWN, 24 * 5.0, WARNED),
        (every_hour(10, days=6), 6.0, []),  # no history to speak of
        ([], 6.0, []),
    ],
    ids=[
        "half an hour",
        "an hour",
        "a morning",
        "since last night",
        "minutes",
        "a quarter",
        "town",
        "week",
        "new",
        "no",
    ],
)
def test_given_a_silent_trunk_when_chance_explains_it_no_more_then_it_is_found(
    counts: list[HourCount], hours: float, expected_: list[tuple[str, str]]
) -> None:
    assert silent(counts, hours) == expected_


def test_given_a_night_when_a_trunk_is_always_silent_then_it_is_not_found() -> None:
    midnight = datetime(2025, 3, 12, 22, 0, tzinfo=UTC)  # 05:00 in Jakarta
    traffic = Traffic({TRUNK.name: usual_of(OFFICE)}, {TRUNK.name: midnight - timedelta(hours=12)})
    assert found(lambda given_: trunk_silent(given_, TRUNK), facts(at=midnight, traffic=traffic)) == []


def test_given_an_asterisk_that_was_away_when_it_is_back_then_its_own_silence_does_not_count() -> None:
    assert silent(OFFICE, 3.0, live=board(asterisk_started_at=NOON - timedelta(minutes=6))) == []


@pytest.mark.parametrize(
    "more",
    [
        {"journal_problem": "The file cannot be opened."},
        {"journal_late_ms": 61_000},
        {"live": LiveState()},
    ],
)
def test_given_records_or_board_that_are_late_then_a_trunk_cannot_be_judged(more: dict[str, Any]) -> None:
    assert silent(OFFICE, 3.0, **more) is None
    assert trunk_silent(facts(), TRUNK) is None


def test_given_a_drill_trunk_or_the_rule_off_then_nothing_is_found() -> None:
    traffic = Traffic({DRILL_TRUNK.name: usual_of(OFFICE)}, {DRILL_TRUNK.name: NOON - timedelta(hours=9)})
    assert trunk_silent(facts(traffic=traffic), DRILL_TRUNK) == []
    assert silent(OFFICE, 9.0, limits=replace(facts().limits, trunk_calls=0.0)) == []


def test_given_one_big_fire_when_it_is_over_then_it_is_not_what_is_usual() -> None:
    fire = [HourCount(TRUNK.name, NOON.date() - timedelta(days=7), 11, 400)]
    assert usual_of([*TOWN, *fire]).at(NOON.astimezone(JAKARTA) - timedelta(hours=1)) < 0.1


def test_given_quiet_weekends_then_they_are_learnt_apart() -> None:
    week = [count for count in OFFICE if count.day.weekday() < 5]
    learnt = usual_of(week)
    assert learnt.at(datetime(2025, 3, 15, 10, tzinfo=JAKARTA)) == 0.0  # a Saturday
    assert learnt.at(datetime(2025, 3, 12, 10, tzinfo=JAKARTA)) > 5.0


def test_given_a_span_over_hours_when_calls_are_expected_then_parts_of_hours_count() -> None:
    rates = tuple(float(hour) for hour in range(24))
    begin = datetime(2025, 3, 12, 9, 30, tzinfo=JAYAPURA)
    assert expected(Usual(28, rates, rates), begin, begin + timedelta(hours=2), JAYAPURA) == pytest.approx(
        4.5 + 10 + 5.5
    )
    assert expected(Usual(28, rates, rates), begin, begin, JAYAPURA) == 0.0
    assert expected(Usual(28, rates, rates), begin, begin - timedelta(hours=1), JAYAPURA) == 0.0


@pytest.mark.parametrize(("a_day", "least"), [(0.0, 5.0), (1.0, 5.0), (10.0, 6.9), (1740.0, 12.07)])
def test_given_a_busier_trunk_then_more_calls_must_be_missing(a_day: float, least: float) -> None:
    rates = (a_day / 24,) * 24
    assert needed(Usual(28, rates, rates), 5.0) == pytest.approx(least, abs=0.05)


@pytest.mark.parametrize("lang", ["id", "en"])
def test_given_every_word_then_both_languages_fill_the_same_facts(lang: str) -> None:
    for indonesian, english in watch_words._WORDS.values():
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (indonesian, english)]
        assert fields[0] == fields[1]
    looks = Looks()
    looks.see(board(), times=70, recorded=(WaitingCall("112", "x", NOON - timedelta(hours=1)),))
    now = replace(
        looks.facts, ami_down=20.0, database_away=20.0, agi_down=20.0, canary_failures=2, journal_late_ms=9000
    )
    texts = [say(finding, lang) for finding in all_found(now)]
    assert len(texts) == 7
    assert all("{" not in text and len(text) > 40 for text in texts)


TIMES = st.integers(0, 4 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC))
MOMENTS = st.one_of(st.none(), TIMES)
WORDS = st.sampled_from(["112", "op1", "op2", "drill-operator", "n-1", "n-2", "PJSIP/drill-1", "", "\x00\u202e{}"])
MEMBERS = st.builds(
    LiveMember,
    operator=WORDS,
    device=st.sampled_from(["not_inuse", "inuse", "ringing", "unavailable", "busy", "onhold", "?", ""]),
    paused=st.booleans(),
    penalty=st.integers(),
    in_call=st.booleans(),
    call=st.one_of(st.none(), WORDS),
    last_call_at=MOMENTS,
)
WAITING = st.builds(
    LiveWaiting,
    linkedid=WORDS,
    channel=WORDS,
    position=st.integers(),
    since=TIMES,
    unique_id=WORDS,
)
STATES = st.builds(
    LiveState,
    at=MOMENTS,
    connected=st.booleans(),
    queues=st.lists(
        st.builds(
            LiveQueue,
            name=WORDS,
            members=st.lists(MEMBERS, max_size=4).map(tuple),
            waiting=st.lists(WAITING, max_size=4).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    asterisk_started_at=MOMENTS,
)
RECORDED = st.one_of(
    st.none(),
    st.lists(
        st.builds(
            WaitingCall,
            queue=WORDS,
            linkedid=WORDS,
            since=TIMES,
        ),
        max_size=3,
    ).map(tuple),
)


@settings(max_examples=300, deadline=None)
@given(
    states=st.lists(st.tuples(STATES, RECORDED, st.floats(0, 1e6)), min_size=1, max_size=4),
    late=st.integers(0, 10**9),
    lang=st.sampled_from(["id", "en"]),
)
def test_given_any_boards_when_they_are_looked_at_then_no_rule_raises(
    states: list[tuple[LiveState, Any, float]], late: int, lang: str
) -> None:
    looks = Looks()
    traffic = Traffic({TRUNK.name: usual_of(OFFICE)}, {TRUNK.name: NOON - timedelta(hours=9)})
    for state, recorded, step in states:
        now = looks.see(state, step=step, recorded=recorded, journal_late_ms=late, traffic=traffic)
        for finding in [*all_found(now), *(trunk_silent(now, TRUNK) or ())]:
            assert say(finding, lang)
            assert len(finding.key) < 60


@pytest.mark.alone
def test_given_a_flood_of_callers_when_it_is_looked_at_then_the_event_loop_is_not_held_up() -> None:
    members = [member(f"op{n}", device="inuse", in_call=True, call=f"x-{n}") for n in range(100)]
    state = board(*members, waiting=tuple(replace(caller(), linkedid=f"n-{n}") for n in range(500)))
    looks = Looks()
    looks.see(state)
    took = []
    for _ in range(20):
        began = time.process_time()
        now = looks.see(state)
        all_found(now)
        took.append(time.process_time() - began)
    assert min(took) < 0.005


@pytest.mark.alone
def test_given_three_silent_weeks_when_a_trunk_is_judged_then_the_event_loop_is_not_held_up() -> None:
    last = NOON - timedelta(days=21)
    traffic = Traffic({TRUNK.name: replace(usual_of(OFFICE))}, {TRUNK.name: last})
    took = []
    for _ in range(10):
        began = time.process_time()
        trunk_silent(facts(traffic=traffic), TRUNK)
        took.append(time.process_time() - began)
    assert min(took) < 0.005


def test_given_a_board_not_of_now_when_looked_at_then_only_waits_of_records_are_kept() -> None:
    before = Looks().see(board(waiting=(caller(),)), times=3)
    after = look(before.seen, replace(before, live=replace(before.live, connected=False)))
    assert (after.waiting, after.unoffered, after.ready, after.empty) == ({}, {}, {}, {})
