"""What is wrong with a configuration: each fault at its field, in words of both languages; a good one has none."""

from dataclasses import replace
from typing import Any

import pytest

from pbx112.domain.configuration import (
    Calendar,
    Configuration,
    EntryRule,
    Membership,
    Queue,
    Shift,
    Skill,
    Tier,
    TierKind,
    Trunk,
    Widening,
)
from pbx112.domain.configuration_check import broken, faults, unreachable
from pbx112.domain.configuration_diff import changes
from pbx112.domain.configuration_words import FIELDS, say
from pbx112.domain.demo import DEMO_CENTRE

AMBON = Calendar(
    "jaga",
    "Giliran Ambon",
    (Shift("pagi", "07:00", "14:00"), Shift("siang", "14:00", "21:00"), Shift("malam", "21:00", "07:00")),
)
WHOLE = replace(
    DEMO_CENTRE,
    queues=(
        replace(
            DEMO_CENTRE.queues[0],
            skill="medis",
            widening=(Widening(0, 5), Widening(15, 0)),
            tiers=(
                Tier(TierKind.SUPERVISORS, 20),
                Tier(TierKind.NUMBER, 30, "+62911112", "carrier-a"),
                Tier(TierKind.ANNOUNCEMENT, 60),
                Tier(TierKind.QUEUE, 90, "api"),
            ),
        ),
        Queue("api", "Kebakaran", overflow=("op1",)),
    ),
    operators=(
        replace(DEMO_CENTRE.operators[0], supervisor=True, skills=(Skill("medis", 9),)),
        *DEMO_CENTRE.operators[1:],
    ),
    entry_rules=(EntryRule("api", service="sos.fire", priority=5), EntryRule("112", trunk="carrier-a", language="en")),
    calendars=(AMBON,),
)


def with_queue(**values: Any) -> Configuration:
    return replace(WHOLE, queues=(replace(WHOLE.queues[0], **values), *WHOLE.queues[1:]))


def with_operator(**values: Any) -> Configuration:
    return replace(WHOLE, operators=(replace(WHOLE.operators[0], **values), *WHOLE.operators[1:]))


def with_trunk(**values: Any) -> Configuration:
    return replace(WHOLE, trunks=(replace(WHOLE.trunks[0], **values), *WHOLE.trunks[1:]))


def with_rule(**values: Any) -> Configuration:
    return replace(WHOLE, entry_rules=(EntryRule(**{"queue": "112", **values}),))


def with_shifts(*shifts: Shift) -> Configuration:
    return replace(WHOLE, calendars=(replace(AMBON, shifts=shifts),))


def test_given_a_good_configuration_when_checked_then_nothing_is_wrong() -> None:
    assert faults(WHOLE) == ()
    assert faults(DEMO_CENTRE) == ()


BROKEN = [
    (with_queue(name="ruang 1"), "queues.ruang 1.name", "name"),
    (with_queue(display_name=" "), "queues.112.display_name", "display_name"),
    (with_queue(display_name="a\nb"), "queues.112.display_name", "display_name"),
    (with_queue(ring_seconds=0), "queues.112.ring_seconds", "range"),
    (with_queue(ring_seconds=121), "queues.112.ring_seconds", "range"),
    (with_queue(wrapup_seconds=-1), "queues.112.wrapup_seconds", "range"),
    (with_queue(priority=101), "queues.112.priority", "range"),
    (with_queue(missed_offers=21), "queues.112.missed_offers", "range"),
    (with_queue(language="fr"), "queues.112.language", "language"),
    (with_queue(overflow=("op9",)), "queues.112.overflow", "no_operator"),
    (with_queue(skill="a b"), "queues.112.skill", "name"),
    (with_queue(comfort="../etc"), "queues.112.comfort", "name"),
    (with_queue(skill=None), "queues.112.widening", "widening_without_skill"),
    (with_queue(widening=(Widening(15, 0), Widening(0, 5))), "queues.112.widening", "widening_order"),
    (with_queue(widening=(Widening(-1, 5),)), "queues.112.widening.0.after_seconds", "range"),
    (with_queue(widening=(Widening(0, 10),)), "queues.112.widening.0.level", "range"),
    (with_queue(tiers=(Tier(TierKind.QUEUE, 5, "x"),)), "queues.112.tiers.0.target", "no_queue"),
    (with_queue(tiers=(Tier(TierKind.QUEUE, 5, "112"),)), "queues.112.tiers.0.target", "loop"),
    (with_queue(tiers=(Tier(TierKind.NUMBER, 5, "12", "carrier-a"),)), "queues.112.tiers.0.target", "number"),
    (with_queue(tiers=(Tier(TierKind.NUMBER, 5, "112${X}", "carrier-a"),)), "queues.112.tiers.0.target", "number"),
    (with_queue(tiers=(Tier(TierKind.NUMBER, 5, "112", "x"),)), "queues.112.tiers.0.trunk", "no_such_trunk"),
    (with_queue(tiers=(Tier(TierKind.NUMBER, 5, "112", "carrier-b"),)), "queues.112.tiers.0.trunk", "no_outbound"),
    (with_queue(tiers=(Tier(TierKind.SUPERVISORS, 0),)), "queues.112.tiers.0.after_seconds", "range"),
    (
        with_queue(tiers=(Tier(TierKind.SUPERVISORS, 9), Tier(TierKind.ANNOUNCEMENT, 5))),
        "queues.112.tiers",
        "not_ascending",
    ),
    (
        with_queue(tiers=(Tier(TierKind.QUEUE, 5, "api"), Tier(TierKind.SUPERVISORS, 9))),
        "queues.112.tiers",
        "queue_not_last",
    ),
    (with_operator(extension="112"), "operators.op1.extension", "extension"),
    (with_operator(extension="*11"), "operators.op1.extension", "extension"),
    (with_operator(extension="1002"), "operators.op1.extension", "extension_twice"),
    (with_operator(name="carrier-a"), "operators.carrier-a", "account_twice"),
    (with_operator(name="drill-operator"), "operators.drill-operator", "account_twice"),
    (with_operator(name="damkar1"), "agencies.damkar", "account_twice"),
    (with_operator(memberships=(Membership("x"),)), "operators.op1.memberships.0.queue", "no_queue"),
    (with_operator(memberships=(Membership("112", 100),)), "operators.op1.memberships.0.penalty", "range"),
    (with_operator(memberships=(Membership("112"), Membership("112"))), "operators.op1.memberships", "twice"),
    (with_operator(skills=(Skill("medis", 10),)), "operators.op1.skills.0.level", "range"),
    (with_operator(skills=(Skill("medis", 1), Skill("medis", 2))), "operators.op1.skills", "twice"),
    (with_trunk(sources=()), "trunks.carrier-a.sources", "no_source"),
    (with_trunk(sources=("not an address",)), "trunks.carrier-a.sources.0", "source"),
    (with_trunk(sources=("127.0.0.3",)), "trunks.carrier-b.sources.0", "source_twice"),
    (with_trunk(sources=("127.0.0.0/8",)), "trunks.drill.sources.0", "source_twice"),
    (with_trunk(pseudo_patterns=("(",)), "trunks.carrier-a.pseudo_patterns.0", "pattern"),
    (with_trunk(pseudo_patterns=("(a+)+$",)), "trunks.carrier-a.pseudo_patterns.0", "pattern"),
    (with_trunk(outbound="10.1.2.3"), "trunks.carrier-a.outbound", "address"),
    (with_trunk(outbound="10.1.2.3:0"), "trunks.carrier-a.outbound", "address"),
    (with_rule(queue="x"), "entry_rules.0.queue", "no_queue"),
    (with_rule(trunk="x"), "entry_rules.0.trunk", "no_such_trunk"),
    (with_rule(dialled="112;x"), "entry_rules.0.dialled", "dialled"),
    (with_rule(service="fire"), "entry_rules.0.service", "service"),
    (with_rule(language="english"), "entry_rules.0.language", "rule_language"),
    (with_rule(priority=200), "entry_rules.0.priority", "range"),
    (with_shifts(), "calendars.jaga.shifts", "no_shift"),
    (with_shifts(Shift("pagi", "7", "14:00")), "calendars.jaga.shifts.0.start", "time"),
    (with_shifts(Shift("pagi", "07:00", "14:00")), "calendars.jaga.shifts", "shift_gap"),
    (with_shifts(Shift("a", "07:00", "14:00"), Shift("b", "13:00", "07:00")), "calendars.jaga.shifts", "shift_gap"),
    (replace(WHOLE, default_queue="x"), "default_queue", "no_queue"),
    (replace(WHOLE, queues=(*WHOLE.queues, WHOLE.queues[0])), "queues.112", "twice"),
]


@pytest.mark.parametrize(("configuration", "where", "problem"), BROKEN, ids=[f"{w} {p}" for _, w, p in BROKEN])
def test_given_a_broken_part_when_checked_then_its_field_is_named_in_words(
    configuration: Configuration, where: str, problem: str
) -> None:
    found = [fault for fault in broken(configuration) if (fault.where, fault.problem) == (where, problem)]
    assert found, broken(configuration)
    for lang in ("id", "en"):
        assert len(say(found[0], lang)) > len(problem)
    assert say(found[0], "id") != say(found[0], "en")


LONELY = replace(WHOLE, operators=tuple(replace(operator, memberships=()) for operator in WHOLE.operators))
DRILL_ONLY = replace(DEMO_CENTRE, trunks=tuple(trunk for trunk in DEMO_CENTRE.trunks if trunk.drill), entry_rules=())
CIRCLE = replace(
    WHOLE,
    queues=(
        replace(WHOLE.queues[0], tiers=(Tier(TierKind.QUEUE, 20, "api"),)),
        replace(WHOLE.queues[1], tiers=(Tier(TierKind.QUEUE, 20, "112"),)),
    ),
)


@pytest.mark.parametrize(
    ("configuration", "problem"),
    [
        (replace(LONELY, queues=(replace(WHOLE.queues[0], overflow=()), WHOLE.queues[1])), "nobody"),
        (replace(WHOLE, queues=(WHOLE.queues[0], replace(WHOLE.queues[1], overflow=()))), "nobody"),
        (DRILL_ONLY, "no_trunk"),
        (replace(DEMO_CENTRE, trunks=DEMO_CENTRE.trunks[:2]), "no_drill_trunk"),
        (CIRCLE, "loop"),
        (with_operator(supervisor=False), "no_supervisor"),
    ],
)
def test_given_a_configuration_that_would_ring_nobody_when_checked_then_it_is_refused_for_going_live(
    configuration: Configuration, problem: str
) -> None:
    assert broken(configuration) == ()
    found = unreachable(configuration)
    assert problem in {fault.problem for fault in found}
    assert all(say(fault, lang) for fault in found for lang in ("id", "en"))


def test_given_every_field_of_every_part_when_shown_then_it_has_a_name_in_both_languages() -> None:
    raw = WHOLE.to_json()
    parts = [*raw["queues"], *raw["operators"], *raw["agencies"], *raw["trunks"], *raw["calendars"]]
    parts += [*raw["entry_rules"], *raw["queues"][0]["tiers"], *raw["queues"][0]["widening"]]
    assert {name for part in parts for name in part} <= FIELDS.keys()


def test_given_two_configurations_when_compared_then_each_difference_is_a_sentence() -> None:
    after = replace(
        with_queue(ring_seconds=15, tiers=()),
        operators=WHOLE.operators[:3],
        trunks=(*WHOLE.trunks, Trunk("carrier-c", "Carrier C", ("10.0.0.1",))),
        surge=True,
    )
    said = [change.say("en") for change in changes(WHOLE, after)]
    assert "Queue 112, Ring time: 10 → 15 seconds" in said
    assert "Operator op4 removed" in said
    assert "Trunk carrier-c added" in said
    assert "Surge mode changed: no → yes" in said
    assert any(
        line.startswith("Queue 112, Overflow chain: Ring the supervisors, after a wait of 20 seconds") for line in said
    )
    assert changes(WHOLE, replace(WHOLE, version=99)) == ()
    assert all(change.say("id") for change in changes(WHOLE, after))


def test_given_every_part_when_written_as_plain_values_then_it_is_read_back_the_same() -> None:
    assert Configuration.from_json(WHOLE.to_json()) == WHOLE
