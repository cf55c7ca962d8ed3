"""Who is calling: what the table of header sets does not show, and what holds for any text in any header."""

import random
from itertools import product
from time import process_time

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pbx112.agi.facts import WORD_LIMIT, journal_words
from pbx112.domain.addresses import addresses
from pbx112.domain.caller import (
    RAW_LIMIT,
    WARNINGS,
    Caller,
    CallerClass,
    SipIdentity,
    classify,
    imei_key,
    is_person,
    number_key,
    read_imei,
)
from pbx112.domain.configuration import NumberFormat
from pbx112.domain.dialled import normalise, number_of
from pbx112.domain.record import Intake
from pbx112.services import numbers
from pbx112.services.intake import ArrivedCall, Routing
from tests.unit.test_caller_table import BUDI, CONTACT, PAI, PATTERNS, TABLE

ASSERTED = {CallerClass.ASSERTED, CallerClass.ASSERTED_WITHHELD, CallerClass.ASSERTED_FOREIGN}
TRUSTS = list(product((True, False), (True, False)))

FRAGMENTS = (
    *("<", ">", '"', "\\", ",", ";", ":", "@", "?", "=", "%", "%0d%0a", "%2B", "\n", "\r\n ", "\r", " ", "\x00", "…"),
    *("sip:", "tel:", "sips:", "urn:gsma:imei:", "urn:service:sos", "+62", "0", "00", "112", "81234567890", BUDI),
    *("anonymous", "Restricted", ".invalid", ";party=called", ";screen=no", ";privacy=full", ";cpc=test", "id", "none"),
    *(";phone-context=+65", ";phone-context=+62", PAI, CONTACT, "35241009-031532-0", "٣", "é", "🚒", "\ud800"),
)
hostile = st.text(max_size=200) | st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)
identities = st.builds(SipIdentity, hostile, hostile, hostile, hostile, hostile)
formats = st.sampled_from(NumberFormat)


@settings(max_examples=400, deadline=None)
@given(identities, st.sampled_from(TRUSTS), formats)
def test_given_any_headers_when_they_are_read_then_there_is_a_caller_and_the_classes_keep_their_promises(
    identity: SipIdentity, trust: tuple[bool, bool], number_format: NumberFormat
) -> None:
    for reader in (normalise, numbers.e164):
        caller = classify(
            identity,
            trusted=trust[0],
            from_trusted=trust[1],
            number_format=number_format,
            pseudo_patterns=(*PATTERNS, "("),
            e164=reader,
            is_possible=numbers.is_possible,
        )
        assert (caller.callback_number is not None) == (caller.caller_class in ASSERTED)
        whole = caller.number is not None and len(caller.number) >= 9 and caller.number.startswith("+")
        assert is_person(number_key(caller)) == (caller.caller_class in ASSERTED and whole)
        assert caller.callback_number in {None, caller.number}
        assert caller.number is None or len(caller.number) <= 16
        assert caller.raw_number is None or caller.raw_number.isprintable()
        assert caller.imei is None or len(caller.imei) <= 20
        assert set(caller.warnings) <= set(WARNINGS)
        assert len(set(caller.warnings)) == len(caller.warnings)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_given_any_bytes_when_they_stand_in_every_header_then_nothing_is_raised(raw: bytes) -> None:
    for text in (raw.decode("utf-8", "replace"), raw.decode("latin-1"), raw.decode("utf-8", "surrogateescape")):
        caller = classify(SipIdentity(text, text, text, text, text), trusted=True, from_trusted=True)
        assert caller.caller_class in CallerClass


def test_given_everything_wrong_at_once_when_it_is_written_down_then_it_fits_a_journal_line() -> None:
    number = "+" + "1" * 15
    worst = Caller(
        CallerClass.ASSERTED_WITHHELD, number, '"' * RAW_LIMIT, number, True, "1" * 20, "x" * 24, tuple(WARNINGS)
    )
    words = journal_words(ArrivedCall("", ""), Routing(worst, "q", 0, "id", "sos"), Intake.CLASSIC)
    assert max(map(len, words)) <= WORD_LIMIT


@pytest.mark.parametrize(
    ("identity", "trusted", "raw"),
    [
        (SipIdentity(PAI), True, BUDI),
        (SipIdentity("<sip:+62%20812-3456.7890;cpc=test@h>"), True, "+62 812-3456.7890"),
        (SipIdentity("<tel:0812;phone-context=+65>"), True, "0812"),
        (SipIdentity("<sip:alice@h>", from_=PAI), True, "alice"),
        (SipIdentity("<mailto:a@h>, <sip:x@h>"), True, "mailto:a@h"),
        (SipIdentity("?"), True, "?"),
        (SipIdentity(from_="<sip:+6281%0d%0aEvent@h>"), False, "+6281\\x0d\\x0aEvent"),
        (SipIdentity(from_="<sip:anonymous@h>"), False, "anonymous"),
        (SipIdentity("<sip:Restricted@h>", from_="<sip:anonymous@h>"), True, "Restricted"),
        (SipIdentity("<sip:@h>"), True, None),
        (SipIdentity(f"<sip:{'9' * 400}@h>"), True, "9" * RAW_LIMIT),
        (SipIdentity(), True, None),
    ],
)
def test_given_a_number_when_it_is_read_or_not_then_it_is_kept_as_it_was_sent(
    identity: SipIdentity, trusted: bool, raw: str | None
) -> None:
    assert classify(identity, trusted=trusted).raw_number == raw


def test_given_patterns_that_are_none_when_a_call_is_read_then_the_others_hold_and_a_warning_tells() -> None:
    broken = ("(", "a{99999999999}", "(" * 5000, r"\+62812\d+")
    caller = classify(SipIdentity(PAI), trusted=True, pseudo_patterns=broken)
    assert (caller.caller_class, caller.number) == (CallerClass.PSEUDO_ANI, BUDI)
    assert caller.warnings == ("cannot_call_back", "intake_rule_failed")


@pytest.mark.alone
def test_given_a_costly_pattern_when_a_caller_feeds_it_then_it_stays_bounded() -> None:
    began = process_time()
    for text in ("9" * 15, "9-" * 15, "9" * 4000, "-" * 4000 + "999", " ." * 100 + "9" * 15):
        classify(SipIdentity(f"<sip:{text}@h>"), trusted=True, pseudo_patterns=(r"\+?(\d+)+x", r"(.+)+x"))
    assert process_time() - began < 2


def test_given_a_number_no_telephone_has_when_it_is_read_then_it_is_kept_with_a_warning() -> None:
    for number, warnings in (("+62811", ("number_unusual",)), ("110", ("number_unusual",)), (BUDI, ())):
        caller = classify(
            SipIdentity(f"<tel:{number}>"), trusted=True, e164=numbers.e164, is_possible=numbers.is_possible
        )
        assert (caller.number, caller.callback_number, caller.warnings) == (number, number, warnings)


def test_given_a_pseudo_number_of_odd_length_when_it_is_read_then_only_the_call_back_is_warned_of() -> None:
    caller = classify(
        SipIdentity("<tel:+6211>"), trusted=True, pseudo_patterns=(r"\+6211",), is_possible=lambda _: False
    )
    assert caller.warnings == ("cannot_call_back",)


@pytest.mark.parametrize(
    ("raw", "number_format", "expected"),
    [
        ("+62811", NumberFormat.AUTO, "+62811"),
        ("+620811", NumberFormat.AUTO, "+62811"),
        ("0811", NumberFormat.NATIONAL, "+62811"),
        ("006281", NumberFormat.AUTO, "+6281"),
        ("00811", NumberFormat.AUTO, None),
        ("0008112345678", NumberFormat.AUTO, None),
        ("62811", NumberFormat.AUTO, "62811"),
        ("62811", NumberFormat.E164, "62811"),
        ("621234567", NumberFormat.AUTO, "+621234567"),
        ("62123456", NumberFormat.AUTO, "+6262123456"),
        ("62123456789", NumberFormat.NATIONAL, "+6262123456789"),
        ("621234567890", NumberFormat.NATIONAL, "+621234567890"),
        ("6512345678", NumberFormat.AUTO, "+626512345678"),
        ("6512345678", NumberFormat.E164, "+6512345678"),
        ("+620", NumberFormat.AUTO, None),
        ("000", NumberFormat.AUTO, None),
        ("", NumberFormat.AUTO, None),
        ("08123456789" + "-" * 60 + "0", NumberFormat.AUTO, None),
        ("+", NumberFormat.AUTO, None),
        ("²²²²", NumberFormat.AUTO, None),
        ("+1\n234567", NumberFormat.AUTO, None),
    ],
)
def test_given_a_number_in_a_carriers_form_when_it_is_read_then_it_is_e164_or_a_short_code(
    raw: str, number_format: NumberFormat, expected: str | None
) -> None:
    assert normalise(raw, number_format) == expected
    assert numbers.e164(raw, number_format) == expected


def is_valid(number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed)


indonesian = st.from_regex(r"8[1-35-9][0-9]{7,10}|2[124][0-9]{7,8}|[2-79][0-9]{2}[0-9]{5,8}", fullmatch=True)
examples = [
    f"+{number.country_code}{phonenumbers.national_significant_number(number)}"
    for region in phonenumbers.SUPPORTED_REGIONS
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
]


@settings(max_examples=400, deadline=None)
@given(indonesian, formats)
def test_given_a_valid_indonesian_number_when_it_is_written_in_any_form_then_both_readers_agree(
    national: str, number_format: NumberFormat
) -> None:
    expected = f"+62{national}"
    assume(is_valid(expected))
    forms = [expected, f"0{national}", f"0062{national}", f"+62 (0) {national[:3]}-{national[3:]}"]
    if number_format is not NumberFormat.NATIONAL:
        forms.append(f"62{national}")
    for form in forms:
        assert normalise(form, number_format) == numbers.e164(form, number_format) == expected
    assert numbers.is_possible(expected)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(examples), st.text("0123456789", min_size=3, max_size=3), formats)
def test_given_a_valid_foreign_number_when_it_has_a_plus_then_both_readers_keep_it(
    example: str, tail: str, number_format: NumberFormat
) -> None:
    number = example[:-3] + tail
    assume(is_valid(number))
    assert normalise(number, number_format) == numbers.e164(number, number_format) == number


@pytest.mark.parametrize("number", ["110", "", "?", "+", "+0", "+99912345678", "+628123456789012", "+62811"])
def test_given_what_is_no_telephones_number_when_its_length_is_judged_then_it_is_not_possible(number: str) -> None:
    assert not numbers.is_possible(number)


def test_given_a_foreign_way_to_write_a_number_when_the_library_reads_it_then_it_can_be_called() -> None:
    assert numbers.e164("+4407400123456") == "+447400123456"


def test_given_callers_when_they_are_known_again_then_no_two_different_ones_have_one_key() -> None:
    numbers_ = ("+62811234567", "62811234567", "+6581123456", "112", "+62112", None)
    callers = [Caller(kind, number, callback_number=number) for kind in CallerClass for number in numbers_]
    keys = {(number_key(a), a.number, is_person(number_key(a))) for a in callers if number_key(a)}
    assert len({key for key, _, _ in keys}) == len(keys)


@pytest.mark.parametrize("kind", sorted(ASSERTED))
def test_given_an_asserted_number_when_it_is_whole_and_checked_then_it_alone_stands_for_a_person(
    kind: CallerClass,
) -> None:
    whole = "+62811234567"
    assert is_person(number_key(Caller(kind, whole, callback_number=whole)))
    assert number_key(Caller(kind, whole)) == f"claim:{whole}"
    for code in ("112", "911", "+62112", "+6281"):  # a carrier's stand-in for all its callers without a SIM
        assert number_key(Caller(kind, code, callback_number=code)) == f"code:{code}"
    assert number_key(Caller(CallerClass.PSEUDO_ANI, whole)) == f"pseudo:{whole}"
    assert number_key(Caller(CallerClass.UNTRUSTED_CLAIM, whole)) == f"claim:{whole}"
    assert imei_key(Caller(CallerClass.UNTRUSTED_CLAIM, imei="35241009-031532-0")) == "claim:35241009031532"
    assert not any(map(is_person, (None, "pseudo:1", "claim:1", "code:112")))


def test_given_one_handset_when_its_imei_is_written_in_any_way_then_it_has_one_key() -> None:
    ways = ("35241009-031532-0", "352410090315320", "35241009-031532-9", "35241009031532", "35241009-031532-42")
    callers = [Caller(CallerClass.DEVICE_ONLY, imei=read_imei(f"<urn:gsma:imei:{way}>")) for way in ways]
    assert {imei_key(caller) for caller in callers} == {"35241009031532"}
    assert imei_key(Caller(CallerClass.ANONYMOUS)) is None
    assert imei_key(Caller(CallerClass.DEVICE_ONLY, imei="1234")) is None


def test_given_one_address_when_it_is_taken_apart_then_every_part_is_in_its_place() -> None:
    (address,) = addresses('"B, C" <sip:+62811;CPC=test:x@Host.Example:5060;user=phone?a=b>;Party=calling;x')
    assert (address.scheme, address.user, address.host) == ("sip", "+62811", "host.example:5060")
    assert address.parameters == {"cpc": "test:x", "user": "phone"}
    assert address.header_parameters == {"party": "calling", "x": ""}
    assert number_of(address) == "+62811"


def test_given_a_header_without_end_when_it_is_read_then_only_its_beginning_is() -> None:
    many = [f"<sip:+6281{n:06d}@h>" for n in range(500)]
    for header in (",".join(many), "\n".join(many)):
        assert [address.user for address in addresses(header)] == [f"+6281{n:06d}" for n in range(8)]


def test_given_the_warnings_when_they_are_explained_then_each_is_a_plain_word_and_a_sentence() -> None:
    for word, meaning in WARNINGS.items():
        assert word.replace("_", "").isalpha()
        assert word.islower()
        assert meaning.endswith(".")


PATHOLOGICAL = (
    *("<" * 4000, '"' * 4000, "sip:" * 1000, "," * 4000, "\\" * 4000, '"\\' * 2000, '"a\\"' * 1000, '<"' * 2000),
    *("<a" * 2000, "a," * 2000, "a\n" * 2000, "\n" * 4000, " " * 4000, "\n " * 2000, "\t\n" * 2000, ";" * 4000),
    *("%41" * 1300, "%" * 4000, "@" * 4000, "-" * 4000, "0" * 4000, "( " * 2000, '="a"' * 1000, "urn:gsma:imei:" * 280),
    *("<>" * 2000, f"<sip:{BUDI}@h;" + "a=b;" * 900 + ">", f"{PAI}," * 90, "<sip:" + "9" * 4000 + "@h>"),
    "urn:gsma:imei:" + "1-" * 2000,
)


@pytest.mark.parametrize("text", PATHOLOGICAL, ids=lambda text: repr(text[:14]))
@pytest.mark.alone
def test_given_a_text_made_to_be_costly_when_it_is_in_every_header_then_reading_it_takes_milliseconds(
    text: str,
) -> None:
    """Four thousand characters that cost their square would take a hundred times as long."""
    began = process_time()
    classify(SipIdentity(text, text, text, text, text), trusted=True, from_trusted=True, pseudo_patterns=PATTERNS)
    assert process_time() - began < 0.2


@pytest.mark.alone
def test_given_a_thousand_callers_when_they_are_read_then_one_takes_less_than_a_millisecond() -> None:
    chance = random.Random(112)
    corpus = [row[2] for row in TABLE]
    corpus += [
        SipIdentity(*("".join(chance.choices(FRAGMENTS, k=chance.randrange(20))) for _ in range(5)))
        for _ in range(1000 - len(corpus))
    ]
    began = process_time()
    for identity in corpus:
        classify(identity, trusted=True, pseudo_patterns=PATTERNS)
    assert (process_time() - began) / len(corpus) < 0.001
