"""What a call's first lines tell of it: its arrival, and what the intake and the dialplan said of its caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pbx112.domain.addresses import UNREADABLE
from pbx112.domain.caller import Caller, CallerClass, SipIdentity, classify
from pbx112.domain.configuration import TierKind
from pbx112.domain.events import JournalEvent
from pbx112.domain.legs import Course
from pbx112.domain.readings import text_of
from pbx112.domain.record import Intake, Overflow, Reordered, SilentCheck

ARRIVAL_BYTES = 160
"""So much of P-Asserted-Identity and From the dialplan writes into the arrival: see intake.conf."""


@dataclass(slots=True, kw_only=True)
class Told(Course):
    """What was told so far; each step below adds one event to it."""

    identity: SipIdentity = field(default_factory=SipIdentity)
    trusted: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    headers_by: str = ""
    reordered: Reordered | None = None
    silent_checks: list[SilentCheck] = field(default_factory=list)
    overflows: list[Overflow] = field(default_factory=list)
    caller: Caller | None = None
    intake: Intake = Intake.NONE
    sip_call_id: str | None = None
    trunk: str | None = None
    service: str = "sos"
    drill: bool = False
    caller_channel: str = ""

    def unrouted_caller(self) -> Caller:
        """Who calls, by the arrival line alone: without the trunk's own rules no number is good for a call back."""
        identity = replace(self.identity, asserted=_whole(self.identity.asserted), from_=_whole(self.identity.from_))
        caller = classify(identity, trusted=self.trusted)
        if caller.callback_number is None:
            return caller
        return replace(caller, callback_number=None, warnings=(*caller.warnings, "number_unverified"))


def _whole(field_: str) -> str:
    """A field of the arrival, which the dialplan cuts: what stands behind its last address may be half a number."""
    if len(field_.encode("utf-8", "replace")) < ARRIVAL_BYTES:
        return field_
    return field_[: max(field_.rfind("@"), field_.rfind(">")) + 1] or UNREADABLE


def arrived(call: Told, event: JournalEvent) -> None:
    """The arrival stands in two lines, as one is too short for everything: the second holds From and Contact."""
    facts = event.extra
    call.caller_channel = call.caller_channel or event.channel
    call.sip_call_id = text_of(facts, "sip_call_id") or call.sip_call_id
    call.trunk = text_of(facts, "trunk") or call.trunk
    call.drill = call.drill or bool(facts.get("drill"))
    call.trusted = call.trusted or bool(facts.get("trusted"))
    call.identity = SipIdentity(
        asserted=text_of(facts, "asserted") or call.identity.asserted,
        from_=text_of(facts, "from") or call.identity.from_,
        contact=text_of(facts, "contact") or call.identity.contact,
    )


def taken_in(call: Told, event: JournalEvent) -> None:
    facts = event.extra
    if text_of(facts, "by") in {Intake.FASTAGI, Intake.CLASSIC}:
        call.intake = Intake(text_of(facts, "by"))
    call.service = text_of(facts, "service") or call.service
    _read_headers(call, facts)
    _read_order(call, facts)
    raw = facts.get("caller")
    if isinstance(raw, dict) and text_of(raw, "class") in set(CallerClass):
        warnings = raw.get("warnings")
        call.caller = Caller(
            caller_class=CallerClass(text_of(raw, "class")),
            number=text_of(raw, "number") or None,
            raw_number=text_of(raw, "raw_number") or None,
            callback_number=text_of(raw, "callback_number") or None,
            withheld=bool(raw.get("withheld")),
            imei=text_of(raw, "imei") or None,
            cpc=text_of(raw, "cpc") or None,
            warnings=tuple(str(word) for word in warnings) if isinstance(warnings, list) else (),
        )


def _read_headers(call: Told, facts: Mapping[str, Any]) -> None:
    """What the intake found beside the caller; a header that one word did not hold goes on in the next."""
    if call.headers_by != facts.get("by"):  # the intake before this one did not come to its end
        call.headers_by = text_of(facts, "by")
        call.headers = {}
        call.reordered = None
    headers = facts.get("headers")
    if isinstance(headers, dict):
        for name, value in headers.items():
            if isinstance(name, str) and isinstance(value, str):
                call.headers[name] = call.headers.get(name, "") + value


def _read_order(call: Told, facts: Mapping[str, Any]) -> None:
    """Why the caller does not queue at his queue's own priority."""
    order = facts.get("order")
    if not isinstance(order, dict):
        return
    usual, given, seconds = (order.get(name) for name in ("usual", "given", "seconds"))
    score = order.get("score")
    if isinstance(usual, int) and isinstance(given, int) and isinstance(seconds, int):
        worth = float(score) if isinstance(score, int | float) else 0.0
        call.reordered = Reordered(usual, given, text_of(order, "reason"), worth, seconds)


def silent_checked(call: Told, event: JournalEvent) -> None:
    """The dialplan writes two lines: that the caller is asked, and what he pressed."""
    if text_of(event.extra, "step") == "asked":
        call.silent_checks.append(SilentCheck(event.at))
    elif call.silent_checks:
        call.silent_checks[-1] = replace(call.silent_checks[-1], digits=text_of(event.extra, "digits") or None)


def overflowed(call: Told, event: JournalEvent) -> None:
    """A step of the overflow chain begins; what comes of it, other lines tell."""
    kind = text_of(event.extra, "kind")
    if kind in set(TierKind):
        call.overflows.append(Overflow(event.at, TierKind(kind), text_of(event.extra, "target") or None))
