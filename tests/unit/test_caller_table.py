"""Header sets as carriers and gateways write them, and who is calling by each: one line a rule or a trap."""

from dataclasses import dataclass, replace

import pytest

from pbx112.domain.caller import WARNINGS, Caller, CallerClass, SipIdentity, classify
from pbx112.domain.configuration import NumberFormat
from pbx112.domain.dialled import normalise
from pbx112.services import numbers

BUDI = "+6281234567890"
SITI = "+622155512345"
SINGAPORE = "+6581234567"
PSEUDO = "+621127654321"
IMEI = "35241009-031532-0"
PATTERNS = (r"^\+?62112\d{7}$", r"911\d{7}", r"\+358112\d{7}")

PAI = f"<sip:{BUDI}@carrier.example;user=phone>"
FROM = f'"Budi" <sip:{BUDI}@carrier.example>;tag=a1'
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=a1'
CONTACT = f'<sip:u@10.0.0.1:5060>;+sip.instance="<urn:gsma:imei:{IMEI}>"'


@dataclass(frozen=True)
class Trunk:
    """What a trunk is trusted with, and how it writes numbers."""

    trusted: bool = True
    from_trusted: bool = False
    number_format: NumberFormat = NumberFormat.AUTO


TRUSTED = Trunk()
CLAIMS = Trunk(trusted=False)
FROM_TOO = Trunk(from_trusted=True)
FROM_ONLY = Trunk(trusted=False, from_trusted=True)
NATIONAL = Trunk(number_format=NumberFormat.NATIONAL)
E164 = Trunk(number_format=NumberFormat.E164)


def asserted(number: str = BUDI, *warnings: str, cpc: str | None = None, imei: str | None = None) -> Caller:
    return Caller(CallerClass.ASSERTED, number, None, number, cpc=cpc, imei=imei, warnings=warnings)


def withheld(number: str = BUDI, *warnings: str) -> Caller:
    return Caller(CallerClass.ASSERTED_WITHHELD, number, None, number, withheld=True, warnings=warnings)


def foreign(number: str = SINGAPORE, *warnings: str) -> Caller:
    return replace(asserted(number, *warnings), caller_class=CallerClass.ASSERTED_FOREIGN)


def pseudo(number: str = PSEUDO, *warnings: str, imei: str | None = None, cpc: str | None = None) -> Caller:
    return Caller(CallerClass.PSEUDO_ANI, number, imei=imei, cpc=cpc, warnings=("cannot_call_back", *warnings))


def device(imei: str = IMEI, *, hidden: bool = False, cpc: str | None = None) -> Caller:
    return Caller(CallerClass.DEVICE_ONLY, withheld=hidden, imei=imei, cpc=cpc, warnings=("cannot_call_back",))


def nobody(*, hidden: bool = False, cpc: str | None = None) -> Caller:
    return Caller(CallerClass.ANONYMOUS, withheld=hidden, cpc=cpc, warnings=("cannot_call_back",))


def claim(number: str = BUDI, *warnings: str, hidden: bool = False, imei: str | None = None) -> Caller:
    words = ("number_unverified", *warnings)
    return Caller(CallerClass.UNTRUSTED_CLAIM, number, withheld=hidden, imei=imei, warnings=words)


def unread(*, hidden: bool = False, imei: str | None = None) -> Caller:
    words = ("number_unreadable", "cannot_call_back")
    return Caller(CallerClass.UNPARSEABLE, withheld=hidden, imei=imei, warnings=words)


def pai(text: str, **others: str) -> SipIdentity:
    return SipIdentity(asserted=text, **others)


def from_(text: str, **others: str) -> SipIdentity:
    return SipIdentity(from_=text, **others)


def rpid(text: str, **others: str) -> SipIdentity:
    return SipIdentity(remote_party=text, **others)


def contact(text: str, **others: str) -> SipIdentity:
    return SipIdentity(contact=text, **others)


Row = tuple[str, Trunk, SipIdentity, Caller]

ASSERTED_FORMS: list[Row] = [
    ("a sip value", TRUSTED, pai(PAI), asserted()),
    ("a sips value", TRUSTED, pai(f"<sips:{BUDI}@carrier.example>"), asserted()),
    ("a tel value", TRUSTED, pai(f"<tel:{BUDI}>"), asserted()),
    ("schemes in upper case", TRUSTED, pai(f"<SIP:{BUDI}@CARRIER.EXAMPLE;USER=PHONE>"), asserted()),
    ("without angle brackets", TRUSTED, pai(f"sip:{BUDI}@carrier.example"), asserted()),
    ("a bare tel value", TRUSTED, pai(f"tel:{BUDI}"), asserted()),
    ("a bare value's parameters are the header's", TRUSTED, pai(f"sip:{BUDI}@h;tag=0811;x=y"), asserted()),
    ("a bare tel value's tag is not its number's", TRUSTED, pai(f"tel:{BUDI};tag=99"), asserted()),
    ("a number alone", TRUSTED, pai(BUDI), asserted()),
    ("a number in brackets", TRUSTED, pai(f"<{BUDI}>"), asserted()),
    ("a number and a host without a scheme", TRUSTED, pai(f"<{BUDI}@carrier.example>"), asserted()),
    ("a number where the host should be", TRUSTED, pai(f"<sip:{BUDI}>"), asserted()),
    ("an address is not a number", TRUSTED, pai("<sip:10.20.30.40:5060>"), nobody()),
    ("a tel value with a host", TRUSTED, pai(f"<tel:{BUDI}@carrier.example>"), asserted()),
    ("a password behind the user", TRUSTED, pai(f"<sip:{BUDI}:secret@h>"), asserted()),
    ("a host with a port", TRUSTED, pai(f"<sip:{BUDI}@10.0.0.1:5060;transport=tcp>"), asserted()),
    ("an IPv6 host", TRUSTED, pai(f"<sip:{BUDI}@[2001:db8::1]:5060>"), asserted()),
    ("headers inside the address", TRUSTED, pai(f"<sip:{BUDI}@h?Subject=0811>"), asserted()),
    ("a broken last bracket", TRUSTED, pai(f"<sip:{BUDI}@h"), asserted()),
    ("a bracket too many", TRUSTED, pai(f"<<sip:{BUDI}@h>>"), asserted()),
    ("two lines, the sip one first", TRUSTED, pai(f"{PAI}\n<tel:{BUDI}>"), asserted()),
    ("two lines, one without a number", TRUSTED, pai(f"<sip:alice@h>\n<tel:{BUDI}>"), asserted()),
    ("a comma list, of which Asterisk reads none", TRUSTED, pai(f"{PAI}, <tel:{BUDI}>"), asserted()),
    ("a list whose first has no number", TRUSTED, pai(f"<sip:ims.user@h>,<tel:{BUDI}>"), asserted()),
    ("a list whose first is anonymous", TRUSTED, pai(f"{ANONYMOUS},<tel:{BUDI}>"), asserted()),
    ("a list with holes", TRUSTED, pai(f" ,, <tel:{BUDI}> ,"), asserted()),
    ("a line with nothing in it", TRUSTED, pai(f" \n<tel:{BUDI}>\n"), asserted()),
    ("lines ending in CR LF", TRUSTED, pai(f"<sip:x@h>\r\n<tel:{BUDI}>\r\n"), asserted()),
    ("a folded line", TRUSTED, pai(f'"Budi"\r\n <sip:{BUDI}\r\n\t@h>'), asserted()),
    ("two numbers of one caller differ", TRUSTED, pai(f"{PAI}, <tel:{SITI}>"), asserted(BUDI, "numbers_differ")),
    ("two ways to write one number", TRUSTED, pai(f"{PAI}, <tel:081234567890>"), asserted()),
    (
        "an Indonesian and a foreign number",
        TRUSTED,
        pai(f"<tel:{SINGAPORE}>,{PAI}"),
        foreign(SINGAPORE, "numbers_differ"),
    ),
    ("stray blanks", TRUSTED, pai(f"  <  sip : {BUDI} @ h ; user=phone >  "), asserted()),
    ("a urn beside the number", TRUSTED, pai(f"<urn:service:sos>, {PAI}"), asserted()),
    (
        "PAI counts more than RPID and From",
        TRUSTED,
        pai(PAI, remote_party="<tel:0811>", from_="<tel:0812>"),
        asserted(),
    ),
    ("From anonymous beside PAI asks for nothing", TRUSTED, pai(PAI, from_=ANONYMOUS), asserted()),
    ("an IMEI beside the number is kept", TRUSTED, pai(PAI, contact=CONTACT), asserted(imei=IMEI)),
]

NAMES: list[Row] = [
    ("a quoted name", TRUSTED, pai(f'"Budi Santoso" {PAI}'), asserted()),
    ("a comma in a name", TRUSTED, pai(f'"Santoso, Budi" {PAI}'), asserted()),
    ("brackets in a name", TRUSTED, pai(f'"<tel:+62899>" {PAI}'), asserted()),
    ("a whole address in a name", TRUSTED, pai(f'"x <sip:+62899@h>, y" {PAI}'), asserted()),
    ("escaped quotes in a name", TRUSTED, pai(f'"B \\"<tel:+62899>\\" \\\\" {PAI}'), asserted()),
    ("a number in a name", TRUSTED, pai(f'"+62899111222" {PAI}'), asserted()),
    ("a number in the name of nobody", TRUSTED, from_(f'"{BUDI}" <sip:anonymous@anonymous.invalid>'), nobody()),
    ("a name without quotes", TRUSTED, pai(f"Budi Santoso {PAI}"), asserted()),
    ("a comma in a name without quotes", TRUSTED, pai(f"Santoso, Budi {PAI}"), asserted()),
    ("numbers in a name without quotes", TRUSTED, pai("0899111222, 3 <sip:anonymous@h>"), nobody()),
    ("a quote that nobody closes", TRUSTED, pai(f'"Budi {PAI}'), asserted()),
    ("a quoted name before a bare address", TRUSTED, pai(f'"Budi" tel:{BUDI}'), asserted()),
    ("a bare CR in a name", CLAIMS, from_(f'"x\rEvent: Fake" {PAI}'), claim()),
    ("a category in a name is none", TRUSTED, pai(f'"a;cpc=emergency" {PAI}'), asserted()),
    ("a backslash in a number is no part of it", TRUSTED, pai('"B" <sip:+628\\1234567890@h>'), unread()),
    ("a long text that begins like no number", TRUSTED, pai(f"<sip:p{'%20' * 70}x@h>"), unread()),
    ("a name alone", TRUSTED, pai('"+6281234567890"'), unread()),
]

ESCAPES: list[Row] = [
    ("an escaped plus", TRUSTED, pai("<sip:%2B6281234567890@h>"), asserted()),
    ("escaped digits", TRUSTED, pai("<sip:+62%38%31234567890@h>"), asserted()),
    ("an escaped blank", TRUSTED, pai("<sip:+62%20812%203456%207890@h>"), asserted()),
    ("escaped parameters", TRUSTED, pai(f"<sip:{BUDI}%3Bcpc%3Dpayphone@h>"), asserted(cpc="payphone")),
    ("escapes are undone once", TRUSTED, pai("<sip:%252B6281234567890@h>"), unread()),
    ("an escaped line break ends no number", CLAIMS, from_("<sip:+6281%0d%0a234567890@h>"), unread()),
    ("a forged event in From", CLAIMS, from_("<sip:+6281%0D%0AEvent%3A%20Fake@h>;tag=1"), unread()),
    ("an escaped @ hides no number", CLAIMS, from_("<sip:x%40+62811@h>"), unread()),
    ("bytes that are no UTF-8", CLAIMS, from_("<sip:%ff%fe@h>"), unread()),
    ("half an escape", TRUSTED, pai("<sip:+6281234%5@h>"), unread()),
    ("visual separators", TRUSTED, pai("<tel:+62-812-3456.(7890)>"), asserted()),
    ("blanks in a tel value", TRUSTED, pai("<tel:+62 812 3456 7890>"), asserted()),
    ("digits of another script", TRUSTED, pai("<tel:+٦٢٨١٢٣٤٥٦٧٨٩٠>"), unread()),
    ("letters for digits", TRUSTED, pai("<tel:+62-1500-HELP>"), unread()),
    ("star codes are no number", TRUSTED, pai("<tel:*31#081234567890>"), unread()),
]

PARAMETERS: list[Row] = [
    *[
        (f"the category {cpc}", TRUSTED, pai(f"<tel:{BUDI};cpc={cpc}>"), asserted(cpc=cpc))
        for cpc in (
            *("ordinary", "operator", "test", "payphone", "unknown", "mobile-hplmn", "mobile-vplmn", "emergency"),
            "prison",
        )
    ],
    ("a category inside the user part", TRUSTED, pai(f"<sip:{BUDI};cpc=emergency@h>"), asserted(cpc="emergency")),
    ("a category behind the host", TRUSTED, pai(f"<sip:{BUDI}@h;cpc=test;user=phone>"), asserted(cpc="test")),
    ("a category in upper case", TRUSTED, pai(f"<tel:{BUDI};CPC=Operator>"), asserted(cpc="operator")),
    ("a category in quotes", TRUSTED, pai(f'<tel:{BUDI};cpc="test">'), asserted(cpc="test")),
    ("a category of the second value", TRUSTED, pai(f"{PAI}\n<tel:{BUDI};cpc=test>"), asserted(cpc="test")),
    ("a category without a number", TRUSTED, pai("<sip:;cpc=payphone@h>"), nobody(cpc="payphone")),
    ("a category of the anonymous", TRUSTED, pai("<sip:anonymous;cpc=emergency@h>"), nobody(cpc="emergency")),
    ("a category that is no word", TRUSTED, pai(f"<tel:{BUDI};cpc=a/b>"), asserted()),
    ("a category far too long", TRUSTED, pai(f"<tel:{BUDI};cpc={'x' * 25}>"), asserted()),
    ("a parameter that only ends so", TRUSTED, pai(f"<tel:{BUDI};xcpc=test>"), asserted()),
    (
        "everything inside the user part",
        TRUSTED,
        pai(f"<sip:{BUDI};cpc=emergency;phone-context=ims.mnc010.mcc510.3gppnetwork.org@h;user=phone>"),
        asserted(cpc="emergency"),
    ),
    ("a national number in its context", TRUSTED, pai("<tel:081234567890;phone-context=+62>"), asserted()),
    ("a national number without its 0", TRUSTED, pai("<tel:81234567890;phone-context=+62>"), asserted()),
    ("a context within E.164 numbers", E164, pai("<tel:81234567890;phone-context=+62>"), asserted()),
    ("a context that repeats the country", TRUSTED, pai("<tel:6281234567890;phone-context=+62>"), asserted()),
    ("an escaped context", TRUSTED, pai("<sip:081234567890;phone-context=%2B62@h>"), asserted()),
    ("a context with an area code", TRUSTED, pai("<tel:55512345;phone-context=+62-21>"), asserted(SITI)),
    ("a national number in an area", TRUSTED, pai("<tel:02155512345;phone-context=+6221>"), asserted(SITI)),
    ("another country's context", TRUSTED, pai("<tel:81234567;phone-context=+65>"), foreign()),
    ("another country's 0", TRUSTED, pai("<tel:07400123456;phone-context=+44>"), foreign("+447400123456")),
    ("Italy's 0 is the number's own", TRUSTED, pai("<tel:0612345678;phone-context=+39>"), foreign("+390612345678")),
    ("a national number in a foreign area", TRUSTED, pai("<tel:02079460000;phone-context=+4420>"), unread()),
    (
        "a foreign network's context",
        TRUSTED,
        pai("<tel:81234567;phone-context=ims.mnc001.mcc525.3gppnetwork.org>"),
        unread(),
    ),
    ("a + outweighs any context", TRUSTED, pai(f"<tel:{BUDI};phone-context=+65>"), asserted()),
    (
        "a context that is a carrier's name",
        TRUSTED,
        pai("<tel:081234567890;phone-context=carrier.example>"),
        asserted(),
    ),
    ("a short code in its context", TRUSTED, pai("<tel:110;phone-context=+62>"), asserted("110")),
]

NUMBERS: list[Row] = [
    ("E.164 without a +", TRUSTED, pai("<sip:6281234567890@h>"), asserted()),
    ("a national number", TRUSTED, pai("<sip:081234567890@h>"), asserted()),
    ("a mobile number without its 0", TRUSTED, pai("<sip:81234567890@h>"), asserted()),
    ("the international prefix", TRUSTED, pai("<sip:006281234567890@h>"), asserted()),
    ("the international prefix of another country", TRUSTED, pai("<sip:006581234567@h>"), foreign()),
    ("a 0 behind the country code", TRUSTED, pai("<sip:+62081234567890@h>"), asserted()),
    ("a 0 in brackets behind it", TRUSTED, pai("<tel:+62(0)81234567890>"), asserted()),
    ("a + before a national number", TRUSTED, pai("<sip:+081234567890@h>"), asserted()),
    ("a + before the international prefix", TRUSTED, pai("<sip:+006281234567890@h>"), asserted()),
    ("a fixed number", TRUSTED, pai("<sip:02155512345@h>"), asserted(SITI)),
    ("a fixed number of Siantar, where 62 is the area", TRUSTED, pai("<sip:062221234@h>"), asserted("+6262221234")),
    ("the same without its 0", TRUSTED, pai("<sip:62221234@h>"), asserted("+6262221234")),
    ("the same by a carrier of national numbers", NATIONAL, pai("<sip:6222123456@h>"), asserted("+626222123456")),
    ("a national carrier that sends E.164", NATIONAL, pai("<sip:6281234567890@h>"), asserted()),
    ("a carrier of E.164 and another country", E164, pai("<sip:6581234567@h>"), foreign()),
    ("a carrier of E.164 that sends a national number", E164, pai("<sip:081234567890@h>"), asserted()),
    ("a short code", TRUSTED, pai("<sip:110@h>"), asserted("110")),
    ("a short code of a carrier of E.164", E164, pai("<sip:14045@h>"), asserted("14045")),
    ("a Singaporean", TRUSTED, pai(f"<sip:{SINGAPORE}@h>"), foreign()),
    ("a North American", TRUSTED, pai("<tel:+12125550123>"), foreign("+12125550123")),
    ("a withheld foreigner", TRUSTED, pai(f"<sip:{SINGAPORE}@h>", privacy="id"), withheld(SINGAPORE)),
    ("fifteen digits", TRUSTED, pai("<tel:+123456789012345>"), foreign("+123456789012345")),
    ("sixteen digits", TRUSTED, pai("<tel:+1234567890123456>"), unread()),
    ("sixteen digits once the country is before them", TRUSTED, pai("<tel:012345678901234>"), unread()),
    ("two digits", TRUSTED, pai("<tel:12>"), unread()),
    ("two pluses", TRUSTED, pai("<tel:++6281234567890>"), unread()),
]

ABSENT: list[Row] = [
    *[
        (f"no number, written {text}", TRUSTED, pai(text), nobody())
        for text in (
            *("<sip:anonymous@anonymous.invalid>", "<sip:Anonymous@carrier.example>", "<tel:anonymous>"),
            *("<sip:unavailable@unknown.invalid>", "<sip:unknown@unknown.invalid>", "<sip:Unavailable@h>"),
            *("<sip:-@h>", "<sip:00@h>", "<sip:0000000000@h>", "<sip:+0@h>", "<tel:0>", "<sip:@h>", "<sip:h.example>"),
            *("<sip:h>", "<tel:>", "<sip:O@h>", "<sip:coin%20line%2Fpayphone@h>", "<sip:payphone@h>", "anonymous"),
            *("<sip:xyz@anonymous.invalid>", "<sip:not_available@h>", '"Unavailable" <sip:out-of-area@h;user=phone>'),
        )
    ],
    *[
        (f"a hidden number, written {text}", TRUSTED, pai(text), nobody(hidden=True))
        for text in ("<sip:Restricted@h>", "<sip:P@h>", '"Private" <sip:private@h>', "<sip:WITHHELD@h>")
    ],
    ("no header at all", TRUSTED, SipIdentity(), nobody()),
    ("no header on an untrusted trunk", CLAIMS, SipIdentity(), nobody()),
    ("From anonymous", TRUSTED, from_(ANONYMOUS), nobody()),
    ("From anonymous on an untrusted trunk", CLAIMS, from_(ANONYMOUS), nobody()),
    ("From anonymous that is trusted", FROM_TOO, from_(ANONYMOUS), nobody()),
    ("anonymous by request", TRUSTED, from_(ANONYMOUS, privacy="id"), nobody(hidden=True)),
    ("PAI without a number leaves From as a claim", TRUSTED, pai("<sip:unavailable@h>", from_=FROM), claim()),
    ("PAI without a number leaves RPID", TRUSTED, pai("<sip:unavailable@h>", remote_party=PAI), asserted()),
    ("a Contact is not a number", TRUSTED, contact(f"<sip:{BUDI}@h>"), nobody()),
]

PRIVACY: list[Row] = [
    ("Privacy: id", TRUSTED, pai(PAI, from_=ANONYMOUS, privacy="id"), withheld()),
    ("Privacy in upper case", TRUSTED, pai(PAI, privacy="ID"), withheld()),
    ("Privacy: user", TRUSTED, pai(PAI, privacy="user"), withheld()),
    ("Privacy: header;critical", TRUSTED, pai(PAI, privacy="header;critical"), withheld()),
    ("Privacy as a comma list", TRUSTED, pai(PAI, privacy=" none , id "), withheld()),
    ("Privacy in two lines", TRUSTED, pai(PAI, privacy="none\nid"), withheld()),
    ("Privacy: none", TRUSTED, pai(PAI, privacy="none"), asserted()),
    ("Privacy: None", TRUSTED, pai(PAI, privacy=" None ;"), asserted()),
    ("Privacy with nothing in it", TRUSTED, pai(PAI, privacy=" ; "), asserted()),
    ("Privacy on a claim", CLAIMS, from_(FROM, privacy="id"), claim(hidden=True)),
    ("Privacy of a handset", TRUSTED, contact(CONTACT, privacy="id"), device(hidden=True)),
    ("Privacy of what cannot be read", TRUSTED, pai("<sip:alice@h>", privacy="id"), unread(hidden=True)),
    ("Privacy of a pseudo number", TRUSTED, pai(f"<tel:{PSEUDO}>", privacy="id"), replace(pseudo(), withheld=True)),
    ("RPID's own privacy", TRUSTED, rpid(f"{PAI};party=calling;privacy=full"), withheld()),
    ("RPID's privacy: uri", TRUSTED, rpid(f"{PAI};privacy=uri"), withheld()),
    ("RPID's privacy: name", TRUSTED, rpid(f'{PAI};privacy="Name"'), withheld()),
    ("RPID's privacy: off", TRUSTED, rpid(f"{PAI};privacy=off;screen=yes"), asserted()),
    ("RPID's privacy inside the address is none", TRUSTED, rpid(f"<sip:{BUDI}@h;privacy=full>"), asserted()),
    ("RPID's privacy counts beside PAI", TRUSTED, pai(PAI, remote_party=f"{PAI};privacy=full"), withheld()),
]

REMOTE_PARTY: list[Row] = [
    ("RPID alone", TRUSTED, rpid(PAI), asserted()),
    ("RPID of the calling party", TRUSTED, rpid(f'"B" {PAI};party=calling;id-type=subscriber;screen=yes'), asserted()),
    ("RPID without brackets", TRUSTED, rpid(f"sip:{BUDI}@h;party=calling;screen=yes;privacy=full"), withheld()),
    ("RPID of the called party", TRUSTED, rpid("<sip:112@h>;party=called"), nobody()),
    ("RPID of both parties", TRUSTED, rpid(f"<sip:112@h>;party=called,{PAI};party=calling"), asserted()),
    ("RPID of the called party in upper case", TRUSTED, rpid("<sip:112@h>;Party=CALLED"), nobody()),
    ("the called party's privacy", TRUSTED, pai(PAI, remote_party="<sip:112@h>;party=called;privacy=full"), asserted()),
    ("RPID that was not screened", TRUSTED, rpid(f"{PAI};party=calling;screen=no"), claim()),
    ("RPID counts more than From", TRUSTED, rpid(PAI, from_="<tel:0811>"), asserted()),
    ("RPID that cannot be read", TRUSTED, rpid("<sip:alice@h>", from_=FROM), unread()),
    ("RPID on an untrusted trunk", CLAIMS, rpid(f"{PAI};screen=yes"), claim()),
]

FROM_AND_TRUST: list[Row] = [
    ("From is a claim on a trusted trunk", TRUSTED, from_(FROM), claim()),
    ("From is a claim", CLAIMS, from_(FROM), claim()),
    ("From is trusted", FROM_TOO, from_(FROM), asserted()),
    ("From alone is trusted", FROM_ONLY, from_(FROM), asserted()),
    ("From is trusted and withheld", FROM_TOO, from_(FROM, privacy="id"), withheld()),
    ("From is trusted and foreign", FROM_TOO, from_(f"<tel:{SINGAPORE}>"), foreign()),
    ("PAI counts more than a trusted From", FROM_TOO, pai(PAI, from_=f"<tel:{SITI}>"), asserted()),
    ("a trusted From counts more than a claim in PAI", FROM_ONLY, pai(f"<tel:{SITI}>", from_=FROM), asserted()),
    ("a trusted From without a number", FROM_ONLY, pai(PAI, from_=ANONYMOUS), claim()),
    ("From as a tel value, which kills Asterisk's own reader", CLAIMS, from_(f"<tel:{BUDI}>;tag=1"), claim()),
    ("a bare From", CLAIMS, from_(f"sip:{BUDI}@h;tag=081999"), claim()),
    ("PAI is only a claim on an untrusted trunk", CLAIMS, pai(PAI), claim()),
    ("From is the claim, not PAI", CLAIMS, pai(f"<tel:{SITI}>", from_=FROM), claim()),
    ("PAI is the claim when From is anonymous", CLAIMS, pai(PAI, from_=ANONYMOUS), claim()),
    (
        "PAI is the claim when From cannot be read",
        CLAIMS,
        pai(PAI, from_="<sip:x@h>"),
        claim(BUDI, "identity_unreadable"),
    ),
    ("RPID is the last claim", CLAIMS, rpid(PAI, from_=ANONYMOUS, asserted="<sip:anonymous@h>"), claim()),
    ("a claim from abroad", CLAIMS, from_(f"<tel:{SINGAPORE}>"), claim(SINGAPORE)),
    ("a claim keeps its IMEI", CLAIMS, from_(FROM, contact=CONTACT), claim(imei=IMEI)),
    ("a trusted From that cannot be read", FROM_ONLY, pai(PAI, from_="<sip:x@h>"), unread()),
]

UNREADABLE: list[Row] = [
    ("a name for a number", TRUSTED, pai("<sip:alice@carrier.example>"), unread()),
    ("a header that did not come whole", TRUSTED, pai("?"), unread()),
    ("another scheme", TRUSTED, pai("<mailto:budi@carrier.example>"), unread()),
    ("a urn alone", TRUSTED, pai("<urn:service:sos>"), unread()),
    ("rubbish", TRUSTED, pai("\x00\x01\x02"), unread()),
    ("a host that is none", TRUSTED, pai("<sip:%0d%0aEvent: Hangup>"), unread()),
    ("no claim stands in for PAI", TRUSTED, pai("<sip:alice@h>", from_=FROM), unread()),
    ("RPID stands in for PAI", TRUSTED, pai("?", remote_party=PAI), asserted(BUDI, "identity_unreadable")),
    ("an unscreened RPID does not", TRUSTED, pai("?", remote_party=f"{PAI};screen=no"), unread()),
    ("a trusted From stands in for PAI", FROM_TOO, pai("?", from_=FROM), asserted(BUDI, "identity_unreadable")),
    ("an anonymous RPID does not make PAI absent", TRUSTED, pai("?", remote_party=ANONYMOUS), unread()),
    ("From that cannot be read", TRUSTED, from_("<sip:alice@h>"), unread()),
    ("what cannot be read keeps its IMEI", TRUSTED, pai("<sip:alice@h>", contact=CONTACT), unread(imei=IMEI)),
]

PSEUDO_NUMBERS: list[Row] = [
    ("a pseudo number in PAI", TRUSTED, pai(f"<tel:{PSEUDO}>"), pseudo()),
    ("a pseudo number without a +", TRUSTED, pai("<sip:621127654321@h>"), pseudo()),
    ("the American way", TRUSTED, pai("<sip:9117654321@h>"), pseudo("+629117654321")),
    ("the American way with separators", TRUSTED, pai("<tel:911-765-4321>"), pseudo("+629117654321")),
    ("the Finnish way", TRUSTED, pai("<tel:+3581127654321>"), pseudo("+3581127654321")),
    ("a pseudo number in RPID", TRUSTED, rpid(f"<tel:{PSEUDO}>"), pseudo()),
    ("a pseudo number in From", TRUSTED, from_(f"<tel:{PSEUDO}>"), pseudo()),
    ("a pseudo number in a trusted From", FROM_TOO, from_(f"<tel:{PSEUDO}>"), pseudo()),
    ("a pseudo number as a claim", CLAIMS, from_(f"<tel:{PSEUDO}>"), pseudo()),
    ("a pseudo number and an IMEI", TRUSTED, pai(f"<tel:{PSEUDO}>", contact=CONTACT), pseudo(imei=IMEI)),
    ("a pseudo number and a category", TRUSTED, pai(f"<tel:{PSEUDO};cpc=emergency>"), pseudo(cpc="emergency")),
    ("a digit less is no pseudo number", TRUSTED, pai("<tel:+62112765432>"), asserted("+62112765432")),
    ("a digit more is none", TRUSTED, pai("<tel:+6211276543210>"), asserted("+6211276543210")),
    ("beside it the caller's own number", TRUSTED, pai(f"<tel:{PSEUDO}>, {PAI}"), asserted(BUDI, "numbers_differ")),
    ("a pseudo number is not passed by for RPID", TRUSTED, pai(f"<tel:{PSEUDO}>", remote_party=PAI), pseudo()),
]

DEVICES: list[Row] = [
    ("an IMEI alone", TRUSTED, contact(CONTACT), device()),
    ("an IMEI on an untrusted trunk", CLAIMS, contact(CONTACT), device()),
    ("an IMEI and From anonymous", TRUSTED, from_(ANONYMOUS, contact=CONTACT), device()),
    ("an IMEI and PAI without a number", TRUSTED, pai("<sip:unavailable@h>", contact=CONTACT), device()),
    (
        "an IMEI of the SIM-less",
        TRUSTED,
        pai("<sip:anonymous;cpc=emergency@h>", contact=CONTACT),
        device(cpc="emergency"),
    ),
    ("an IMEI without quotes", TRUSTED, contact(f"<sip:u@h>;+sip.instance=<urn:gsma:imei:{IMEI}>"), device()),
    ("an IMEI in upper case", TRUSTED, contact(f'<sip:u@h>;+SIP.INSTANCE="<URN:GSMA:IMEI:{IMEI}>"'), device()),
    (
        "an IMEI with its software version",
        TRUSTED,
        contact(f'<sip:u@h>;+sip.instance="<urn:gsma:imei:{IMEI};svn=42>"'),
        device(),
    ),
    (
        "an IMEI without dashes",
        TRUSTED,
        contact("<sip:u@h>;x=<urn:gsma:imei:352410090315320>"),
        device("352410090315320"),
    ),
    ("an IMEI without its last digit", TRUSTED, contact("<urn:gsma:imei:35241009-031532>"), device("35241009-031532")),
    ("an IMEISV", TRUSTED, contact("<urn:gsma:imeisv:35241009-031532-42>"), device("35241009-031532-42")),
    (
        "an IMEI that fails its check digit",
        TRUSTED,
        contact("<urn:gsma:imei:35241009-031532-9>"),
        device("35241009-031532-9"),
    ),
    ("an escaped IMEI", TRUSTED, contact(f"<sip:u@h>;x=%3Curn%3Agsma%3Aimei%3A{IMEI}%3E"), device()),
    ("the second Contact's IMEI", TRUSTED, contact(f"<sip:u@h>, {CONTACT}"), device()),
    ("two IMEIs", TRUSTED, contact(f"{CONTACT}\n<urn:gsma:imei:11111111-222222-3>"), device()),
    ("an IMEI behind one that is none", TRUSTED, contact(f"<urn:gsma:imei:1234>, {CONTACT}"), device()),
    ("an IMEI of zeros is no handset", TRUSTED, contact("<urn:gsma:imei:00000000-000000-0>"), nobody()),
    ("an IMEI too long", TRUSTED, contact("<urn:gsma:imei:352410090315320123>"), nobody()),
    ("an IMEI with letters", TRUSTED, contact("<urn:gsma:imei:35241009-031532-X>"), nobody()),
    ("a uuid is no IMEI", TRUSTED, contact('<sip:u@h>;+sip.instance="<urn:uuid:0>"'), nobody()),
]

TABLE = [
    *(ASSERTED_FORMS + NAMES + ESCAPES + PARAMETERS + NUMBERS + ABSENT),
    *(PRIVACY + REMOTE_PARTY + FROM_AND_TRUST + UNREADABLE + PSEUDO_NUMBERS + DEVICES),
]


@pytest.mark.parametrize(("trunk", "identity", "expected"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_given_a_header_set_when_it_is_read_then_the_caller_is_this_one(
    trunk: Trunk, identity: SipIdentity, expected: Caller
) -> None:
    for reader in (normalise, numbers.e164):
        caller = classify(
            identity,
            trusted=trunk.trusted,
            from_trusted=trunk.from_trusted,
            number_format=trunk.number_format,
            pseudo_patterns=PATTERNS,
            e164=reader,
        )
        assert replace(caller, raw_number=None) == expected


def test_given_the_table_when_it_is_looked_over_then_it_has_every_class_and_no_name_twice() -> None:
    assert len(TABLE) >= 120
    assert len({row[0] for row in TABLE}) == len(TABLE)
    assert {row[3].caller_class for row in TABLE} == set(CallerClass)
    assert {word for row in TABLE for word in row[3].warnings} <= set(WARNINGS)
