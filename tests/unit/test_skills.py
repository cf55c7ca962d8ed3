"""Skills as penalties: who is rung first, from when others are, and what a log-in joins."""

from dataclasses import replace

import pytest

from pbx112.domain.configuration import Membership, Operator, Queue, Skill, Widening
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.skills import DRILL_PENALTY, EVERYBODY, penalty_of, places, rung_after, widths


def operator(level: int, **changes: object) -> Operator:
    skills = (Skill("english", level),) if level else ()
    return Operator("op1", "Operator", "1001", skills=skills, **changes)  # type: ignore[arg-type]


def english(*steps: Widening) -> Queue:
    return Queue("112", "Darurat", skill="english", widening=steps)


def test_given_levels_and_penalties_when_put_together_then_the_level_counts_first() -> None:
    queue = english()
    rung = [(9, 0), (9, 99), (8, 0), (1, 99), (0, 0), (0, 99)]
    found = [penalty_of(queue, operator(level), configured) for level, configured in rung]
    assert found == sorted(found) == [0, 99, 100, 899, 900, 999]
    # app_queue multiplies by a million in 32 bits.
    assert found[-1] * 1_000_000 < 2**31 - 1_000_000
    assert found[-1] < EVERYBODY < DRILL_PENALTY


def test_given_no_skill_when_asked_then_the_penalty_is_the_configured_one_and_everybody_rings() -> None:
    queue = Queue("112", "Darurat")
    assert penalty_of(queue, operator(9), 7) == 7
    assert [(w.after_seconds, w.penalty) for w in widths(queue)] == [(0, EVERYBODY)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), [(0, 899), (60, EVERYBODY)]),
        ((Widening(0, 9), Widening(10, 5), Widening(20, 0)), [(0, 99), (10, 499), (20, EVERYBODY)]),
        ((Widening(0, 5), Widening(10, 1)), [(0, 499), (10, 899), (70, EVERYBODY)]),
        # Without a step at the start it begins with all who have the skill; a step may not narrow that.
        ((Widening(10, 5),), [(0, 899), (70, EVERYBODY)]),
        ((Widening(15, 0),), [(0, 899), (15, EVERYBODY)]),
    ],
)
def test_given_steps_when_a_queue_widens_then_each_is_wider_and_the_last_is_everybody(
    steps: tuple[Widening, ...], expected: list[tuple[int, int]]
) -> None:
    assert [(w.after_seconds, w.penalty) for w in widths(english(*steps))] == expected


@pytest.mark.parametrize(("level", "seconds"), [(9, 0), (7, 10), (5, 10), (4, 70), (0, 70)])
def test_given_an_operators_level_when_a_caller_waits_then_it_is_known_from_when_he_rings(
    level: int, seconds: int
) -> None:
    assert rung_after(english(Widening(0, 9), Widening(10, 5)), operator(level)) == seconds


def test_given_a_surge_when_an_operator_logs_in_then_he_joins_the_default_queue_too() -> None:
    other = operator(3, memberships=(Membership("113", 5),))
    queues = (replace(DEMO_CENTRE.queues[0], skill="english"), Queue("113", "Kota"))
    centre = replace(DEMO_CENTRE, queues=queues)
    assert places(centre, other) == (Membership("113", 5),)
    assert places(replace(centre, surge=True), other) == (Membership("113", 5), Membership("112", 600))
    member = operator(3, memberships=(Membership("112", 5),))
    assert places(replace(centre, surge=True), member) == (Membership("112", 605),)
