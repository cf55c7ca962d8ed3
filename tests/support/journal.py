"""Writes journal lines as Asterisk does: all fields quoted, quotes doubled, one line opened, written and closed."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pbx112.domain.events import JournalEvent
from pbx112.journal.parse import parse
from pbx112.journal.split import split

BASE = 1_795_282_659
"""The second at which scripted calls begin."""


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def line(
    kind: str,
    at: float | str,
    *,
    unique: str = "n-1.1",
    linked: str | None = None,
    context: str = "from-trunk",
    channel: str = "PJSIP/carrier-a-00000001",
    name: str = "",
    num: str = "",
    exten: str = "112",
    app: str = "",
    data: str = "",
    peer: str = "",
    extra: Mapping[str, object] | str = "",
) -> str:
    """One line; `at` as a float counts seconds from BASE, as a text it is the time as written."""
    micros = round(at * 1_000_000) if not isinstance(at, str) else 0
    time = at if isinstance(at, str) else f"{BASE + micros // 1_000_000}.{micros % 1_000_000:06d}"
    said = extra if isinstance(extra, str) else json.dumps(extra, separators=(",", ":"))
    fields = [kind, time, name, num, num, "112", exten, context, channel, app, data, ""]
    fields += [unique, linked or unique, peer, "", "", said]
    return ",".join('"' + field.replace('"', '""') + '"' for field in fields) + "\n"


def word(*fields: str) -> dict[str, str]:
    """The EventExtra of one of the dialplan's user events: fields in base64, each behind a dot, joined by dots."""
    return {"extra": b64(".".join(["v1", *(b64(f".{field}") for field in fields)]))}


def plain_word(version: str, *fields: str) -> dict[str, str]:
    """The same without the outer base64, each field behind the parentheses that the dialplan guards it with."""
    return {"extra": ".".join([version, *(b64(f"((((((((.{field}") for field in fields)])}


def json_word(payload: Mapping[str, object]) -> dict[str, str]:
    """The EventExtra of one of the intake's user events."""
    return {"extra": b64(json.dumps(payload))}


@dataclass(frozen=True)
class Script:
    """Lines of one call, by what happens in it; times are seconds after `start`."""

    number: int = 1
    start: float = 0.0

    @property
    def linked(self) -> str:
        return f"n-{BASE}.{self.number}"

    @property
    def caller(self) -> str:
        return f"PJSIP/carrier-a-{self.number:08x}"

    def operator(self, name: str, leg: int = 1) -> str:
        return f"PJSIP/{name}-{self.number * 100 + leg:08x}"

    def on_caller(self, kind: str, at: float, **more: object) -> str:
        more.setdefault("channel", self.caller)
        return line(kind, self.start + at, unique=self.linked, **more)  # type: ignore[arg-type]

    def on_operator(self, kind: str, at: float, name: str = "op1", leg: int = 1, **more: object) -> str:
        more.setdefault("context", "from-operator")
        more.setdefault("channel", self.operator(name, leg))
        unique = f"{self.linked}{leg:03d}"
        return line(kind, self.start + at, unique=unique, linked=self.linked, **more)  # type: ignore[arg-type]

    def arrives(self, at: float = 0.0, *, flags: str = "t", asserted: str = "<sip:+6281234567890@a>") -> list[str]:
        facts = word(f"call-{self.number}@carrier", "carrier-a", flags, asserted, "<sip:+6281234567890@a>", "<sip:c>")
        return [
            self.on_caller("CHAN_START", at, num="+6281234567890"),
            self.on_caller("PBX112_ARRIVAL", at + 0.001, context="intake", extra=facts),
        ]

    def queues(self, at: float = 0.02, *, queue: str = "112", priority: str = "5") -> list[str]:
        return [
            self.on_caller("PBX112_QUEUE_JOIN", at, context="queueing", extra=word(queue, priority, "ring")),
            self.on_caller("APP_START", at + 0.001, context="queueing", app="Queue", data=f"{queue},rc,,,10"),
        ]

    def rings(self, at: float, name: str = "op1", leg: int = 1) -> list[str]:
        return [self.on_operator("CHAN_START", at, name, leg)]

    def gives_up_ringing(
        self, at: float, name: str = "op1", leg: int = 1, *, cause: int = 26, source: str = ""
    ) -> list[str]:
        ended = {"hangupcause": cause, "hangupsource": source, "dialstatus": ""}
        return [self.on_operator("HANGUP", at, name, leg, extra=ended), self.on_operator("CHAN_END", at, name, leg)]

    def talks(self, at: float, until: float, name: str = "op1", leg: int = 1) -> list[str]:
        bridge = {"bridge_id": f"b-{self.number}", "bridge_technology": "simple_bridge"}
        return [
            self.on_operator("ANSWER", at, name, leg),
            self.on_operator("BRIDGE_ENTER", at + 0.002, name, leg, extra=bridge),
            self.on_caller("BRIDGE_ENTER", at + 0.0022, extra=bridge, peer=self.operator(name, leg)),
            self.on_caller("BRIDGE_EXIT", until, extra=bridge),
            self.on_operator("BRIDGE_EXIT", until + 0.0002, name, leg, extra=bridge),
        ]

    def leaves(self, at: float, *, status: str = "") -> list[str]:
        return [
            self.on_caller("APP_END", at, context="queueing", app="Queue", data="112,rc,,,10"),
            self.on_caller("PBX112_QUEUE_LEAVE", at + 0.0001, context="queueing", extra=word("112", status)),
        ]

    def ends(self, at: float, *, source: str | None = None, cause: int = 16) -> list[str]:
        by = self.caller if source is None else source
        ended = {"hangupcause": cause, "hangupsource": by, "dialstatus": ""}
        return [
            self.on_caller("HANGUP", at, exten="h", extra=ended),
            self.on_caller("CHAN_END", at, exten="h"),
            self.on_caller("LINKEDID_END", at, exten="h"),
        ]

    def answered_call(self, talk_s: float = 5.0) -> list[str]:
        """A whole ordinary call: rings, is answered after two seconds, ended by the caller."""
        end = 2.0 + talk_s
        return [
            *self.arrives(),
            *self.queues(),
            *self.rings(0.05),
            *self.talks(2.0, end),
            *self.gives_up_ringing(end + 0.001, source=self.caller),
            *self.ends(end + 0.002),
        ]

    def abandoned_call(self) -> list[str]:
        """The caller hangs up while the first operator rings."""
        return [
            *self.arrives(),
            *self.queues(),
            *self.rings(0.05),
            *self.gives_up_ringing(3.0),
            *self.ends(3.001, cause=0),
        ]


def numbered(lines: Iterable[str], *, first: int = 0) -> list[str]:
    """The lines, in their order, with channels numbered as Asterisk does: each that begins has the next number."""
    numbers = itertools.count(first)
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return names.get(found[0], found[0])

    written = []
    for text in lines:
        channel = text.split('","', 9)[8]
        if text.startswith('"CHAN_START"'):
            names[channel] = f"{channel.rpartition('-')[0]}-{next(numbers):08x}"
        written.append(re.sub(r'PJSIP/[^",]+-[0-9a-f]{8}', name, text))
    return written


def events_of(data: bytes | str | Iterable[str]) -> list[JournalEvent]:
    """The events of a journal, in its order; every byte of it must be good."""
    if not isinstance(data, (bytes, str)):
        data = "".join(data)
    raw = data.encode() if isinstance(data, str) else data
    pieces, covered = split(raw, most=len(raw))
    assert covered == len(raw)
    assert not [piece.fault for piece in pieces if piece.fault]
    return [parse(piece).event for piece in pieces]


def append(path: Path, lines: Iterable[str]) -> None:
    """Add lines to a journal file."""
    with path.open("ab") as file:
        file.write("".join(lines).encode())
