"""Nuisance scores: they always decay, touch persons' numbers only, and move nobody beyond what the admin allowed."""

from __future__ import annotations

import timeit
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx112.domain.caller import Caller, CallerClass, number_key
from pbx112.domain.nuisance import HIGHEST, Judgement, decayed, judge, person_key, reorder, score
from pbx112.domain.record import Reordered
from pbx112.domain.rules import DISPOSITIONS, NuisanceRules, Rules, Weights
from pbx112.services import nuisance as service
from pbx112.services.nuisance import NuisanceBook, NuisanceView
from tests.support.web import nowhere

NOW = datetime(2025, 1, 31, 10, 0, tzinfo=UTC)
KEY = "+6281234567890"
CALLER = Caller(CallerClass.ASSERTED, KEY, callback_number=KEY)
RULES = NuisanceRules()
ON = NuisanceRules(reorder=True)

rules = st.builds(
    NuisanceRules,
    weights=st.builds(Weights, *[st.floats(0, 100)] * 5, real=st.floats(-100, 0)),
    half_life_days=st.floats(1, 90),
    threshold=st.floats(0.1, 100),
    reorder=st.booleans(),
    step=st.integers(1, 9),
    floor=st.integers(-9, 9),
)
marks = st.lists(
    st.tuples(
        st.sampled_from([*DISPOSITIONS, "unknown"]),
        st.timedeltas(timedelta(0), timedelta(900)).map(lambda age: NOW - age),
    ),
    max_size=30,
)
later = st.timedeltas(timedelta(0), timedelta(3000))
scores = st.floats(0, HIGHEST)
unscored = st.builds(
    Caller,
    st.sampled_from(
        [
            CallerClass.PSEUDO_ANI,
            CallerClass.DEVICE_ONLY,
            CallerClass.ANONYMOUS,
            CallerClass.UNTRUSTED_CLAIM,
            CallerClass.UNPARSEABLE,
        ]
    ),
    number=st.sampled_from([None, KEY]),
    imei=st.sampled_from([None, "35-209900-176148-0"]),
)


def book_of(found: Mapping[str, float], nuisance: NuisanceRules = ON) -> NuisanceBook:
    book = NuisanceBook(nowhere())
    book._page = service._Page(NOW, Rules(nuisance=nuisance), found)
    return book


def days(number: float) -> datetime:
    return NOW - timedelta(days=number)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], 0.0),
        ([("prank", NOW)], 3.0),
        ([("prank", days(14))], 1.5),
        ([("prank", days(28)), ("ghost", NOW)], 1.75),
        ([("test", NOW), ("information", NOW), ("other", NOW), ("nonsense", NOW)], 1.0),
        ([("prank", NOW), ("prank", days(1)), ("real", NOW)], 0.0),
        ([("prank", NOW)] * 3 + [("real", days(14))], 6.0),
        ([("real", NOW)] * 9, 0.0),
        ([("prank", NOW + timedelta(days=3))], 3.0),
        ([("prank", NOW)] * 1000, HIGHEST),
    ],
)
def test_given_marks_then_each_counts_half_after_a_half_life(
    found: list[tuple[str, datetime]], expected: float
) -> None:
    assert score(found, NOW, RULES) == pytest.approx(expected)


@given(marks, later, later, rules)
def test_given_no_new_mark_when_time_passes_then_a_score_only_falls_to_nothing(
    found: list[tuple[str, datetime]], first: timedelta, second: timedelta, rules: NuisanceRules
) -> None:
    before, after = score(found, NOW + first, rules), score(found, NOW + first + second, rules)
    assert 0 <= after <= before + 1e-6 <= HIGHEST + 1e-6
    assert score(found, NOW + timedelta(days=rules.half_life_days * 20), rules) < rules.threshold
    assert decayed(before, NOW, NOW + second, rules) <= before


@given(marks, later, rules)
def test_given_a_book_entry_when_decayed_then_it_is_the_score_of_that_time(
    found: list[tuple[str, datetime]], passed: timedelta, rules: NuisanceRules
) -> None:
    # A score that was cut at its highest falls from there, so it may be told lower, and never higher.
    kept = decayed(score(found, NOW, rules), NOW, NOW + passed, rules)
    exact = score(found, NOW + passed, rules)
    assert kept <= exact + 1e-6
    assert kept == pytest.approx(exact, abs=1e-6) or score(found, NOW, rules) == HIGHEST


@given(unscored, scores, st.integers(-20, 20), rules)
def test_given_a_caller_whose_number_is_no_persons_then_nothing_whatever_the_book_says(
    caller: Caller, found: float, priority: int, rules: NuisanceRules
) -> None:
    keys = {key for key in (number_key(caller), KEY, f"pseudo:{KEY}", f"claim:{KEY}", "") if key is not None}
    book = book_of(dict.fromkeys(keys, found), rules)
    assert person_key(caller) is None
    assert book.view(caller, priority, NOW) == NuisanceView(False, 0.0, None)


@pytest.mark.parametrize("key", [None, f"pseudo:{KEY}", f"claim:{KEY}"])
def test_given_a_key_that_is_no_persons_when_judged_then_no_nuisance(key: str | None) -> None:
    assert not judge(key, HIGHEST, ON).nuisance
    assert reorder(0, judge(key, HIGHEST, ON), ON) is None


@given(scores, st.integers(-20, 20), rules, later)
def test_given_a_nuisance_caller_then_never_below_the_floor_nor_above_his_own(
    found: float, priority: int, rules: NuisanceRules, passed: timedelta
) -> None:
    view = book_of({KEY: found}, rules).view(CALLER, priority, NOW + passed)
    assert view.warning == (view.score >= rules.threshold)
    assert view.score <= found
    if view.reordered is None:
        assert not (rules.reorder and view.warning and rules.floor < priority)
        return
    assert rules.reorder and view.warning
    assert rules.floor <= view.reordered.given < view.reordered.usual == priority
    assert priority - view.reordered.given <= rules.step
    assert (view.reordered.reason, view.reordered.score) == ("nuisance", round(view.score, 2))


@given(scores, st.integers(-20, 20), rules)
def test_given_reordering_is_off_then_nobody_is_reordered(found: float, priority: int, rules: NuisanceRules) -> None:
    off = replace(rules, reorder=False)
    assert reorder(priority, judge(KEY, found, off), off) is None


@pytest.mark.parametrize(
    ("priority", "step", "floor", "expected"),
    [
        (0, 1, -1, -1),
        (0, 9, -1, -1),
        (5, 2, -1, 3),
        (0, 1, 0, None),
        (-1, 1, -1, None),
        (-3, 1, -1, None),
        (3, 9, 2, 2),
    ],
)
def test_given_step_and_floor_when_reordered_then_as_the_admin_set_them(
    priority: int, step: int, floor: int, expected: int | None
) -> None:
    found = reorder(priority, Judgement(True, 7.123), replace(ON, step=step, floor=floor))
    assert found == (None if expected is None else Reordered(priority, expected, "nuisance", 7.12, 60))


@pytest.mark.parametrize("kind", [CallerClass.ASSERTED, CallerClass.ASSERTED_WITHHELD, CallerClass.ASSERTED_FOREIGN])
def test_given_an_asserted_caller_when_he_calls_then_warned_of_and_behind(kind: CallerClass) -> None:
    view = book_of({KEY: 9.0}).view(Caller(kind, KEY, callback_number=KEY), 0, NOW)
    assert view == NuisanceView(True, 9.0, Reordered(0, -1, "nuisance", 9.0, 60))
    assert book_of({KEY: 9.0}, RULES).view(Caller(kind, KEY, callback_number=KEY), 0, NOW) == NuisanceView(
        True, 9.0, None
    )
    assert book_of({KEY: 9.0}).view(
        Caller(kind, KEY, callback_number=KEY), 0, NOW + timedelta(days=14)
    ) == NuisanceView(False, 4.5, None)


def test_given_an_empty_book_then_nobody_is_known_and_the_rules_are_the_defaults() -> None:
    book = NuisanceBook(nowhere())
    assert book.view(CALLER, 0, NOW) == NuisanceView()
    assert (book.lookup(KEY, NOW), book.rules) == (0.0, Rules())


def test_given_anything_broken_when_viewed_then_nothing_is_raised() -> None:
    naive = NOW.replace(tzinfo=None)
    assert book_of({KEY: 9.0}).view(CALLER, 0, naive) == NuisanceView()
    assert book_of({KEY: float("nan")}).view(CALLER, 0, NOW).reordered is None


@pytest.mark.alone
def test_given_a_full_book_when_viewed_then_it_takes_less_than_20_microseconds() -> None:
    book = book_of({f"+62812{number:08d}": 9.0 for number in range(50_000)} | {KEY: 9.0})
    times = timeit.repeat(lambda: book.view(CALLER, 0, NOW + timedelta(seconds=5)), number=2000, repeat=5)
    assert min(times) / 2000 < 20e-6
