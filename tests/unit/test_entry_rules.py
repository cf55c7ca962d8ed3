"""The admin's entry rules: which queue a call enters, at which priority; whatever fails, the default queue."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from pbx112.agi.conversation import converse
from pbx112.domain.caller import SipIdentity
from pbx112.domain.configuration import Configuration, EntryRule, Queue
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.record import Intake
from pbx112.journal.payload import read_payload
from pbx112.services.intake import ArrivedCall, Routing, route
from tests.support.agi import CALL, AsteriskSide

QUEUES = (
    DEMO_CENTRE.queues[0],
    Queue("damkar", "Kebakaran", priority=2),
    Queue("english", "English", language="en"),
)


def centre(*rules: EntryRule) -> Configuration:
    return replace(DEMO_CENTRE, queues=QUEUES, entry_rules=rules)


def arrived(
    endpoint: str = "carrier-a", dialled: str = "112", *, urn: str = "", language: str = "", number: str = "+62811"
) -> ArrivedCall:
    headers = {"x-service-urn": urn, "accept-language": language}
    identity = SipIdentity(f"<tel:{number}>")
    return ArrivedCall(endpoint, "17.1", dialled, identity=identity, headers={k: v for k, v in headers.items() if v})


@pytest.mark.parametrize(
    ("rule", "matching", "other"),
    [
        (EntryRule("damkar", trunk="carrier-b"), [arrived("carrier-b")], [arrived(), arrived("carrier-bb")]),
        (EntryRule("damkar", dialled="+62112"), [arrived(dialled="+62112")], [arrived(), arrived(dialled="62112")]),
        (
            EntryRule("damkar", service="sos.ecall"),
            [arrived(urn="urn:service:sos.ecall.manual"), arrived(urn="urn:service:SOS.eCall.automatic.x")],
            [arrived(), arrived(urn="urn:service:sos.ecallx"), arrived(urn="urn:service:sos")],
        ),
        (
            EntryRule("damkar", service="sos.fire"),
            [
                arrived(urn="urn:service:sos.fire"),
                arrived(urn="urn:service:sos.fire.x"),
                arrived(dialled="urn:service:sos.fire"),
            ],
            [arrived(), arrived(urn="urn:service:sos.police"), arrived(urn="urn:service:sos.firework")],
        ),
        (EntryRule("damkar", service="sos"), [arrived(), arrived(urn="urn:service:sos.police")], []),
        (
            EntryRule("damkar", language="en"),
            [arrived(language="en"), arrived(language="en-GB, id"), arrived(language=" EN ;q=0.9,id")],
            [
                arrived(),
                arrived(language="id, en"),
                arrived(language="enm"),
                arrived(language="*"),
                arrived(language="?"),
            ],
        ),
        (EntryRule("damkar", language="en-GB"), [arrived(language="en-gb")], [arrived(language="en")]),
        (
            EntryRule("damkar", trunk="carrier-a", dialled="112", service="sos.fire", language="id"),
            [arrived(urn="urn:service:sos.fire", language="id-ID")],
            [
                arrived("carrier-b", urn="urn:service:sos.fire", language="id"),
                arrived(urn="urn:service:sos.fire"),
                arrived(language="id"),
            ],
        ),
        (EntryRule("damkar"), [arrived(), arrived("nobody", "s", language="?")], []),
    ],
)
def test_given_a_rule_when_calls_arrive_then_those_go_to_its_queue_that_fit_all_of_it(
    rule: EntryRule, matching: list[ArrivedCall], other: list[ArrivedCall]
) -> None:
    assert [route(call, centre(rule)).queue for call in matching] == ["damkar"] * len(matching)
    assert [route(call, centre(rule)).queue for call in other] == ["112"] * len(other)


def chosen(routing: Routing) -> tuple[str, int, str, int | None]:
    return routing.queue, routing.priority, routing.language, routing.entry_rule


def test_given_several_rules_when_a_call_arrives_then_the_first_counts_that_matches_and_has_a_queue() -> None:
    rules = (
        EntryRule("gone", service="sos.fire"),
        EntryRule("english", language="en", priority=7),
        EntryRule("damkar", service="sos.fire"),
    )
    assert chosen(route(arrived(urn="urn:service:sos.fire"), centre(*rules))) == ("damkar", 2, "id", 3)
    assert chosen(route(arrived(urn="urn:service:sos.fire", language="en"), centre(*rules))) == ("english", 7, "en", 2)
    assert chosen(route(arrived(), centre(*rules))) == ("112", 0, "id", None)


def test_given_a_priority_of_zero_when_a_rule_matches_then_it_is_not_taken_for_none() -> None:
    assert route(arrived(), centre(EntryRule("damkar", priority=0))).priority == 0


def test_given_a_drill_when_a_rule_matches_all_then_it_goes_the_usual_way_where_its_operator_is() -> None:
    assert route(arrived("drill"), centre(EntryRule("damkar"))).queue == "112"


def test_given_rules_that_cannot_be_read_when_a_call_arrives_then_the_default_queue_and_the_caller_is_known() -> None:
    routing = route(arrived(number="+628123456789"), centre(cast("Any", "no rule")))

    assert chosen(routing) == ("112", 0, "id", None)
    assert routing.caller.number == "+628123456789"
    assert routing.warnings == ("intake_rule_failed",)


@pytest.mark.parametrize("by", [Intake.FASTAGI, Intake.CLASSIC])
def test_given_either_intake_when_a_language_has_a_rule_then_asterisk_hears_the_queue_and_the_journal_the_rule(
    by: Intake,
) -> None:
    side = AsteriskSide(CALL | {"accept_language": "en-US,id;q=0.5"})
    conversation = converse(centre(EntryRule("english", language="en", priority=3)), "node1", by)
    question = next(conversation)
    try:
        while True:
            answer = side.answer(question.command.encode() + b"\n").decode()
            question = conversation.send(answer.partition("(")[2].rpartition(")")[0])
    except StopIteration:
        pass
    assert (side.variables["PBX112_QUEUE"], side.variables["PBX112_PRIORITY"]) == ("english", "3")
    facts = [read_payload("PBX112_INTAKE", json.dumps({"extra": word})) for word in side.words]
    assert [fact["entry_rule"] for fact in facts if "entry_rule" in fact] == [1]
    assert facts[0]["headers"]["accept-language"] == "en-US,id;q=0.5"
