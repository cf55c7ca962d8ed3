"""One drill call: a scripted operator and a scripted caller go the whole way through trunk, intake and queue.

It speaks SIP and RTP only and believes no other part of the system, so it says whether 112 can be called.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

from pbx112.domain.errors import Pbx112Error
from pbx112.host.softphone_client import (
    CallOver,
    PhoneEvent,
    RegistrationFailed,
    Softphone,
    SoftphoneError,
    SoftphoneTimeout,
    Transport,
)

LOG_IN_CODE, LOG_OUT_CODE = "*11", "*12"
RING_S = 0.5
OWN_DIGITS = 8
RUNS = "whether Asterisk runs and listens there (pbx112 doctor)"

Progress = Callable[[str], None]


class DrillFailed(Pbx112Error):
    """The drill call did not go the whole way; the text says at which step, and what to look at."""

    slug = "drill-failed"

    def __init__(self, step: str, what: str, look_at: str) -> None:
        super().__init__(f"The drill failed when {step}: {what}. Look at: {look_at}.")
        self.step = step


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """Who calls whom in a drill, and how long each step may take."""

    sip_host: str
    sip_port: int
    caller_source_ip: str
    caller_number: str
    operator: str
    operator_secret: str
    service_number: str = "112"
    operator_source_ip: str = "127.0.0.1"
    operator_port: int | None = None  # where operators register, when it is not the carriers' port (TLS)
    operator_transport: Transport = "udp"
    operator_srtp: bool = False
    log_in_and_out: bool = True
    talk_seconds: float = 1.0
    caller_tone_hz: int = 600
    operator_tone_hz: int = 950
    step_deadline_s: float = 5.0

    @property
    def carrier_door(self) -> str:
        """Host and port at which the carriers call."""
        return f"{self.sip_host}:{self.sip_port}"

    @property
    def operator_door(self) -> str:
        """Host and port at which the operators register."""
        return f"{self.sip_host}:{self.operator_port or self.sip_port}"


@dataclass(frozen=True, slots=True)
class DrillResult:
    """What happened, by the phones' own clocks (UTC, microseconds)."""

    sip_call_id: str
    invite_sent: datetime
    ringing: datetime | None
    answered: datetime
    ended: datetime
    audio_caller_hears: bool
    audio_operator_hears: bool

    @property
    def passed(self) -> bool:
        """True when both heard each other; a call that did not get that far raised DrillFailed."""
        return self.audio_caller_hears and self.audio_operator_hears


async def place_drill(plan: DrillPlan, progress: Progress) -> DrillResult:
    """Place one drill call; raises DrillFailed. The operator is logged out and signed off whatever happens."""
    try:
        async with _phones(plan) as (operator, caller), _on_duty(plan, operator, progress):
            return await _talk(plan, operator, caller, progress)
    except SoftphoneError as error:
        raise DrillFailed(
            "a scripted phone was used", str(error).rstrip("."), "the addresses and ports the drill uses"
        ) from error


@contextlib.asynccontextmanager
async def _phones(plan: DrillPlan) -> AsyncIterator[tuple[Softphone, Softphone]]:
    operator_phone = Softphone.start(
        plan.operator_source_ip, transport=plan.operator_transport, srtp=plan.operator_srtp
    )
    caller_phone = Softphone.start(plan.caller_source_ip, user=plan.caller_number)
    async with operator_phone as operator, caller_phone as caller:
        await asyncio.gather(operator.tone(plan.operator_tone_hz), caller.tone(plan.caller_tone_hz))
        yield operator, caller


@contextlib.asynccontextmanager
async def _on_duty(plan: DrillPlan, operator: Softphone, progress: Progress) -> AsyncIterator[None]:
    progress(f"operator {plan.operator} registers at {plan.operator_door}")
    await _register(plan, operator)
    try:
        if plan.log_in_and_out:
            progress(f"operator {plan.operator} logs in to the queue ({LOG_IN_CODE})")
            await _dial_code(plan, operator, LOG_IN_CODE)
        yield
        if plan.log_in_and_out:
            progress(f"operator {plan.operator} logs out ({LOG_OUT_CODE})")
            await _dial_code(plan, operator, LOG_OUT_CODE)
    except BaseException:
        # A member who is logged in without a phone would be offered calls of people in need.
        if plan.log_in_and_out:
            with contextlib.suppress(Pbx112Error):
                await _dial_code(plan, operator, LOG_OUT_CODE)
        raise
    finally:
        with contextlib.suppress(SoftphoneError):
            await operator.unregister(2.0)


async def _register(plan: DrillPlan, operator: Softphone) -> None:
    step = f"operator {plan.operator} registered at {plan.operator_door}"
    try:
        await operator.register(plan.operator, plan.operator_secret, plan.operator_door, plan.step_deadline_s)
    except RegistrationFailed as failed:
        # Asterisk says 401 for an account it does not have too, so that nobody can find out names.
        account = "the operator's secret, and whether the account is in the applied configuration"
        raise DrillFailed(step, str(failed), account if failed.code in (401, 403, 404) else RUNS) from failed
    except SoftphoneTimeout as timeout:
        raise DrillFailed(step, "nobody answered", RUNS) from timeout


async def _dial_code(plan: DrillPlan, operator: Softphone, code: str) -> None:
    step = f"operator {plan.operator} dialled {code}"
    placed = await operator.call(f"sip:{code}@{plan.operator_door}")
    try:
        # It is done when it is answered: the prompt behind it is for people.
        await operator.wait_for("confirmed", plan.step_deadline_s, placed.call)
        await operator.hangup(placed.call)
        await operator.wait_for("disconnected", plan.step_deadline_s, placed.call)
    except CallOver as over:
        raise DrillFailed(step, _words(over.event), "the feature codes in the operators' dialplan context") from over
    except SoftphoneTimeout as timeout:
        raise DrillFailed(
            step,
            "it was not answered and ended in time",
            "the dialplan at that code (asterisk -rx 'core show channels')",
        ) from timeout


async def _talk(plan: DrillPlan, operator: Softphone, caller: Softphone, progress: Progress) -> DrillResult:
    progress(f"{plan.caller_number} calls {plan.service_number} from {plan.caller_source_ip}")
    placed = await caller.call(
        f"sip:{plan.service_number}@{plan.carrier_door}",
        {"P-Asserted-Identity": f"<sip:{plan.caller_number}@{plan.caller_source_ip}>"},
    )
    try:
        answered = await _answered(plan, operator, caller, progress)
        progress(f"they talk for {plan.talk_seconds:g} s")
        caller_hears, operator_hears = await _listen(plan, operator, caller)
    except BaseException:
        with contextlib.suppress(SoftphoneError):
            await caller.hangup()  # or the drill would be offered to other operators
        raise
    progress("the caller hangs up")
    ended = await _hang_up(plan, operator, caller)
    return DrillResult(
        sip_call_id=placed.sip_call_id,
        invite_sent=(await caller.wait_for("calling", 1, placed.call)).at,
        ringing=next((e.at for e in caller.events if e.name == "call_state" and e.facts["state"] == "early"), None),
        answered=answered.at,
        ended=ended.at,
        audio_caller_hears=caller_hears,
        audio_operator_hears=operator_hears,
    )


async def _answered(plan: DrillPlan, operator: Softphone, caller: Softphone, progress: Progress) -> PhoneEvent:
    """The caller's 200 OK, once it is sure that it was this operator who answered."""
    step = f"the caller waited for operator {plan.operator}"
    taking = asyncio.create_task(_take_own_call(plan, operator, progress), name="drill: operator")
    confirmed = asyncio.create_task(caller.wait_for("confirmed", plan.step_deadline_s), name="drill: caller")
    try:
        await asyncio.wait({taking, confirmed}, return_when=asyncio.FIRST_COMPLETED)
        if confirmed.done():
            await confirmed
            await asyncio.wait({taking}, timeout=1.0)  # the caller's phone may tell of the answer first
            if not taking.done() or taking.exception() is not None:
                look_at = f"which other operators were logged in, and the penalty of {plan.operator}"
                raise DrillFailed(step, "somebody answered, but not this operator", look_at)
        call = await taking
        answered = await confirmed
        await operator.wait_for("confirmed", 1.0, call)
    except CallOver as over:
        raise DrillFailed(step, f"112 refused the caller: {_words(over.event)}", _refusal_hint(plan, over)) from over
    except (SoftphoneTimeout, TimeoutError) as timeout:
        raise DrillFailed(step, *_silence(plan, operator)) from timeout
    finally:
        for task in (taking, confirmed):
            task.cancel()
        await asyncio.gather(taking, confirmed, return_exceptions=True)
    return answered


async def _take_own_call(plan: DrillPlan, operator: Softphone, progress: Progress) -> int:
    """Answer the drill's call. Any other is refused at once: the queue then offers it to a human operator."""
    async with asyncio.timeout(plan.step_deadline_s):
        while True:
            incoming = await operator.wait_incoming(plan.step_deadline_s)
            if not is_own_call(plan.caller_number, str(incoming.facts["message"])):
                progress(f"operator {plan.operator} was offered another call, and refused it")
                await operator.reject(486, incoming.call)
                continue
            progress(f"operator {plan.operator} rings, and answers after {RING_S:g} s")
            await asyncio.sleep(RING_S)
            await operator.answer(200, incoming.call)
            return incoming.call


def is_own_call(caller_number: str, message: str) -> bool:
    """By the number's last digits, as the number may have been rewritten: +62811.., 62811.., 0811.. ."""
    head = message.split("\r\n\r\n", 1)[0]
    names = [line for line in head.split("\r\n") if line.lower().startswith(("from:", "p-asserted-identity:"))]
    return any(caller_number[-OWN_DIGITS:] in name for name in names)


def _silence(plan: DrillPlan, operator: Softphone) -> tuple[str, str]:
    offered = [str(event.facts["message"]) for event in operator.events if event.name == "incoming"]
    if any(is_own_call(plan.caller_number, message) for message in offered):
        return "the operator's phone rang, but its answer did not reach the caller", "Asterisk's log"
    if offered:
        return (
            "the operator was offered calls that did not show the drill's number, and refused them",
            f"whether people wait in the queue, and whether operators are shown the number {plan.caller_number}",
        )
    return (
        "the operator's phone never rang",
        f"whether {plan.operator} is logged in to the queue (pbx112 queues), and the dialplan of the trunk",
    )


def _refusal_hint(plan: DrillPlan, over: CallOver) -> str:
    if over.event.code in (401, 403):
        return f"whether {plan.caller_source_ip} is a trunk's source (pbx112 trunks)"
    if over.event.code in (404, 484):
        return f"whether the trunk's dialplan context knows {plan.service_number}"
    return f"{RUNS}, its log, and the queue's members"


async def _listen(plan: DrillPlan, operator: Softphone, caller: Softphone) -> tuple[bool, bool]:
    tones = [plan.caller_tone_hz, plan.operator_tone_hz]
    try:
        by_caller, by_operator = await asyncio.gather(
            caller.hear(plan.talk_seconds, tones), operator.hear(plan.talk_seconds, tones)
        )
    except SoftphoneError as error:
        raise DrillFailed("they talked", str(error), "Asterisk's log: the call ended by itself") from error
    return by_caller[plan.operator_tone_hz].present, by_operator[plan.caller_tone_hz].present


async def _hang_up(plan: DrillPlan, operator: Softphone, caller: Softphone) -> PhoneEvent:
    step = "the caller hung up"
    try:
        await caller.hangup()
        ended = await caller.wait_for("disconnected", plan.step_deadline_s)
        await operator.wait_for("disconnected", plan.step_deadline_s)
    except SoftphoneError as error:
        raise DrillFailed(step, str(error), "the channels that are left (asterisk -rx 'core show channels')") from error
    return ended


def _words(event: PhoneEvent) -> str:
    return f"the call ended with {event.code} {event.facts['reason']}"
