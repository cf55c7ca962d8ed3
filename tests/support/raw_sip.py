"""An INVITE of any bytes over UDP, for hostile headers no SIP stack would send; the call is finished properly."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

CRLF = b"\r\n"
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message that came back."""

    at: datetime
    raw: bytes

    @property
    def first_line(self) -> str:
        """The status or request line."""
        return self.raw.split(CRLF, 1)[0].decode(errors="replace")

    @property
    def code(self) -> int | None:
        """The status code; None for a request."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw.startswith(b"SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """The method that it answers or asks for, by its CSeq."""
        return header(self.raw, b"CSeq").split()[-1].decode()


@dataclass(frozen=True, slots=True)
class RawExchange:
    """What came of an INVITE: everything that came back, and how it ended."""

    sip_call_id: str
    messages: list[RawMessage] = field(default_factory=list)

    @property
    def codes(self) -> list[int]:
        """The INVITE's status codes in their order."""
        return [m.code for m in self.messages if m.code is not None and m.method == "INVITE"]

    @property
    def final_code(self) -> int | None:
        """The INVITE's final status; None when the far end stayed silent."""
        return next((code for code in self.codes if code >= 200), None)


def header(message: bytes, name: bytes) -> bytes:
    """The first value of a header; empty when there is none."""
    found = re.search(rb"(?im)^" + re.escape(name) + rb"[ \t]*:[ \t]*([^\r\n]*)", message.split(CRLF + CRLF, 1)[0])
    return found[1] if found else b""


def build_invite(
    source: Address, target: Address, *, user: str = "112", number: str = "+628111234567", extra: bytes = b""
) -> bytes:
    """A correct INVITE; `extra` is whole header lines, each with its line end, put in as they are."""
    ip, port = source
    body = (
        f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n"
        f"m=audio {port + 1} RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    ).encode()
    head = (
        f"INVITE sip:{user}@{target[0]}:{target[1]} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {ip}:{port};rport;branch=z9hG4bK-{uuid.uuid4().hex}\r\n"
        f"Max-Forwards: 70\r\n"
        f"From: <sip:{number}@{ip}>;tag={uuid.uuid4().hex[:12]}\r\n"
        f"To: <sip:{user}@{target[0]}:{target[1]}>\r\n"
        f"Call-ID: {uuid.uuid4().hex}@{ip}\r\n"
        f"CSeq: 1 INVITE\r\n"
        f"Contact: <sip:{number}@{ip}:{port}>\r\n"
    ).encode()
    rest = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return head + extra + rest + body


async def exchange(invite: bytes, source: Address, target: Address, *, hold_s: float = 0.5) -> RawExchange:
    """Send the INVITE. After `hold_s` a ringing call is cancelled and an answered one hung up; a refusal is ACKed."""
    async with _line(source) as line:
        line.send(invite, target)
        result = RawExchange(header(invite, b"Call-ID").decode(errors="replace"), line.messages)
        await line.until(lambda: result.final_code is not None, hold_s)
        if result.final_code is None and result.codes:
            line.send(_request(b"CANCEL", invite), target)
            await line.until(lambda: result.final_code is not None, 2.0)
        final = next((m for m in line.messages if (m.code or 0) >= 200 and m.method == "INVITE"), None)
        if final is not None:
            line.send(_request(b"ACK", invite, final.raw), target)
            if final.code is not None and final.code < 300:
                await asyncio.sleep(hold_s)
                line.send(_request(b"BYE", invite, final.raw), target)
                await line.until(lambda: any(m.method == "BYE" for m in line.messages), 2.0)
        return result


def _request(method: bytes, invite: bytes, final: bytes = b"") -> bytes:
    """A request of the INVITE's dialog, with the INVITE's own header bytes, hostile or not."""
    uri = invite.split(b" ", 2)[1]
    via = header(invite, b"Via")
    answered = final.startswith(b"SIP/2.0 2")
    if answered:
        contact = re.search(rb"<([^>]+)>", header(final, b"Contact"))
        uri = contact[1] if contact else uri
        via = re.sub(rb"branch=[^;,\s]+", b"branch=z9hG4bK-" + uuid.uuid4().hex.encode(), via)
    lines = [
        method + b" " + uri + b" SIP/2.0",
        b"Via: " + via,
        b"Max-Forwards: 70",
        b"From: " + header(invite, b"From"),
        b"To: " + (header(final, b"To") or header(invite, b"To")),
        b"Call-ID: " + header(invite, b"Call-ID"),
        b"CSeq: " + (b"2 " if method == b"BYE" else b"1 ") + method,
        b"Content-Length: 0",
    ]
    return CRLF.join([*lines, b"", b""])


class _Line(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.messages: list[RawMessage] = []
        self._news = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # it is one; its class does not say so

    def datagram_received(self, data: bytes, addr: Address) -> None:
        message = RawMessage(datetime.now(UTC), data)
        if message.code is None and not data.startswith(b"ACK "):
            self.send(_ok(data), addr)
        self.messages.append(message)
        self._news.set()

    def send(self, data: bytes, target: Address) -> None:
        assert self._transport is not None
        self._transport.sendto(data, target)

    async def until(self, true: Callable[[], bool], deadline_s: float) -> None:
        """Wait until something is true, or until the deadline: the caller looks which it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while not true():
                    self._news.clear()
                    await self._news.wait()


def _ok(request: bytes) -> bytes:
    kept = (b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq", b"record-route")
    lines = request.split(CRLF + CRLF, 1)[0].split(CRLF)[1:]
    copied = [line for line in lines if line.split(b":", 1)[0].strip().lower() in kept]
    return CRLF.join([b"SIP/2.0 200 OK", *copied, b"Content-Length: 0", b"", b""])


@contextlib.asynccontextmanager
async def _line(source: Address) -> AsyncIterator[_Line]:
    transport, line = await asyncio.get_running_loop().create_datagram_endpoint(_Line, local_addr=source)
    with contextlib.closing(transport):
        yield line
