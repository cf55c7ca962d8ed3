"""A scripted phone: its accounts, its calls, and the commands it obeys."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pjsua2 as pj

from pbx112.host.softphone_calls import Facts, IncomingPlan, PhoneCall
from pbx112.host.softphone_media import ToneSource
from pbx112.host.softphone_stack import PhoneSettings, local_account, open_stack, registered_account

POLL_MS = 5
FAREWELL_S = 0.5


class Tell(Protocol):
    """Where the phone tells what happens."""

    def __call__(self, event: str, **facts: object) -> None: ...


class PhoneAccount(pj.Account):  # type: ignore[misc]  # PJSUA2 has no types
    """One SIP identity; its calls and registrations are told by the phone."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self._phone = phone

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802  # PJSUA2's name
        """Take the call as the phone's plan for incoming calls says."""
        self._phone.guard(lambda: self._phone.take_incoming(self, prm))

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        """Tell how a REGISTER ended."""
        self._phone.guard(lambda: self._phone.tell_registration(self, prm))


class Phone:
    """The phone's state and its commands; a method `do_x` is the command `x`."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.incoming = IncomingPlan()
        self.tone = ToneSource()
        self.quitting = False
        self._endpoint: Any = None
        self._accounts: list[PhoneAccount] = []
        self._calls: dict[int, PhoneCall] = {}
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._settings = PhoneSettings("")
        self._calls_made = 0

    # -- the loop's side ---------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Let PJSUA2 work, run what is due, and drop ended calls (never from inside a callback: it would crash)."""
        if self._endpoint is None:
            time.sleep(POLL_MS / 1000)
        else:
            self._endpoint.libHandleEvents(POLL_MS)
        now = time.monotonic()
        due = [entry for entry in self._due if entry[0] <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        for _, action in due:
            self.guard(action)
        for number in [number for number, call in self._calls.items() if call.over]:
            del self._calls[number]

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action from the loop after a while."""
        self._due.append((time.monotonic() + seconds, action))

    def guard(self, action: Callable[[], None]) -> None:
        """Run a callback; an exception that left it would abort the process inside C++."""
        try:
            action()
        except Exception as error:
            self.tell("fault", error=describe(error))

    def obey(self, command: Facts) -> None:
        """Carry out one command and answer it; a command that answers later returns None itself."""
        number = command.pop("id", None)
        name = str(command.pop("do", ""))
        try:
            method = getattr(self, f"do_{name}", None)
            if method is None:
                raise ValueError(f"there is no command {name!r}")  # noqa: TRY301  # answered like any failure
            answer = method(number, **command) if name == "hear" else method(**command)
        except Exception as error:
            self.tell("failed", id=number, error=describe(error))
            return
        if answer is not None:
            self.tell("done", id=number, **answer)

    def close(self) -> None:
        """Hang up, sign off, and end PJSUA2; the calls must be gone before it."""
        if self._endpoint is None:
            return
        self._endpoint.hangupAllCalls()
        for account in self._accounts:
            if account.getInfo().regIsActive:
                account.setRegistration(False)
        until = time.monotonic() + FAREWELL_S
        while time.monotonic() < until and (self._calls or any(a.getInfo().regIsActive for a in self._accounts)):
            self.poll()
        self._due.clear()
        self._calls.clear()
        self.tone.close()
        for account in self._accounts:
            account.shutdown()
        self._accounts.clear()
        # Without "no network" it would wait a full second for answers that have just been waited for.
        self._endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        self._endpoint = None

    # -- what PJSUA2 reports -----------------------------------------------------------------------------------

    def take_incoming(self, account: PhoneAccount, prm: Any) -> None:
        """An INVITE came: ring, and answer or reject as planned."""
        call = self._new_call(account, prm.callId)
        info = call.getInfo()
        self.tell(
            "incoming",
            call=call.number,
            sip_call_id=info.callIdString,
            caller=info.remoteUri,
            source=prm.rdata.srcAddress,
            message=prm.rdata.wholeMsg,
        )
        plan = self.incoming
        if plan.reject is not None:
            call.respond(plan.reject)
            return
        if plan.ring:
            call.respond(pj.PJSIP_SC_RINGING)
        if plan.answer_after is not None:
            self.later(plan.answer_after, lambda: None if call.over else call.respond(pj.PJSIP_SC_OK))

    def tell_registration(self, account: PhoneAccount, prm: Any) -> None:
        """A REGISTER was answered, or had no answer (PJSIP says 408 or 503 then)."""
        if prm.code // 100 != 2:
            self.tell("registration_failed", code=prm.code, reason=prm.reason)
        else:
            event = "registered" if account.getInfo().regIsActive else "unregistered"
            self.tell(event, code=prm.code, expires=prm.expiration)

    # -- commands ----------------------------------------------------------------------------------------------

    def do_start(self, **settings: Any) -> Facts:
        """Open the SIP socket on one address; RTP is bound to the same address."""
        self._settings = PhoneSettings(**settings)
        self._endpoint, port = open_stack(self._settings)
        self._add_account(local_account(self._settings, port))
        return {"ip": self._settings.ip, "port": port}

    def do_register(self, *, user: str, secret: str, server: str, expires_s: int = 300) -> Facts:
        """Register at host:port; `registered` or `registration_failed` follows."""
        self._add_account(registered_account(self._settings, user, secret, server, expires_s))
        return {}

    def do_unregister(self) -> Facts:
        """Sign off; `unregistered` follows."""
        self._accounts[-1].setRegistration(False)
        return {}

    def do_call(self, *, uri: str, headers: dict[str, str] | None = None, from_uri: str | None = None) -> Facts:
        """Send an INVITE with these headers, and with another From than the account's if one is given."""
        call = self._new_call(self._accounts[-1], pj.PJSUA_INVALID_ID)
        try:
            call.invite(self._settings.at_transport(uri), headers or {}, from_uri)
        except pj.Error:
            call.over = True
            raise
        return {"call": call.number, "sip_call_id": call.getInfo().callIdString}

    def do_on_incoming(
        self, *, ring: bool = True, answer_after: float | None = None, reject: int | None = None
    ) -> Facts:
        """What to do with calls that come from now on."""
        self.incoming = IncomingPlan(ring, answer_after, reject)
        return {}

    def do_answer(self, *, code: int = 200, call: int | None = None) -> Facts:
        """Answer an incoming call with a status code: 180, 183, 200, or a refusal."""
        self._call(call).respond(code)
        return {}

    def do_hangup(self, *, call: int | None = None, code: int = 0, reason: str | None = None) -> Facts:
        """CANCEL, BYE or refuse, whichever the call's state asks for; `reason` is the Reason header's value."""
        self._call(call).end(code, reason)
        return {}

    def do_dtmf(self, *, digits: str, method: str = "rfc2833", call: int | None = None) -> Facts:
        """Send digits by RFC 2833 events or by SIP INFO."""
        self._call(call).send_dtmf(digits, method)
        return {}

    def do_tone(self, *, frequency: int | None) -> Facts:
        """Speak: a steady sine into every call, now and later; null is silence."""
        self.tone.play(frequency, [call.audio for call in self._calls.values() if call.audio is not None])
        return {}

    def do_record(self, *, path: str, call: int | None = None) -> Facts:
        """Record what the far end says to a WAV file, until the call ends or `stop_recording`."""
        self._call(call).listener.record(Path(path))
        return {}

    def do_stop_recording(self, *, call: int | None = None) -> Facts:
        """Close the file of `record`."""
        self._call(call).listener.stop()
        return {}

    def do_hear(self, number: int, *, seconds: float, frequencies: list[int], call: int | None = None) -> Facts | None:
        """Listen to the far end for a while; the answer, which tones were there, comes after it."""
        listener = self._call(call).listener
        finish = listener.listen(frequencies, lambda heard: self.tell("done", id=number, heard=heard))
        self.later(seconds, lambda: self._settle(finish))
        return None

    def do_quit(self) -> Facts:
        """End the phone."""
        self.quitting = True
        return {}

    # -- inside ------------------------------------------------------------------------------------------------

    def _settle(self, finish: Callable[[], bool]) -> None:
        if not finish():
            self.later(0.02, lambda: self._settle(finish))

    def _new_call(self, account: PhoneAccount, call_id: int) -> PhoneCall:
        self._calls_made += 1
        call = PhoneCall(self, account, self._calls_made, call_id)
        self._calls[call.number] = call
        return call

    def _call(self, number: int | None) -> PhoneCall:
        alive = [call for call in self._calls.values() if not call.over]
        if number is not None:
            alive = [call for call in alive if call.number == number]
        if not alive:
            raise LookupError("there is no such call" if number is not None else "there is no call")
        return alive[-1]

    def _add_account(self, settings: Any) -> None:
        account = PhoneAccount(self)
        account.create(settings, True)
        self._accounts.append(account)


def describe(error: Exception) -> str:
    """An error in one line; PJSUA2's own errors have theirs in `info`."""
    info = getattr(error, "info", None)
    return str(info()) if callable(info) else f"{type(error).__name__}: {error}"
