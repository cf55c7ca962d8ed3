"""The marks of an INVITE: read from hostile headers, bounded, and never raising."""

import random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain.caller import RAW_LIMIT
from pbx112.domain.marks import MOST_MARKS, SERVICES, Marks, read_marks, read_service
from tests.unit.test_caller import FRAGMENTS, PATHOLOGICAL

HEADERS = ("priority", "resource-priority", "call-info", "history-info", "diversion")
RURI = "<sip:112@psap.example>;index=1.2;cause=302"


def test_given_no_headers_when_marks_are_read_then_there_are_none() -> None:
    assert read_marks({}) == Marks()
    assert read_marks(dict.fromkeys(HEADERS, "")) == Marks()


@pytest.mark.parametrize(
    ("header", "priority"),
    [
        ("emergency", "emergency"),
        (" Emergency ", "emergency"),
        ("URGENT", "urgent"),
        ("normal", "normal"),
        ("non-urgent", "non-urgent"),
        ("psap-callback", "psap-callback"),
        ("emergency;x=<b>", "emergency"),
        ("x" * 400, "x" * 32),
        ("<script>", None),
        ("\r\nEvent: Fake", "event"),
        ("", None),
    ],
)
def test_given_a_priority_when_it_is_read_then_it_is_one_plain_word(header: str, priority: str | None) -> None:
    assert read_marks({"priority": header}).priority == priority


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("esnet.0", ("esnet.0",)),
        ("esnet.0, q735.0", ("esnet.0", "q735.0")),
        ("ESNET.1\nwps.2", ("esnet.1", "wps.2")),
        (" dsn.flash-override ,,", ("dsn.flash-override",)),
        ("esnet.0,esnet.0", ("esnet.0",)),
        ("esnet, .0, esnet., a.b.c, <b>.0, x y.0, q735.1", ("q735.1",)),
        (",".join(f"esnet.{n}" for n in range(50)), tuple(f"esnet.{n}" for n in range(MOST_MARKS))),
    ],
)
def test_given_a_resource_priority_when_it_is_read_then_only_namespaces_with_values_are_kept(
    header: str, values: tuple[str, ...]
) -> None:
    assert read_marks({"resource-priority": header}).resource_priority == values


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (
            "<cid:1234@psap.example>;purpose=EmergencyCallData.ProviderInfo",
            ("EmergencyCallData.ProviderInfo cid:1234@psap.example",),
        ),
        (
            "<https://adr.example/x?a=b,c>; purpose=emergencycalldata.DeviceInfo",
            ("emergencycalldata.DeviceInfo https://adr.example/x?a=b,c",),
        ),
        (
            "https://adr.example/x;purpose=EmergencyCallData.Comment",
            ("EmergencyCallData.Comment https://adr.example/x",),
        ),
        (
            "<cid:1@h>;purpose=EmergencyCallData.eCall.MSD, <cid:2@h>;Purpose=EMERGENCYCALLDATA.VEDS",
            ("EmergencyCallData.eCall.MSD cid:1@h", "EMERGENCYCALLDATA.VEDS cid:2@h"),
        ),
        ("<cid:1@h>;purpose=EmergencyCallData.A\n<cid:2@h>;purpose=icon", ("EmergencyCallData.A cid:1@h",)),
        ('<cid:1@h>;purpose="EmergencyCallData.A"', ("EmergencyCallData.A cid:1@h",)),
        ("<urn:nena:uid:callid:1@h>;purpose=nena-CallId", ()),
        ("<cid:1@h>;purpose=EmergencyCallData", ()),
        ("<cid:1@h;purpose=EmergencyCallData.A>", ()),
        ('"<cid:1@h>;purpose=EmergencyCallData.A" <cid:2@h>', ()),
        ("<>;purpose=EmergencyCallData.A", ()),
        (
            "<https://h/%0d%0a\r\x00>;purpose=EmergencyCallData.A",
            ("EmergencyCallData.A https://h/%0d%0a\\x0d\\x00",),
        ),
    ],
)
def test_given_further_data_on_a_call_when_it_is_announced_then_its_purpose_and_address_are_kept(
    header: str, data: tuple[str, ...]
) -> None:
    assert read_marks({"call-info": header}).additional_data == data


def test_given_further_data_without_end_when_it_is_announced_then_it_is_bounded() -> None:
    long = "\x01" * 300
    header = ",".join(f"<cid:{n}@{long}>;purpose=EmergencyCallData.A" for n in range(20))
    data = read_marks({"call-info": header}).additional_data
    assert len(data) == MOST_MARKS
    assert max(map(len, data)) == RAW_LIMIT


@pytest.mark.parametrize(
    ("headers", "forwarded_by"),
    [
        ({"diversion": "<sip:+62811@h>;reason=unconditional;counter=1"}, ("+62811",)),
        ({"diversion": '"Kantor" <tel:0215551234>;reason=no-answer'}, ("+62215551234",)),
        ({"diversion": "<sip:+62811@h>,<sip:+62812@h>\n<sip:+62811@h>"}, ("+62811", "+62812")),
        ({"diversion": "<sip:kantor@h;x=y>"}, ("sip:kantor@h;x=y",)),
        ({"diversion": "<sip:x%0d%0aEvent%3a%20Fake@h>"}, ("sip:x%0d%0aEvent%3a%20Fake@h",)),
        ({"diversion": "<sip:%2B62811@h>"}, ("+62811",)),
        ({"diversion": "?"}, ("?",)),
        ({"history-info": f"<sip:+62811@h?Reason=SIP%3Bcause%3D302>;index=1,{RURI}"}, ("+62811",)),
        ({"history-info": f"<sip:+62811@h>;index=1\n<sip:+62812@h>;index=1.1\n{RURI}"}, ("+62811", "+62812")),
        ({"history-info": RURI}, ()),
        ({"history-info": "<sip:+62811@h?Privacy=history&Reason=SIP%3Bcause%3D486>;index=1"}, ("+62811",)),
        ({"history-info": f"<sip:112@h>;index=1,{RURI}"}, ()),
        ({"history-info": f"<urn:service:sos>;index=1,{RURI}"}, ()),
        ({"history-info": f"<sip:urn%3Aservice%3Asos.fire@h>;index=1,{RURI}"}, ()),
        (
            {"history-info": f"<tel:+62811>;index=1,{RURI}", "diversion": "<sip:+62811@h>,<sip:+62813@h>"},
            ("+62811", "+62813"),
        ),
    ],
)
def test_given_a_forwarded_call_when_it_is_read_then_it_says_who_forwarded_it(
    headers: dict[str, str], forwarded_by: tuple[str, ...]
) -> None:
    assert read_marks(headers).forwarded_by == forwarded_by


def test_given_forwardings_without_end_when_they_are_read_then_they_are_bounded() -> None:
    marks = read_marks({"diversion": ",".join(f"<sip:user-{n}-{'x' * 300}@h>" for n in range(100))})
    assert len(marks.forwarded_by) == MOST_MARKS
    assert max(map(len, marks.forwarded_by)) == RAW_LIMIT


@pytest.mark.parametrize(
    ("texts", "service"),
    [
        *[((f"urn:service:{service}",), service) for service in sorted(SERVICES)],
        (("<URN:SERVICE:SOS.Police>;x=1",), "sos.police"),
        (("<urn:service:sos.fire>",), "sos.fire"),
        (("sip:urn%3Aservice%3Asos.fire@host",), "sos.fire"),
        (("sip:urn%3aservice%3asos%2Emarine@host;user=phone",), "sos.marine"),
        (("urn:service:sos.fire;lang=id",), "sos.fire"),
        (("urn:service:sos.fire@host",), "sos.fire"),
        (("urn:service:sos.unknown",), "sos"),
        (("urn:service:sos.fire.brigade",), "sos.fire"),
        (("urn:service:sos.fire.brigade.third.fourth.fifth",), "sos.fire"),
        (("urn:service:sos.ecall",), "sos"),
        (("urn:service:sos.ecall.automatic.x",), "sos.ecall.automatic"),
        (("urn:service:sos.",), "sos"),
        (("urn:service:sos..fire",), "sos"),
        (("urn:service:sosfire", "urn:service:sos.gas"), "sos.gas"),
        (("urn:service:sos-fire",), "sos"),
        (("xurn:service:sos.fire",), "sos"),
        (("urn:service:test.sos",), "sos"),
        (("urn:service:test.sos.fire", "112"), "sos"),
        (("urn:service:counseling", "112"), "sos"),
        (("urn:service:sos", "urn:service:sos.fire"), "sos"),
        (("", "?", "112", "urn:service:sos.gas"), "sos.gas"),
        (("%75rn:service:sos.gas",), "sos.gas"),
        (("urn:service:sos" + ".a" * 2000,), "sos"),
        ((), "sos"),
    ],
)
def test_given_a_service_urn_when_it_is_read_then_an_unknown_child_is_its_nearest_parent(
    texts: tuple[str, ...], service: str
) -> None:
    assert read_service(*texts) == service


hostile = st.text(max_size=200) | st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(HEADERS), hostile))
def test_given_any_headers_when_marks_are_read_then_all_is_bounded_and_printable(headers: dict[str, str]) -> None:
    marks = read_marks(headers)
    lists = (marks.resource_priority, marks.additional_data, marks.forwarded_by)
    assert all(len(texts) <= MOST_MARKS for texts in lists)
    for text in (marks.priority or "", *(text for texts in lists for text in texts)):
        assert text.isprintable()
        assert len(text) <= RAW_LIMIT
    assert read_service(*headers.values()) in SERVICES


@pytest.mark.parametrize(
    "text", [*PATHOLOGICAL, "urn:service:sos" + ".a" * 1900, "a.0," * 1000], ids=lambda text: repr(text[:18])
)
@pytest.mark.alone
def test_given_a_text_made_to_be_costly_when_it_is_in_every_header_then_reading_it_takes_milliseconds(
    text: str,
) -> None:
    """Four thousand characters that cost their square would take a hundred times as long."""
    began = process_time()
    read_marks(dict.fromkeys(HEADERS, text))
    read_service(text, text)
    assert process_time() - began < 0.05


@pytest.mark.alone
def test_given_hostile_headers_of_four_kilobytes_when_marks_are_read_then_it_takes_below_a_millisecond() -> None:
    chance = random.Random(112)
    corpus = []
    for _ in range(200):
        texts = ["".join(chance.choices(FRAGMENTS, k=300))[:800] for _ in HEADERS]
        corpus.append(dict(zip(HEADERS, texts, strict=True)))
    began = process_time()
    for headers in corpus:
        read_marks(headers)
    took = (process_time() - began) / len(corpus)
    assert took < 0.001  # it takes a third of that; other tests run beside it
