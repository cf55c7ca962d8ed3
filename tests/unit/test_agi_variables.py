"""What is said to Asterisk: one line that asks, words for the journal, one line that sets."""

import base64
import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.agi.conversation import converse
from pbx112.agi.display import shown_name, shown_number
from pbx112.agi.facts import MOST_WORDS, WORD_LIMIT, cut, journal_words
from pbx112.agi.variables import read_answers, read_commands, safe, set_command
from pbx112.domain.caller import Caller, CallerClass, SipIdentity
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.record import Intake, call_id
from pbx112.services.intake import ArrivedCall, Routing, raw_headers, route

TOKEN = "0a1b2c3d"
SIZES = [command.count("BASE64_ENCODE") for command in read_commands(TOKEN)]
IMEI = '<sip:x@y>;+sip.instance="<urn:gsma:imei:35241009-031532-0>"'


def word(value: str, token: str = TOKEN) -> str:
    return base64.b64encode(f"(((((((({value}{token}".encode()).decode()


def answers(*values: str, more: Sequence[str] = (), token: str = TOKEN) -> list[str]:
    """Asterisk's answers; `values` to the first question, `more` to the second."""
    return [
        f"{token}|" + "|".join(word(value, token) for value in [*told, *[""] * (size - len(told))])
        for told, size in zip((values, more), SIZES, strict=True)
    ]


def routing(caller: Caller, queue: str = "112") -> Routing:
    return Routing(caller, queue, 0, "id", "sos")


def written_headers(facts: list[dict[str, Any]]) -> dict[str, str]:
    """The headers as the fold puts them together again."""
    headers: dict[str, str] = {}
    for name, value in (pair for fact in facts for pair in fact.get("headers", {}).items()):
        headers[name] = headers.get(name, "") + value
    return headers


def decoded(words: list[str]) -> list[dict[str, Any]]:
    return [json.loads(base64.b64decode(text)) for text in words]


@pytest.mark.parametrize("command", read_commands(TOKEN))
def test_given_a_question_when_it_is_made_then_it_is_one_line_below_a_thousand_bytes(command: str) -> None:
    assert len(command) < 1000
    assert " " not in command.removeprefix("GET FULL VARIABLE ")


def test_given_answers_when_they_are_read_then_every_value_is_in_its_place() -> None:
    identity = ["<sip:1@a>", "<tel:+2>", "<tel:+3>", "<sip:f@b>", "id", "<sip:r@c>", "<sip:c@d>"]
    told = answers(
        *("carrier-a", "17.4", "112", "call-1", "127.0.0.2:5060", *identity),
        more=["urn:service:sos.fire", "PANI", "PANI2", "CNI", "emergency"],
    )

    assert read_answers(told, TOKEN) == ArrivedCall(
        endpoint="carrier-a",
        linkedid="17.4",
        extension="112",
        sip_call_id="call-1",
        remote="127.0.0.2:5060",
        identity=SipIdentity("<sip:1@a>\n<tel:+2>\n<tel:+3>", "<sip:f@b>", "<sip:c@d>", "id", "<sip:r@c>"),
        headers={
            "x-service-urn": "urn:service:sos.fire",
            "p-access-network-info": "PANI\nPANI2",
            "cellular-network-info": "CNI",
            "priority": "emergency",
        },
    )


@pytest.mark.parametrize(
    "damaged",
    [
        "",  # Asterisk's answer for nine unmatched parentheses before a colon
        base64.b64encode(b"(((((((())))))))").decode(),  # as captured: cut by an offset in a caller's header
        base64.b64encode(b"((((((((<sip:+62811@x>.").decode(),  # a caller who guesses an end
        "no base64!",
        word("x", "ffffffff"),
    ],
)
def test_given_a_value_that_did_not_come_whole_when_it_is_read_then_it_is_no_number(damaged: str) -> None:
    first, second = answers("carrier-a", "17.4", "112")
    parts = first.split("|")
    parts[6] = damaged
    call = read_answers(["|".join(parts), second], TOKEN)

    assert call.identity.asserted == "?"
    assert route(call, DEMO_CENTRE).caller.caller_class is CallerClass.UNPARSEABLE


def test_given_bytes_that_are_no_utf8_when_they_are_read_then_they_are_replaced() -> None:
    first, second = answers("carrier-a")
    parts = first.split("|")
    parts[9] = base64.b64encode(b'((((((((("Jos\xe9" <sip:1@a>' + TOKEN.encode()).decode()

    assert "Jos" in read_answers(["|".join(parts), second], TOKEN).identity.from_


def test_given_a_routing_when_it_is_set_then_the_sentinel_is_last_and_the_line_is_plain() -> None:
    call = uuid.UUID("2b52e714-69ff-5012-8933-98bf0512858f")
    caller = Caller(CallerClass.ASSERTED, "+6281234567890", callback_number="+6281234567890")

    assert set_command(routing(caller), call, Intake.FASTAGI) == (
        'EXEC MSet "PBX112_QUEUE=112,PBX112_PRIORITY=0,PBX112_LANG=id,'
        "PBX112_CALL_ID=2b52e714-69ff-5012-8933-98bf0512858f,PBX112_CALLER_NUM=+6281234567890,"
        "PBX112_CALLER_NAME=+6281234567890,"
        'PBX112_INTAKE=fastagi"'
    )


@given(st.text(max_size=200))
def test_given_any_text_when_it_is_made_safe_then_nothing_in_it_has_a_meaning(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9 +?._-]{0,80}", safe(text))


@pytest.mark.parametrize(
    ("identity", "number", "indonesian", "english"),
    [
        (SipIdentity("<tel:+62811>"), "+62811", "+62811", "+62811"),
        (SipIdentity("<tel:+62811>", privacy="id"), "+62811", "Dirahasiakan +62811", "Withheld +62811"),
        (SipIdentity("<tel:+6591234>"), "+6591234", "Luar negeri +6591234", "Foreign +6591234"),
        (SipIdentity("<tel:+62112765>"), "+62112765", "+62112765", "+62112765"),
        (SipIdentity("<tel:+621127654321>"), "anonymous", "Tanpa SIM? +621127654321", "SIM-less? +621127654321"),
        (
            SipIdentity(contact=IMEI),
            "anonymous",
            "Tanpa SIM? IMEI 35241009-031532-0",
            "SIM-less? IMEI 35241009-031532-0",
        ),
        (SipIdentity(), "anonymous", "Anonim", "Anonymous"),
        (SipIdentity(from_="<tel:+62811>"), "+62811", "Belum pasti +62811", "Unverified +62811"),
        (SipIdentity("<sip:alice@x>"), "anonymous", "Nomor tak terbaca", "Number unreadable"),
    ],
)
def test_given_a_class_when_it_is_shown_then_the_phone_tells_what_is_known(
    identity: SipIdentity, number: str, indonesian: str, english: str
) -> None:
    caller = route(ArrivedCall("carrier-a", "1.1", "112", identity=identity), DEMO_CENTRE).caller

    assert shown_number(caller) == number
    assert (shown_name(caller, "id"), shown_name(caller, "en")) == (indonesian, english)
    assert shown_name(caller, "jv") == indonesian
    assert safe(indonesian) == indonesian


def test_given_an_ordinary_call_when_its_facts_are_written_then_the_caller_comes_first() -> None:
    pani = "3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=510101F2A0ABCDE1; network-provided"
    told = {"p-access-network-info": pani, "x-service-urn": "urn:service:sos.fire"}
    call = ArrivedCall("carrier-a", "1.1", "112", identity=SipIdentity("<sip:+62811@x>\n<tel:+62811>"), headers=told)
    first, second = decoded(journal_words(call, route(call, DEMO_CENTRE), Intake.FASTAGI))

    assert first == {
        "by": "fastagi",
        "caller": {"class": "asserted", "number": "+62811", "callback_number": "+62811", "raw_number": "+62811"},
        "service": "sos.fire",
        "queue": "112",
        "priority": 0,
        "lang": "id",
        "headers": told,
    }
    assert second == {"by": "fastagi", "headers": {"p-asserted-identity": "<sip:+62811@x>\n<tel:+62811>"}}


headers = st.text(max_size=400) | st.sampled_from(
    ['"' * 300, "\\" * 300, "\r\n" * 200, "🚒" * 200, IMEI, "<tel:+62811>"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(headers, min_size=8, max_size=8))
def test_given_any_headers_when_facts_are_written_then_every_word_fits_a_journal_line(texts: list[str]) -> None:
    names = ("p-access-network-info", "geolocation", "x-service-urn")
    call = ArrivedCall(
        "carrier-a", "1.1", "112", identity=SipIdentity(*texts[:5]), headers=dict(zip(names, texts[5:], strict=True))
    )
    words = journal_words(call, route(call, DEMO_CENTRE), Intake.CLASSIC)
    facts = decoded(words)

    assert max(map(len, words)) <= WORD_LIMIT
    assert len(words) < MOST_WORDS
    assert written_headers(facts) == raw_headers(call)
    assert facts[0]["caller"]["class"] in set(CallerClass)
    assert {key for fact in facts for key in fact} >= {"by", "caller", "service", "queue", "priority", "lang"}


def test_given_everything_known_of_a_caller_when_it_is_written_then_the_class_is_never_what_is_left_out() -> None:
    caller = Caller(
        CallerClass.ASSERTED_WITHHELD,
        "+628123456789012",
        '"' * 256,
        "+628123456789012",
        withheld=True,
        imei="35241009-031532-0000",
        cpc="mobile-hplmn-and-more-xx",
        warnings=("number_unreadable", "unknown_trunk", "intake_rule_failed"),
    )
    words = journal_words(ArrivedCall("", ""), routing(caller, "q" * 40), Intake.FASTAGI)

    assert max(map(len, words)) <= WORD_LIMIT
    assert decoded(words)[0]["caller"]["imei"] == "35241009-031532-0000"


def test_given_a_long_text_when_it_is_cut_then_no_character_is_halved() -> None:
    assert cut("aé" * 10, 5) == "a…"


def test_given_a_call_when_the_intake_talks_then_it_asks_writes_and_sets_in_this_order() -> None:
    talk = converse(DEMO_CENTRE, "node1", Intake.CLASSIC)
    asked = next(talk)
    first, second = answers("carrier-a", "17.4", "112", "", "", "<tel:+62811>", token=asked.token)
    more = talk.send(first)
    said = [talk.send(second)]
    with pytest.raises(StopIteration) as done:
        while True:
            said.append(talk.send(""))

    assert [asked.command, more.command] == read_commands(asked.token)
    assert [question.command.split(",")[0] for question in said] == [
        "EXEC CELGenUserEvent PBX112_INTAKE",
        'EXEC MSet "PBX112_QUEUE=112',
    ]
    assert str(call_id("node1", "17.4")) in said[-1].command
    assert done.value.value.queue == "112"


def test_given_no_linkedid_when_the_intake_talks_then_no_wrong_id_is_set() -> None:
    talk = converse(DEMO_CENTRE, "node1", Intake.CLASSIC)
    token = next(talk).token
    talk.send(f"{token}|")
    question = talk.send(f"{token}|")
    while "MSet" not in question.command:
        question = talk.send("")

    assert "PBX112_CALL_ID=," in question.command


def test_given_two_calls_when_they_are_taken_in_then_their_tokens_differ() -> None:
    tokens = {next(converse(DEMO_CENTRE, "node1", Intake.FASTAGI)).token for _ in range(20)}

    assert len(tokens) == 20
