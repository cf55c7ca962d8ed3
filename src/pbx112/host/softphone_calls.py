"""One call of a scripted phone: what PJSUA2 reports about it, told as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import pjsua2 as pj

from pbx112.host.softphone_media import Listener, ToneSource

Facts = dict[str, Any]  # one JSON line

STATES = {
    pj.PJSIP_INV_STATE_CALLING: "calling",
    pj.PJSIP_INV_STATE_INCOMING: "incoming",
    pj.PJSIP_INV_STATE_EARLY: "early",
    pj.PJSIP_INV_STATE_CONNECTING: "connecting",
    pj.PJSIP_INV_STATE_CONFIRMED: "confirmed",
    pj.PJSIP_INV_STATE_DISCONNECTED: "disconnected",
}


@dataclass(frozen=True, slots=True)
class IncomingPlan:
    """How the phone takes incoming calls: ring only (the default), answer after a while, or reject with a code."""

    ring: bool = True
    answer_after: float | None = None
    reject: int | None = None


class CallOwner(Protocol):
    """What a call needs of its phone."""

    tone: ToneSource

    def tell(self, event: str, **facts: object) -> None: ...

    def guard(self, action: Any) -> None: ...


class PhoneCall(pj.Call):  # type: ignore[misc]  # PJSUA2 has no types
    """A call with its number in this phone, its audio, and who ended it."""

    def __init__(self, phone: CallOwner, account: Any, number: int, call_id: int) -> None:
        super().__init__(account, call_id)
        self.number = number
        self.over = False
        self.audio: Any = None
        self.listener = Listener()
        self._phone = phone
        self._ended_here = False
        self._last_message = ""

    # -- commands ----------------------------------------------------------------------------------------------

    def invite(self, uri: str, headers: dict[str, str], from_uri: str | None) -> None:
        """Send the INVITE."""
        operation = pj.CallOpParam(True)
        for name, value in headers.items():
            operation.txOption.headers.append(sip_header(name, value))
        if from_uri is not None:
            operation.txOption.localUri = from_uri
        self.makeCall(uri, operation)

    def respond(self, code: int) -> None:
        """Answer the INVITE with a status code."""
        self._ended_here = code >= 300
        operation = pj.CallOpParam(True)
        operation.statusCode = code
        self.answer(operation)

    def end(self, code: int, reason: str | None) -> None:
        """End the call in the way its state asks for."""
        self._ended_here = True
        operation = pj.CallOpParam(True)
        operation.statusCode = code
        if reason is not None:
            operation.txOption.headers.append(sip_header("Reason", reason))
        self.hangup(operation)

    def send_dtmf(self, digits: str, method: str) -> None:
        """Send digits, as RFC 2833 events or by SIP INFO."""
        if method == "rfc2833":
            self.dialDtmf(digits)
            return
        param = pj.CallSendDtmfParam()
        param.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
        param.digits = digits
        self.sendDtmf(param)

    # -- what PJSUA2 reports -----------------------------------------------------------------------------------

    def onCallTsxState(self, prm: Any) -> None:  # noqa: N802  # PJSUA2's name
        """Keep the far end's last message: the BYE or refusal in it holds the cause."""
        self._phone.guard(lambda: self._remember(prm.e))

    def onCallState(self, prm: Any) -> None:  # noqa: N802
        """Tell the new state."""
        self._phone.guard(lambda: self._tell_state(prm.e))

    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802
        """Join tone and ear to the call's audio, again after each re-INVITE: the port may be another then."""
        self._phone.guard(self._join_audio)

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        """Tell a digit that the far end sent."""
        self._phone.guard(lambda: self._phone.tell("dtmf", call=self.number, digit=prm.digit))

    def _remember(self, event: Any) -> None:
        if event.body.tsxState.type == pj.PJSIP_EVENT_RX_MSG:
            self._last_message = event.body.tsxState.src.rdata.wholeMsg

    def _tell_state(self, event: Any) -> None:
        if event.type == pj.PJSIP_EVENT_TSX_STATE:
            self._remember(event)
        info = self.getInfo()
        facts: Facts = {"call": self.number, "state": STATES.get(info.state, "null")}
        facts |= {"sip_call_id": info.callIdString, "code": info.lastStatusCode, "reason": info.lastReason}
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            facts |= {"by": "near" if self._ended_here else "far", "cause": header(self._last_message, "Reason")}
            self.over = True
            self.audio = None
            self.listener.stop()
        self._phone.tell("call_state", **facts)

    def _join_audio(self) -> None:
        info = self.getInfo()  # kept in a name: its media list is freed with it, and would be read as garbage
        for index, media in enumerate(info.media):
            active = media.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)
            if media.type != pj.PJMEDIA_TYPE_AUDIO or not active:
                continue
            self.audio = self.getAudioMedia(index)
            # As on a real phone, something always speaks and listens: without it no RTP is sent and the jitter buffer
            # stands still, and the next tone would be heard a second late.
            devices = pj.Endpoint.instance().audDevManager()
            devices.getCaptureDevMedia().startTransmit(self.audio)
            self.audio.startTransmit(devices.getPlaybackDevMedia())
            self._phone.tone.join(self.audio)
            self.listener.join(self.audio)
            self._phone.tell("media_active", call=self.number, srtp="SRTP status: Active" in self.dump(True, ""))


def sip_header(name: str, value: str) -> Any:
    """A header for PJSUA2."""
    made = pj.SipHeader()
    made.hName = name
    made.hValue = value
    return made


def header(message: str, name: str) -> str | None:
    """The value of a header in a SIP message, or None."""
    for line in message.split("\r\n\r\n", 1)[0].split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.strip().lower() == name.lower():
            return value.strip()
    return None
