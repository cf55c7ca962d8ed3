"""RFC 4475's torture messages and hostile INVITEs, as the bytes that go over the wire, and how they are sent.

The files in `torture/` are in the RFC's own notation: `<allOneLine>` joins the lines up to its end, `<repeat count=n>`
repeats, `<hex>` names bytes. A message whose file has no body ends with an empty line that the file does not show.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

from tests.support.raw_sip import CRLF, Address, build_invite, header

FOLDER = Path(__file__).parent / "torture"

_ONE_LINE = re.compile(r"<allOneLine>\n(.*?)</allOneLine>", re.DOTALL)
_REPEAT = re.compile(r"<repeat count=(\d+)>(.*?)</repeat>")
_HEX = re.compile(rb"<hex>([0-9A-F]+)</hex>")
_TARGET = re.compile(rb"sip:[^\s;?>]+")
_BRANCH = re.compile(rb"(branch\s*=\s*z9hG4bK)(?=[^\s;,])")
_CALL_ID = re.compile(rb"(?im)^(call-id|i)([ \t]*:[ \t]*)")
_TO_TAG = re.compile(rb"(?im)^(to[ \t]*:(?:[^\r\n]|\r\n[ \t])*?)[ \t]*;[ \t]*tag[ \t]*=[ \t]*[\w.-]+")


def torture_names() -> list[str]:
    """The names of all messages, as the RFC gives them."""
    return sorted(file.stem for file in FOLDER.glob("*.sip"))


def torture_message(name: str) -> bytes:
    """A message, byte for byte."""
    text = _ONE_LINE.sub(lambda found: found[1].replace("\n", ""), (FOLDER / f"{name}.sip").read_text("ascii"))
    text = _REPEAT.sub(lambda found: found[2] * int(found[1]), text)
    raw = _HEX.sub(lambda found: bytes.fromhex(found[1].decode()), text.replace("\n", "\r\n").encode("ascii"))
    return raw if CRLF + CRLF in raw else raw + CRLF


def fresh(message: bytes) -> bytes:
    """The same with branches of its own: sent from a second address it would else be a retransmission."""
    return _BRANCH.sub(lambda found: found[1] + uuid.uuid4().hex.encode(), message)


def aimed(message: bytes, target: Address) -> bytes:
    """An INVITE to 112 with all its other oddities: a new call by its Call-ID, and outside of any dialog."""
    start, rest = message.split(CRLF, 1)
    start = _TARGET.sub(f"sip:112@{target[0]}:{target[1]}".encode(), start, count=1)
    rest = _CALL_ID.sub(lambda found: found[1] + found[2] + uuid.uuid4().hex.encode(), rest, count=1)
    return fresh(start + CRLF + _TO_TAG.sub(lambda found: found[1], rest))


class Pelter:
    """A carrier's socket that sends any bytes, and asks after each whether Asterisk is still there."""

    def __init__(self, transport: asyncio.DatagramTransport, source: Address, target: Address) -> None:
        self._transport = transport
        self._source = source
        self._target = target
        self._answered: dict[str, asyncio.Event] = {}

    def heard(self, data: bytes) -> None:
        """Take what came back; only the answers to our own questions count."""
        event = self._answered.get(header(data, b"Call-ID").decode(errors="replace"))
        if event is not None:
            event.set()

    def throw(self, message: bytes) -> None:
        """Send it, and look no further."""
        self._transport.sendto(message, self._target)

    async def alive(self, after: str, deadline_s: float = 5.0) -> None:
        """Ask by OPTIONS, over and over as UDP may lose one; fails in words when no answer comes."""
        call_id = uuid.uuid4().hex
        event = self._answered[call_id] = asyncio.Event()
        try:
            async with asyncio.timeout(deadline_s):
                while not event.is_set():
                    self.throw(_options(call_id, self._source, self._target))
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(event.wait(), 0.5)
        except TimeoutError:
            raise AssertionError(f"Asterisk does not answer any more after {after!r}") from None
        finally:
            del self._answered[call_id]


class _Socket(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.pelter: Pelter | None = None

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.pelter is not None:
            self.pelter.heard(data)


@contextlib.asynccontextmanager
async def pelter(source_ip: str, target: Address) -> AsyncIterator[Pelter]:
    """A socket at this address, on a free port."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Socket, local_addr=(source_ip, 0))
    with contextlib.closing(transport):
        source: Address = transport.get_extra_info("sockname")
        protocol.pelter = Pelter(transport, source, target)
        yield protocol.pelter


def _options(call_id: str, source: Address, target: Address) -> bytes:
    lines = (
        f"OPTIONS sip:112@{target[0]}:{target[1]} SIP/2.0",
        f"Via: SIP/2.0/UDP {source[0]}:{source[1]};rport;branch=z9hG4bK-{uuid.uuid4().hex}",
        "Max-Forwards: 70",
        f"From: <sip:+628110000000@{source[0]}>;tag={call_id}",
        f"To: <sip:112@{target[0]}:{target[1]}>",
        f"Call-ID: {call_id}",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


# ---- hostile INVITEs, made by hand

FORGED = "%0d%0aEvent%3a%20QueueMemberRemoved%0d%0aQueue%3a%20112%0d%0aMemberName%3a%20op1%0d%0a%0d%0a"
FORGED_BARE = b"\rEvent: QueueMemberRemoved\rQueue: 112\rMemberName: op1\r\r"
HEADERS = (
    b"P-Asserted-Identity",
    b"Remote-Party-ID",
    b"Privacy",
    b"P-Access-Network-Info",
    b"Cellular-Network-Info",
    b"X-Service-URN",
    b"Geolocation",
    b"Priority",
    b"Resource-Priority",
    b"Call-Info",
    b"History-Info",
    b"Diversion",
)
"""What the intake reads beside From and Contact."""

Named = Iterator[tuple[str, bytes]]


def hostile_invites(source: Address, target: Address, trap: Path) -> Named:
    """Name and bytes of each. `trap` is a file that appears when anything of it is executed."""

    def make(extra: bytes = b"", number: str = "+628111234567") -> bytes:
        return build_invite(source, target, number=number, extra=extra)

    yield from _forging(make)
    yield from _with_nul(make)
    yield from _excessive(make)
    yield from _odd(make)
    yield from _injecting(make, trap)
    yield from _locating(make)


class _Make(Protocol):
    def __call__(self, extra: bytes = b"", number: str = "+628111234567") -> bytes: ...


def _forging(make: _Make) -> Named:
    forged = FORGED.encode()
    asserted = b"P-Asserted-Identity: <sip:+6281" + forged + b"@x>\r\n"
    yield "percent-encoded line breaks in From", make(number=f"+6281{FORGED}")
    yield "percent-encoded line breaks in P-Asserted-Identity", make(asserted)
    remote = make(b"Remote-Party-ID: <sip:" + forged + b"@x>;party=calling\r\n")
    yield "percent-encoded line breaks in Contact and Remote-Party-ID", _contact(remote, b"<sip:" + forged + b"@x>")
    yield "bare CR in a display name", _named(make(), b'"Budi' + FORGED_BARE + b'"')
    asserted = b'P-Asserted-Identity: "x' + FORGED_BARE + b'" <sip:+628111@x>\r\n'
    yield "bare CR in an asserted display name", make(asserted)


def _with_nul(make: _Make) -> Named:
    yield "NUL bytes in a display name", _named(make(), b'"Bu\0di"')
    yield "NUL bytes in a header that nobody reads", make(b"X-Nul: a\0b\0c\r\n")
    yield "NUL bytes in an asserted name", make(b'P-Asserted-Identity: "a\0b" <sip:+628111@x>\r\n')
    escaped = make(b"P-Asserted-Identity: <sip:+62811%001234@x>\r\n", "+62811%001234")
    yield "%00 in From, P-Asserted-Identity and Contact", _contact(escaped, b"<sip:%00@x>")


def _excessive(make: _Make) -> Named:
    asserted = [b'"n%d" <sip:+6281100%06d@x>' % (n, n) for n in range(200)]
    yield "a header of 60 KB", make(b"X-Long: " + b"a" * 60_000 + CRLF)
    yield "a header of 5 KB that the intake reads", make(b"P-Access-Network-Info: " + b"a" * 5_000 + CRLF)
    vias = b"".join(b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%d\r\n" % n for n in range(500))
    yield "500 Via headers", make(vias)
    lines = b"".join(b"P-Asserted-Identity: " + value + CRLF for value in asserted)
    yield "200 asserted identities on lines of their own", make(lines)
    yield "200 asserted identities in one line", make(b"P-Asserted-Identity: " + b", ".join(asserted) + CRLF)


def _odd(make: _Make) -> Named:
    yield "From by tel: URI", re.sub(rb"\r\nFrom: <[^>]*>", b"\r\nFrom: <tel:+628111234567;cpc=ordinary>", make())
    nested = b"User-Agent: " + b"(" * 400 + b")" * 400 + b"\r\nP-Access-Network-Info: " + b")" * 40 + b":;\r\n"
    yield "nested comments, and parentheses that nothing opened", make(nested)
    latin = make(b'P-Asserted-Identity: "J\xf6rg \xe9" <sip:+628111234567@x>\r\n')
    yield "UTF-8 and Latin-1 names", _named(latin, '"\u00d1o\u00f1o \u5927\u505c\u96fb \u202e"'.encode())


def _injecting(make: _Make, trap: Path) -> Named:
    yield "SQL in every header", _everywhere(make, "'; DROP TABLE calls; --")
    yield "format strings in every header", _everywhere(make, "%s%n%s%n%x")
    yield "a dialplan function in every header", _everywhere(make, f"${{SHELL(touch {trap})}}")
    yield "dialplan expressions in every header", _everywhere(make, "$[1/0]${EVAL(${X})}${${X}}")
    quotes = f'\\"\\nEXEC System \\"touch {trap}\\"\\",\\"x'
    yield "quotes of AGI and journal in every header", _everywhere(make, quotes)
    line = b": <sip:%0aEXEC%20System%20touch%20" + str(trap).encode() + b"%0a@x>;a=%22%2c%22\r\n"
    lines = b"".join(name + line for name in HEADERS)
    yield "an AGI line in every header", make(lines, f"%0aEXEC%20System%20touch%20{trap}%0a")


_POINT = '<gml:Point srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>-6.17 106.82</gml:pos></gml:Point>'
_PIDF = """<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"
 xmlns:gml="http://www.opengis.net/gml" xmlns:con="urn:ietf:params:xml:ns:geopriv:conf" entity="pres:a@x"><tuple id="a">
<status><gp:geopriv>{places}</gp:geopriv></status></tuple></presence>"""
_RULES = "<gp:usage-rules/>"


def _locating(make: _Make) -> Named:
    """The first four kill an Asterisk 22.10.1 that reads location documents."""
    place = "<gp:location-info>{}</gp:location-info>".format
    point = place(_POINT)
    sure = '<con:confidence pdf="normal">95</con:confidence>'
    yield "a location without usage-rules", _with_pidf(make, _PIDF.format(places=point))
    yield "two location-info in one document", _with_pidf(make, _PIDF.format(places=point * 2 + _RULES))
    yield "a confidence before the shape", _with_pidf(make, _PIDF.format(places=place(sure + _POINT) + _RULES))
    yield "a bare word for a location", _with_pidf(make, _PIDF.format(places=place("here") + _RULES))
    for number in ("nan", "1e999", "--1", "9" * 4_000):
        odd = place(_POINT.replace("106.82", number)) + _RULES
        yield f"a longitude of {number[:6]}", _with_pidf(make, _PIDF.format(places=odd))
    deep = "<gp:a>" * 2_000 + "</gp:a>" * 2_000
    yield "2,000 elements in each other", _with_pidf(make, _PIDF.format(places=place(deep) + _RULES))
    yield "400 shapes", _with_pidf(make, _PIDF.format(places=place(_POINT * 400) + _RULES))
    laughs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    dtd = f'<!DOCTYPE p [<!ENTITY e0 "ha">{laughs}<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    for entity in ("&e11;", "&f;"):
        inside = dtd + _PIDF.format(places=place(_POINT.replace("106.82", entity)) + _RULES)
        yield f"the entity {entity} in a location", _with_pidf(make, inside)
    yield "a location that ends in its middle", _with_pidf(make, _PIDF.format(places=point)[:300])


def _with_pidf(make: _Make, document: str) -> bytes:
    """The INVITE with the document beside its session description."""
    head, sdp = make(b"Geolocation: <cid:place@x>\r\n").split(CRLF + CRLF, 1)
    parts = (
        b"Content-Type: application/sdp\r\n\r\n" + sdp,
        b"Content-Type: application/pidf+xml\r\nContent-ID: <place@x>\r\n\r\n" + document.encode() + CRLF,
    )
    body = b"".join(b"--part\r\n" + part for part in parts) + b"--part--\r\n"
    head = head.replace(b"application/sdp", b"multipart/mixed;boundary=part")
    return re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head) + CRLF + CRLF + body


def _everywhere(make: _Make, text: str) -> bytes:
    """The text as a quoted display name where a header has one, and bare in the others."""
    raw = text.encode()
    with_address = {b"P-Asserted-Identity", b"Remote-Party-ID", b"Diversion", b"History-Info"}
    lines = (name + b": " + (b'"' + raw + b'" <sip:x@x>' if name in with_address else raw) for name in HEADERS)
    return _named(make(b"".join(line + CRLF for line in lines)), b'"' + raw + b'"')


def _named(invite: bytes, name: bytes) -> bytes:
    return invite.replace(b"\r\nFrom: <", b"\r\nFrom: " + name + b" <", 1)


def _contact(invite: bytes, address: bytes) -> bytes:
    return re.sub(rb"\r\nContact: <[^>]*>", lambda _: b"\r\nContact: " + address, invite, count=1)
