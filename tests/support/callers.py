"""Forty INVITEs as carriers send them, each with the facts that its call record must show.

The expected values are those of the standards (TS 24.229, RFC 3323, 3325, 4119, 5031, 5491, 7254) and of the project's
own names, not what the code was seen to give. Of `location` only the named keys are compared, but all places in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TRUSTED, UNTRUSTED = "127.0.0.2", "127.0.0.3"
NUMBER = "+628123456789"
CLAIMED = "+628111234567"
"""The number in every From that is not said otherwise."""

PAUSE_MS = 300
Facts = dict[str, Any]

NO_MARKS: Facts = {"priority": None, "resource_priority": [], "additional_data": [], "forwarded_by": []}


def known(caller_class: str, number: str | None, **others: Any) -> Facts:
    """A record's `caller`; a number can be called back unless it is said otherwise."""
    usual: Facts = {"callback_number": number, "withheld": False, "imei": None, "cpc": None, "warnings": []}
    raw = {} if number is None else {"raw_number": number}
    return {"class": caller_class, "number": number, **usual, **raw, **others}


ASSERTED = known("asserted", NUMBER)
CLAIM = known("untrusted_claim", CLAIMED, callback_number=None, warnings=["number_unverified"])
ANONYMOUS = known("anonymous", None, warnings=["cannot_call_back"])
TELKOMSEL: Facts = {
    "kind": "cell",
    "source": "pani",
    "trust": "network",
    "mcc": "510",
    "mnc": "10",
    "tac": 7978,
    "cell_id": 11259361,
}


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """An INVITE, and what its record must show. Each of `headers` is a line; one that begins with a blank is folded."""

    name: str
    headers: tuple[str, ...] = ()
    caller: Facts = field(default_factory=lambda: ASSERTED)
    service: str = "sos"
    location: tuple[Facts, ...] = ()
    marks: Facts = field(default_factory=lambda: NO_MARKS)
    source: str = TRUSTED
    user: str = "112"
    from_: str = f"<sip:{CLAIMED}@ims.example.id>"
    contact: str = f"<sip:{CLAIMED}@[local_ip]:[local_port]>"
    pidf: str = ""

    @property
    def expected(self) -> Facts:
        """The record's facts, by their public names."""
        return {
            "caller": self.caller,
            "service": self.service,
            "location": list(self.location),
            "marks": self.marks,
            "trunk": "carrier-a" if self.source == TRUSTED else "carrier-b",
            "intake": "fastagi",
        }


PAI = f"P-Asserted-Identity: <sip:{NUMBER}@ims.example.id>"
PANI = "P-Access-Network-Info: "
LTE = "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510101F2A0ABCDE1"
LTE_OTHER = "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510010001000000A"
OTHER: Facts = {"kind": "cell", "source": "pani", "trust": "trunk", "mcc": "510", "mnc": "01", "tac": 1, "cell_id": 10}
HIDDEN = '"Anonymous" <sip:anonymous@anonymous.invalid>'
IMEI = "35241009-031532-0"
HANDSET = f'<sip:[local_ip]:[local_port]>;+sip.instance="<urn:gsma:imei:{IMEI}>"'

IDENTITIES = (
    CarrierCall("an asserted sip: identity", (PAI,)),
    CarrierCall(
        "a comma list of asserted identities, with a comma in a name",
        (f'P-Asserted-Identity: "Santoso, Budi" <sip:{NUMBER}@ims.example.id>, <tel:{NUMBER}>',),
    ),
    CarrierCall(
        "asserted identities on two lines, of which the second has the number",
        ("P-Asserted-Identity: <sip:budi@ims.example.id>", f"P-Asserted-Identity: <tel:{NUMBER}>"),
        known("asserted", NUMBER),
    ),
    CarrierCall(
        "two asserted numbers that differ",
        (f"P-Asserted-Identity: <sip:{NUMBER}@ims.example.id>, <tel:+628133333333>",),
        known("asserted", NUMBER, warnings=["numbers_differ"]),
    ),
    CarrierCall(
        "a folded asserted identity", ('P-Asserted-Identity: "Budi', f'  Santoso" <sip:{NUMBER}@ims.example.id>')
    ),
    CarrierCall(
        "a national number",
        ("P-Asserted-Identity: <sip:08123456789@ims.example.id;user=phone>",),
        known("asserted", NUMBER, raw_number="08123456789"),
    ),
    CarrierCall(
        "a withheld number",
        (PAI, "Privacy: id;critical"),
        known("asserted_withheld", NUMBER, withheld=True),
        from_=HIDDEN,
    ),
    CarrierCall(
        "a foreign number",
        ("P-Asserted-Identity: <tel:+60123456789>",),
        known("asserted_foreign", "+60123456789"),
    ),
    CarrierCall(
        "a pseudo number of a phone without SIM",
        ("P-Asserted-Identity: <tel:+621121234567>",),
        known("pseudo_ani", "+621121234567", callback_number=None, warnings=["cannot_call_back"]),
    ),
    CarrierCall(
        "a handset without a number",
        (),
        known("device_only", None, imei=IMEI, warnings=["cannot_call_back"]),
        from_=HIDDEN,
        contact=HANDSET,
    ),
    CarrierCall("a known number and a handset", (PAI,), known("asserted", NUMBER, imei=IMEI), contact=HANDSET),
    CarrierCall("nothing known of the caller", (), ANONYMOUS, from_=HIDDEN),
    CarrierCall(
        "an asserted identity that is no number",
        ("P-Asserted-Identity: <sip:budi@ims.example.id>",),
        known("unparseable", None, raw_number="budi", warnings=["number_unreadable", "cannot_call_back"]),
        from_=HIDDEN,
    ),
    CarrierCall(
        "a number that is not withheld, and a calling party's category in the user part",
        (f"P-Asserted-Identity: <sip:{NUMBER};cpc=payphone@ims.example.id;user=phone>", "Privacy: none"),
        known("asserted", NUMBER, cpc="payphone"),
    ),
    CarrierCall(
        "a Remote-Party-ID alone",
        (f"Remote-Party-ID: <sip:{NUMBER}@ims.example.id>;party=calling;screen=yes",),
    ),
    CarrierCall("only a From, which is a claim", (), CLAIM),
    CarrierCall(
        "a From with a tel: URI",
        (),
        known("untrusted_claim", NUMBER, callback_number=None, warnings=["number_unverified"]),
        from_=f"<tel:{NUMBER}>",
    ),
    CarrierCall(
        "a peer that is not trusted and asserts",
        (PAI, PANI + LTE + ";network-provided"),
        CLAIM,
        location=(TELKOMSEL | {"trust": "claimed"},),
        source=UNTRUSTED,
    ),
    CarrierCall(
        "an anonymous From and an assertion that is only a claim",
        (PAI,),
        known("untrusted_claim", NUMBER, callback_number=None, warnings=["number_unverified"]),
        source=UNTRUSTED,
        from_=HIDDEN,
    ),
)

CELLS = (
    CarrierCall("a network's own LTE cell", (PAI, PANI + LTE + ";network-provided"), location=(TELKOMSEL,)),
    CarrierCall(
        "a folded LTE cell",
        (PAI, PANI + "3GPP-E-UTRAN-FDD;", "  utran-cell-id-3gpp=510101F2A0ABCDE1;network-provided"),
        location=(TELKOMSEL,),
    ),
    CarrierCall(
        "a cell folded over three lines, of which Asterisk reads only the last",
        (PAI, PANI + "3GPP-E-UTRAN-FDD;", "  utran-cell-id-3gpp=510101F2A0ABCDE1;", "  network-provided"),
        location=({"kind": "cell", **dict.fromkeys(("mcc", "mnc", "tac", "cell_id")), "raw": "network-provided"},),
    ),
    CarrierCall(
        "a quoted cell that the phone told",
        (PAI, PANI + '3GPP-E-UTRAN-TDD; utran-cell-id-3gpp="510101F2A0ABCDE1"'),
        location=(TELKOMSEL | {"trust": "trunk"},),
    ),
    CarrierCall(
        "cells of phone and network on two lines",
        (PAI, PANI + LTE_OTHER, PANI + LTE + ";network-provided"),
        location=(TELKOMSEL, OTHER),
    ),
    CarrierCall(
        "cells of phone and network in one comma list",
        (PAI, PANI + LTE_OTHER + ", " + LTE + ";network-provided"),
        location=(TELKOMSEL, OTHER),
    ),
    CarrierCall(
        "a 5G cell",
        (PAI, PANI + "3GPP-NR-FDD;utran-cell-id-3gpp=51010001F2A00000ABCD;network-provided"),
        location=(TELKOMSEL | {"cell_id": 43981},),
    ),
    CarrierCall(
        "a 2G cell",
        (PAI, PANI + "3GPP-GERAN;cgi-3gpp=510011A2B3C4D"),
        location=(OTHER | {"tac": 6699, "cell_id": 15437},),
    ),
    CarrierCall(
        "a foreign network's cell, whose network code has three digits",
        (PAI, PANI + "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=3104101F2A0ABCDE1;network-provided"),
        location=(TELKOMSEL | {"mcc": "310", "mnc": "410"},),
    ),
    CarrierCall(
        "a cell of the wrong length",
        (PAI, PANI + "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=51010F2A0ABCDE1"),
        location=(
            {
                "kind": "cell",
                "trust": "trunk",
                **dict.fromkeys(("mcc", "mnc", "tac", "cell_id")),
                "raw": "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=51010F2A0ABCDE1",
            },
        ),
    ),
    CarrierCall(
        "a header of 3.9 KB",
        (PAI, (PANI + LTE + ";network-provided;x=").ljust(3_900, "a")),
        location=(TELKOMSEL,),
    ),
    CarrierCall("a header of 5 KB, which Asterisk reads as empty", (PAI, (PANI + LTE + ";x=").ljust(5_000, "a"))),
    CarrierCall(
        "an asserted identity of 5 KB, which Asterisk reads as empty",
        (f"P-Asserted-Identity: <sip:{NUMBER}@ims.example.id;x=".ljust(5_000, "a") + ">",),
        CLAIM,
    ),
)

SERVICES = (
    CarrierCall("an escaped emergency URN", (PAI,), service="sos.fire", user="urn%3Aservice%3Asos.fire"),
    CarrierCall("a service URN by header", (PAI, "X-Service-URN: urn:service:sos.police"), service="sos.police"),
    CarrierCall("a number in local form", (PAI,), user="112;phone-context=+62"),
    CarrierCall(
        "marks of the emergency, and who forwarded it",
        (
            PAI,
            "Priority: emergency",
            "Resource-Priority: esnet.0, wps.1",
            "Call-Info: <https://carrier.example.id/1>;purpose=EmergencyCallData.ProviderInfo",
            "Diversion: <sip:+62215550100@ims.example.id>;reason=unconditional",
        ),
        marks={
            "priority": "emergency",
            "resource_priority": ["esnet.0", "wps.1"],
            "additional_data": ["EmergencyCallData.ProviderInfo https://carrier.example.id/1"],
            "forwarded_by": ["+62215550100"],
        },
    ),
)

_PIDF = """<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"
xmlns:gml="http://www.opengis.net/gml" xmlns:gs="http://www.opengis.net/pidflo/1.0"
xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:ca="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr"
entity="pres:caller@ims.example.id">
<dm:device id="phone"><gp:geopriv><gp:location-info>
{shape}
</gp:location-info><gp:usage-rules/><gp:method>GPS</gp:method></gp:geopriv>
<dm:timestamp>2026-01-01T00:00:00Z</dm:timestamp></dm:device>
</presence>"""
POINT = '<gml:Point srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>-6.175392 106.827153</gml:pos></gml:Point>'
CIRCLE = """<gs:Circle srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>-6.175392 106.827153</gml:pos>
<gs:radius uom="urn:ogc:def:uom:EPSG::9001">850</gs:radius></gs:Circle>"""
CIVIC = """<ca:civicAddress><ca:country>ID</ca:country><ca:A1>DKI Jakarta</ca:A1><ca:RD>Jalan Merdeka</ca:RD>
<ca:HNO>1</ca:HNO></ca:civicAddress>"""
MONAS: Facts = {"kind": "point", "source": "pidf", "trust": "trunk", "lat": -6.175392, "lon": 106.827153}

PLACES = (
    CarrierCall("a point in a multipart body", (PAI,), location=(MONAS,), pidf=_PIDF.format(shape=POINT)),
    CarrierCall(
        "a circle from a peer that is not trusted",
        (),
        CLAIM,
        location=(MONAS | {"kind": "circle", "radius_m": 850.0, "trust": "claimed"},),
        source=UNTRUSTED,
        pidf=_PIDF.format(shape=CIRCLE),
    ),
    CarrierCall(
        "an address in a multipart body",
        (PAI,),
        location=({"kind": "civic", "source": "pidf", "trust": "trunk", "lat": None},),
        pidf=_PIDF.format(shape=CIVIC),
    ),
    CarrierCall(
        "a broken document, which costs nobody the call",
        (PAI,),
        location=({"source": "pidf", "lat": None, "raw": "cid:place@ims.example.id", "flags": ["unreadable"]},),
        pidf=_PIDF.format(shape="<gml:Point>"),
    ),
)

CARRIER_CALLS = IDENTITIES + CELLS + SERVICES + PLACES


def differences(expected: Facts, record: Facts) -> list[str]:
    """In words, what of a record is not as expected; of `caller`, `marks` and places only the named keys count."""
    found = []
    for name, wanted in expected.items():
        got = record[name]
        if name == "location":
            pairs = list(zip(wanted, got, strict=False))
            same = len(wanted) == len(got) and all(_within(place, given) for place, given in pairs)
        else:
            same = _within(wanted, got) if isinstance(wanted, dict) else wanted == got
        if not same:
            found.append(f"{name}: expected {wanted}, got {got}")
    return found


def _within(wanted: Facts, got: Facts) -> bool:
    return all(got.get(key) == value for key, value in wanted.items())


# ---- as SIPp scenarios

_SDP = """v=0
o=sipp 1 1 IN IP4 [media_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 0
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
"""
_BOUNDARY = "pbx112part"
_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a carrier's caller who gives up">
<send retrans="500"><![CDATA[
INVITE sip:{user}@[remote_ip]:[remote_port] SIP/2.0
{dialog}
CSeq: 1 INVITE
Contact: {contact}
{headers}Content-Type: {content_type}
Content-Length: [len]

{body}]]></send>
<recv response="100" optional="true"/>
<recv response="183" optional="true" next="ringing"/>
<recv response="180"/>
<label id="ringing"/>
<pause/>
<send retrans="500"><![CDATA[
CANCEL sip:{user}@[remote_ip]:[remote_port] SIP/2.0
{dialog}
CSeq: 1 CANCEL
Content-Length: 0

]]></send>
<recv response="200" optional="true"/>
<recv response="487"/>
<send><![CDATA[
ACK sip:{user}@[remote_ip]:[remote_port] SIP/2.0
{dialog}[peer_tag_param]
CSeq: 1 ACK
Content-Length: 0

]]></send>
</scenario>
"""


def scenario_of(call: CarrierCall) -> str:
    """SIPp's scenario of this call. Its field0 must be a blank: SIPp takes away those that a line begins with."""
    dialog = "\n".join(
        (
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-invite",
            "Max-Forwards: 70",
            f"From: {call.from_};tag=[pid]c[call_number]",
            "Call-ID: [call_id]",
            "To: <sip:112@[remote_ip]:[remote_port]>",  # last: the ACK adds the far end's tag
        )
    )
    content_type, body = _content(call)
    location = ["Geolocation: <cid:place@ims.example.id>", "Geolocation-Routing: yes"] if call.pidf else []
    headers = "".join(f"{_unfoldable(line)}\n" for line in (*call.headers, *location))
    return _SCENARIO.format(
        user=call.user, dialog=dialog, contact=call.contact, headers=headers, content_type=content_type, body=body
    )


def _unfoldable(line: str) -> str:
    return f"[field0]{line.lstrip()}" if line[:1].isspace() else line


def _content(call: CarrierCall) -> tuple[str, str]:
    if not call.pidf:
        return "application/sdp", _SDP
    parts = (
        f"Content-Type: application/sdp\n\n{_SDP}",
        f"Content-Type: application/pidf+xml\nContent-ID: <place@ims.example.id>\n\n{call.pidf}\n",
    )
    body = "".join(f"--{_BOUNDARY}\n{part}" for part in parts) + f"--{_BOUNDARY}--\n"
    return f"multipart/mixed;boundary={_BOUNDARY}", body
