"""AMI's bytes as blocks of headers, with what is wrong with each.

The protocol: https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Manager-Interface-AMI/
A block is lines `Key: value` that end in CR LF, and an empty line. Splitting bytes, not text, keeps an UTF-8 character
whole that two reads share.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pbx112.domain.errors import Pbx112Error

BANNER_LIMIT = 256
BLOCK_LIMIT = 64 * 1024
"""Bytes of one block. Asterisk's longest are a few KB; more than this is no AMI, or an attack on our memory."""

_REPEATABLE = frozenset({"chanvariable", "destchanvariable", "variable", "output"})

_REQUIRED: Mapping[str, frozenset[str]] = {
    "QueueMember": frozenset({"queue", "location", "status", "paused", "incall", "wrapuptime"}),
    "QueueEntry": frozenset({"queue", "position", "channel", "uniqueid", "wait", "priority"}),
    "QueueParams": frozenset({"queue", "calls", "weight"}),
    "CoreShowChannel": frozenset({"channel", "uniqueid", "linkedid", "application", "duration"}),
    "QueueCallerJoin": frozenset({"channel", "uniqueid", "linkedid", "queue", "position", "count"}),
    "QueueCallerLeave": frozenset({"channel", "uniqueid", "linkedid", "queue", "position", "count"}),
    "QueueCallerAbandon": frozenset({"uniqueid", "linkedid", "queue", "holdtime"}),
    "AgentCalled": frozenset({"linkedid", "queue", "interface", "membername"}),
    "AgentConnect": frozenset({"linkedid", "queue", "interface", "ringtime"}),
    "AgentComplete": frozenset({"linkedid", "queue", "interface", "reason"}),
    "AgentRingNoAnswer": frozenset({"linkedid", "queue", "interface", "ringtime"}),
    "AgentDump": frozenset({"linkedid", "queue", "interface"}),
}
_MEMBER_EVENT = frozenset({"queue", "interface", "status", "paused", "incall", "wrapuptime"})


class NotAmi(Pbx112Error):
    """What came over the AMI link cannot be AMI: check the address and port."""

    slug = "not-ami"


@dataclass(frozen=True, slots=True)
class Block:
    """One event or response. `headers` has lower-case names; `fault` says what is wrong, if anything.

    `token` is the ActionID. `token_first`: it is the second line, so nobody but Asterisk wrote this block's start;
    `token_last`: it is the last line, so nobody cut this block short.
    """

    name: str
    headers: Mapping[str, str]
    token: str | None
    token_first: bool
    token_last: bool
    fault: str | None

    @property
    def is_response(self) -> bool:
        """True for the answer to an action, False for an event."""
        return "event" not in self.headers and "response" in self.headers


class Splitter:
    """Cuts a stream into blocks. Its memory is bounded: a block over the limit raises NotAmi."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._greeted = False

    @property
    def empty(self) -> bool:
        """True when no part of a block waits for its end."""
        return not self._rest

    def feed(self, data: bytes) -> Iterator[Block]:
        """The whole blocks that these bytes complete, in order."""
        self._rest += data
        if not self._greeted and not self._greet():
            return
        *whole, rest = bytes(self._rest).split(b"\r\n\r\n")
        self._rest = bytearray(rest)
        if len(rest) > BLOCK_LIMIT or any(len(raw) > BLOCK_LIMIT for raw in whole):
            raise NotAmi(f"AMI sent a block of more than {BLOCK_LIMIT} bytes.")
        for raw in whole:
            yield parse(raw)

    def _greet(self) -> bool:
        line, end, rest = bytes(self._rest).partition(b"\r\n")
        if not end and len(line) <= BANNER_LIMIT:
            return False
        if not line.startswith(b"Asterisk Call Manager/"):
            raise NotAmi("The peer at the AMI address does not greet as Asterisk's manager does.")
        self._rest = bytearray(rest)
        self._greeted = True
        return True


def parse(raw: bytes) -> Block:
    """Read one block without its empty line. What is wrong with it stands in `fault`; the first fault counts."""
    headers: dict[str, str] = {}
    fault: str | None = None
    text = raw.decode("utf-8", "replace")
    lines = text.split("\r\n")
    for line in lines:
        key, colon, value = line.partition(":")
        lower = key.lower()
        if not colon or not key or " " in key:
            fault = fault or "a line without a header name"
        elif lower not in headers:
            headers[lower] = value[1:] if value[:1] == " " else value
        elif lower not in _REPEATABLE:
            fault = fault or f"the header {key[:40]!r} twice"
    breaks = len(lines) - 1
    if text.count("\r") != breaks or text.count("\n") != breaks:
        fault = "a bare line break"
    token = headers.get("actionid")
    return Block(
        name=headers.get("event") or headers.get("response", ""),
        headers=headers,
        token=token,
        token_first=token is not None and breaks > 0 and lines[1].startswith("ActionID:"),
        token_last=token is not None and lines[-1].startswith("ActionID:"),
        fault=fault or _shape_fault(lines, headers),
    )


def _shape_fault(lines: list[str], headers: Mapping[str, str]) -> str | None:
    """What a block of Asterisk always has and a piece of a torn one lacks."""
    if lines[0].startswith("Response: "):
        return None
    if not lines[0].startswith("Event: "):
        return "neither Event nor Response"
    unasked = "actionid" not in headers
    if unasked and not (len(lines) > 1 and lines[1].startswith("Privilege: ")):
        return "an event without its privilege"
    event = headers["event"]
    required = _REQUIRED.get(event)
    if required is None and event.startswith("QueueMember"):
        required = _MEMBER_EVENT
    if required is not None and not required <= headers.keys():
        return f"{event} cut short"
    if unasked and "calleridnum" in headers and "linkedid" not in headers:
        return "a channel's event cut short"
    return None
