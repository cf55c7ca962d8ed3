"""A record's fields, times and payloads; whatever cannot be read is kept as it is."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.journal.parse import NotAnEvent, Parsed, parse
from pbx112.journal.payload import DOTTED_FIELDS, Undecodable, read_payload
from pbx112.journal.split import Piece
from tests.support.journal import b64, json_word, line, plain_word, word

ARRIVAL = ("a1@c", "carrier-a", "t", "<sip:+628@a>", 'From "x", <y>\r\nEvent: Hangup', "<sip:c;+sip.instance=z>")


def parsed(text: str | bytes) -> Parsed:
    raw = text if isinstance(text, bytes) else text.encode()
    return parse(Piece(0, len(raw), raw))


def test_given_a_line_when_parsed_then_every_field_is_in_its_place() -> None:
    raw = ",".join(f'"{n}"' for n in ["ANSWER", "1795282659.406370", *"abcdefghijklmno"]) + ',"{""x"":1}"\n'
    found = parsed(raw)
    event = found.event
    assert event.at == datetime(2026, 11, 21, 17, 37, 39, 406370, tzinfo=UTC)
    assert (event.kind, event.caller_name, event.caller_num, event.dnid) == ("ANSWER", "a", "b", "d")
    assert (event.exten, event.context, event.channel, event.app, event.app_data) == ("e", "f", "g", "h", "i")
    assert (event.account, event.unique_id, event.linked_id, event.peer) == ("j", "k", "l", "m")
    assert (event.user_field, dict(event.extra)) == ("o", {"x": 1})
    assert found.rest == {"ani": "c", "peer_account": "n"}


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        ("node1-1795282659.1", "node1-1795282659.1"),
        ("node2-1795282659.1", "node1-1795282660.7"),
        ("1795282659.1", "node1-1795282660.7"),
        ("", "node1-1795282660.7"),
        ("node1-", "node1-1795282660.7"),
        ("node1-1795282659.1\n", "node1-1795282660.7"),
        ("node1-\u0661.1", "node1-1795282660.7"),
        ("node1-" + "1" * 200 + ".1", "node1-1795282660.7"),
    ],
)
def test_given_a_transfers_step_when_parsed_then_it_is_of_the_call_it_names_if_this_asterisk_can_have_it(
    named: str, kept: str
) -> None:
    own = "node1-1795282660.7"
    extra = plain_word("v1", named, "node1-1795282659.2.1", "joined", "c")
    found = parsed(line("PBX112_TRANSFER", 1.0, unique="node1-1795282660.7", linked=own, extra=extra))
    assert (found.event.linked_id, found.event.unique_id) == (kept, own)
    assert found.rest.get("own_linked_id") == (own if kept != own else None)
    assert (found.event.extra["step"], found.event.extra["one"], found.event.extra["three"]) == ("joined", "c", "")


@pytest.mark.parametrize(("text", "micros"), [("1.5", 1_500_000), ("1.000001", 1_000_001), ("0.0", 0)])
def test_given_a_time_when_parsed_then_it_is_exact_to_the_microsecond(text: str, micros: int) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert parsed(line("ANSWER", text)).event.at == epoch + timedelta(microseconds=micros)


@pytest.mark.parametrize(
    "bad",
    [
        line("ANSWER", "999999999999.1"),
        line("ANSWER", 1.0, unique="x" * 151),
        line("ANSWER", 1.0).replace('"n-1.1"', '""'),
        line("ANSWER", 1.0).replace('"112",', "", 1),
    ],
)
def test_given_a_record_that_makes_no_event_when_parsed_then_it_says_why(bad: str) -> None:
    with pytest.raises(NotAnEvent, match=r"."):
        parsed(bad)


def test_given_bytes_that_postgresql_cannot_store_when_parsed_then_they_are_visible() -> None:
    raw = line("ANSWER", 1.0, name="N", num="M").encode().replace(b'"N"', b'"a\x00b"').replace(b'"M"', b'"\xff\xc3"')
    event = parsed(raw).event
    assert (event.caller_name, event.caller_num) == ("a\\x00b", "\\xff\\xc3")


def test_given_an_arrival_when_parsed_then_its_facts_are_told() -> None:
    event = parsed(line("PBX112_ARRIVAL", 1.0, extra=word(*ARRIVAL))).event
    assert dict(event.extra) == {
        "sip_call_id": "a1@c",
        "trunk": "carrier-a",
        "trusted": True,
        "drill": False,
        "asserted": "<sip:+628@a>",
        "from": 'From "x", <y>\r\nEvent: Hangup',
        "contact": "<sip:c;+sip.instance=z>",
    }


@pytest.mark.parametrize(
    ("kind", "fields", "facts"),
    [
        ("PBX112_QUEUE_JOIN", ("112", "20", "ring"), {"queue": "112", "priority": 20, "stage": "ring"}),
        ("PBX112_QUEUE_JOIN", ("112", "", ""), {"queue": "112", "priority": None, "stage": ""}),
        ("PBX112_QUEUE_JOIN", ("112",), {"queue": "112", "priority": None, "stage": ""}),
        ("PBX112_QUEUE_LEAVE", ("112", "TIMEOUT"), {"queue": "112", "status": "TIMEOUT"}),
        (
            "PBX112_OPERATOR",
            ("op1", "pause", "", "2"),
            {"operator": "op1", "action": "pause", "queue": "", "reason": "2"},
        ),
    ],
)
def test_given_the_dialplans_events_when_parsed_then_their_facts_are_told(
    kind: str, fields: tuple[str, ...], facts: dict[str, Any]
) -> None:
    assert dict(parsed(line(kind, 1.0, extra=word(*fields))).event.extra) == facts


@pytest.mark.parametrize("flags", ["", "t", "d", "td", "dt"])
def test_given_flags_when_parsed_then_trusted_and_drill_are_what_they_say(flags: str) -> None:
    extra = parsed(line("PBX112_ARRIVAL", 1.0, extra=word("a", "b", flags))).event.extra
    assert (extra["trusted"], extra["drill"]) == ("t" in flags, "d" in flags)


def test_given_either_alphabet_with_or_without_padding_when_parsed_then_it_is_the_same() -> None:
    payload = {"by": "fastagi", "text": "ÿþý>>>???~~~ ü"}
    standard = json_word(payload)["extra"]
    for form in (standard, standard.rstrip("="), standard.replace("+", "-").replace("/", "_")):
        found = parsed(line("PBX112_INTAKE", 1.0, extra={"extra": form}))
        assert (found.fault, dict(found.event.extra)) == (None, payload)


def test_given_one_broken_field_in_an_arrival_when_parsed_then_the_others_are_kept() -> None:
    found = parsed(line("PBX112_ARRIVAL", 1.0, extra={"extra": f"v1.@@@.{b64('.carrier-a')}.{b64('.t')}.x"}))
    assert found.fault is None
    assert (found.event.extra["sip_call_id"], found.event.extra["trunk"], found.event.extra["trusted"]) == (
        "",
        "carrier-a",
        True,
    )


@pytest.mark.parametrize(
    "extra",
    [
        {"extra": "not base64!"},
        {"extra": b64("[1]")},
        {"extra": b64("{broken")},
        {"extra": b64("v1." + ".".join([b64("x")] * 9))},
        {"extra": 5},
        {"other": "x"},
        "not json",
        "[" * 5000,
    ],
)
def test_given_an_unreadable_payload_when_parsed_then_the_event_is_kept(extra: Any) -> None:
    found = parsed(line("PBX112_ARRIVAL", 1.0, extra=extra))
    assert found.fault is not None
    assert (
        found.event.extra["undecodable"]
        == (extra if isinstance(extra, str) else json.dumps(extra, separators=(",", ":")))[:2000]
    )


def test_given_a_dotted_payload_of_a_kind_without_one_when_read_then_it_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="PBX112_INTAKE has no"):
        read_payload("PBX112_INTAKE", orjson.dumps(word("x")).decode())


def test_given_nul_and_surrogates_in_json_when_parsed_then_postgresql_can_store_it() -> None:
    found = parsed(line("BRIDGE_ENTER", 1.0, extra='{"a\\u0000":["\\u0000b"]}'))
    assert dict(found.event.extra) == {"a\\x00": ["\\x00b"]}
    assert parsed(line("BRIDGE_ENTER", 1.0, extra='{"a":"\\ud800"}')).fault is not None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*DOTTED_FIELDS, "PBX112_INTAKE", "HANGUP"]), st.text(max_size=200))
def test_given_any_extra_when_parsed_then_the_event_is_kept(kind: str, extra: str) -> None:
    event = parsed(line(kind, 1.0, extra=extra)).event
    assert event.kind == kind
    orjson.dumps(event.extra)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)
def test_given_any_text_in_fields_when_written_and_parsed_then_it_is_the_same(name: str, data: str) -> None:
    event = parsed(line("ANSWER", 1.0, name=name, data=data)).event
    assert (event.caller_name, event.app_data) == (name.replace("\x00", "\\x00"), data.replace("\x00", "\\x00"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_given_any_bytes_when_parsed_then_only_not_an_event_is_raised(raw: bytes) -> None:
    with contextlib.suppress(NotAnEvent):
        parsed(raw)
