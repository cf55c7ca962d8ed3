"""Copies of the carriers' INVITEs, which Asterisk's res_hep sends (HEP3 over UDP, one datagram a message).

They are asked for their locations only. Asterisk 22 dies of location documents that a phone may send (see
`domain/geolocation.py`), so it does not read them; and the dialplan cannot see a message's body. Nothing waits for a
copy: a call whose copy did not come has no location document, as with a service that is down.

Source: https://github.com/sipcapture/HEP, "HEP3 network protocol specification".
"""

import asyncio
import contextlib
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import structlog

from pbx112.domain.configuration import Configuration
from pbx112.domain.pidf import lines_of

log = structlog.get_logger(__name__)

MOST_COPIES = 256
MOST_BYTES = 8 * 1024 * 1024
_RECEIVE_BYTES = 1024 * 1024
_RETRY_SECONDS = 2.0

_CHUNK = struct.Struct(">HHH")
_SOURCE_4, _SOURCE_6, _SOURCE_PORT, _MESSAGE, _CALL_ID = 3, 5, 7, 15, 17
_ROOT = b"presence"

Key = tuple[str, str]
"""A call's SIP Call-ID, and where its INVITE came from (`address:port`): another peer may use the same Call-ID."""


class InviteCopies(asyncio.DatagramProtocol):
    """The bodies with a location document of the INVITEs that came last; bounded in number and bytes.

    Copies of messages that came from no carrier's address are thrown away: they could push out the others.
    """

    def __init__(self, configuration: Callable[[], Configuration]) -> None:
        self._configuration = configuration
        self._bodies: OrderedDict[Key, bytes] = OrderedDict()
        self._held = 0

    def location(self, sip_call_id: str, remote: str) -> str:
        """The locations in this call's INVITE, one a line as `domain/geolocation.py` reads them; empty without any."""
        body = self._take((sip_call_id, remote))
        return lines_of(body) if body else ""

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep what may hold a location; whatever is no copy of an INVITE is ignored."""
        found = invite_in(data)
        if found is None or not self._is_carrier(found[0][1].rpartition(":")[0]):
            return
        key, body = found
        self._take(key)
        self._bodies[key] = body
        self._held += len(body)
        while len(self._bodies) > MOST_COPIES or self._held > MOST_BYTES:
            self._held -= len(self._bodies.popitem(last=False)[1])

    async def serve_until(self, stop: asyncio.Event, bind: tuple[str, int]) -> None:
        """Take copies until `stop` is set. An address in use is tried again: no call depends on it."""
        told = False
        while not stop.is_set():
            try:
                transport = await self._open(bind)
            except OSError as error:
                if not told:
                    log.warning("Location documents cannot be received; it is tried again.", reason=str(error))
                told = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _RETRY_SECONDS)
                continue
            try:
                await stop.wait()
            finally:
                transport.close()

    async def _open(self, bind: tuple[str, int]) -> asyncio.DatagramTransport:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=bind)
        receiving: socket.socket = transport.get_extra_info("socket")
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        return transport

    def _take(self, key: Key) -> bytes:
        body = self._bodies.pop(key, b"")
        self._held -= len(body)
        return body

    def _is_carrier(self, address: str) -> bool:
        sources = (source for trunk in self._configuration().trunks for source in trunk.sources)
        return _is_among(address, sources)


def invite_in(datagram: bytes) -> tuple[Key, bytes] | None:
    """The key and the body of an INVITE that may hold a location document; None for any other datagram."""
    chunks = _chunks(datagram)
    message = chunks.get(_MESSAGE, b"")
    head, _, body = message.partition(b"\r\n\r\n")
    if not head.startswith(b"INVITE ") or _ROOT not in body:
        return None
    call_id = chunks.get(_CALL_ID, b"").decode("utf-8", "replace")
    try:
        source = ip_address(chunks.get(_SOURCE_4) or chunks.get(_SOURCE_6) or b"")
        (port,) = struct.unpack(">H", chunks[_SOURCE_PORT])
    except (ValueError, KeyError, struct.error):
        return None
    host = f"[{source}]" if source.version == 6 else str(source)
    return (call_id, f"{host}:{port}"), body


def _chunks(datagram: bytes) -> dict[int, bytes]:
    """The chunks of a HEP3 packet by type; none of a packet that is broken."""
    if not datagram.startswith(b"HEP3") or len(datagram) < _CHUNK.size:
        return {}
    found: dict[int, bytes] = {}
    place = _CHUNK.size
    while place + _CHUNK.size <= len(datagram):
        _, kind, length = _CHUNK.unpack_from(datagram, place)
        if length < _CHUNK.size or place + length > len(datagram):
            return {}
        found[kind] = datagram[place + _CHUNK.size : place + length]
        place += length
    return found


def _is_among(address: str, sources: Iterable[str]) -> bool:
    """True when one of the sources holds the address. A source that is a host name holds any: it is not looked up."""
    sender = ip_address(address.strip("[]"))
    return any(network is None or sender in network for network in map(_network, sources))


def _network(source: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(source, strict=False)
    except ValueError:
        return None
