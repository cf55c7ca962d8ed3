"""How a scripted phone sets PJSUA2 up: no threads of its own for SIP, no sound card, two codecs, no NAT tricks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from pbx112.host.softphone_media import CLOCK_RATE

CODECS = ("PCMA/8000/1", "PCMU/8000/1")
TRANSPORTS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """The command `start`: where and how the phone speaks."""

    ip: str
    port: int = 0
    transport: str = "udp"
    srtp: bool = False
    user: str = "phone"
    log_level: int = 0

    def at_transport(self, uri: str) -> str:
        """The URI with the phone's transport, which PJSIP would take for UDP otherwise."""
        return uri if self.transport == "udp" or ";transport=" in uri else f"{uri};transport={self.transport}"


def open_stack(settings: PhoneSettings) -> tuple[Any, int]:
    """Start PJSUA2 and open the SIP socket: the endpoint and the port."""
    endpoint = open_endpoint(settings.log_level)
    transport = pj.TransportConfig()
    transport.boundAddress = settings.ip
    transport.port = settings.port
    transport_id = endpoint.transportCreate(TRANSPORTS[settings.transport], transport)
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    for codec in endpoint.codecEnum2():
        # Two codecs keep the INVITE below the size at which PJSIP leaves UDP for TCP.
        endpoint.codecSetPriority(codec.codecId, 200 if codec.codecId in CODECS else 0)
    return endpoint, int(endpoint.transportGetInfo(transport_id).localName.rsplit(":", 1)[1])


def open_endpoint(log_level: int) -> Any:
    """PJSUA2 without threads of its own for SIP: its callbacks come from `libHandleEvents` only."""
    settings = pj.EpConfig()
    settings.uaConfig.threadCnt = 0
    settings.uaConfig.mainThreadOnly = True
    settings.uaConfig.userAgent = "pbx112-softphone"
    settings.logConfig.level = log_level
    settings.logConfig.consoleLevel = log_level
    settings.medConfig.clockRate = CLOCK_RATE
    settings.medConfig.sndClockRate = CLOCK_RATE
    settings.medConfig.sndAutoCloseTime = -1  # the null device is the clock: without it the bridge stands still
    settings.medConfig.noVad = True
    settings.medConfig.ecTailLen = 0
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    endpoint.libInit(settings)
    return endpoint


def local_account(settings: PhoneSettings, port: int) -> Any:
    """The identity of a phone that is registered nowhere: its own address."""
    account = account_settings(settings, f"sip:{settings.user}@{settings.ip}:{port}")
    if settings.transport != "udp":
        # Left to itself PJSIP answers with the Contact 127.0.0.1, whichever address it is bound to.
        account.sipConfig.contactForced = f"<{settings.at_transport(account.idUri)}>"
    return account


def registered_account(settings: PhoneSettings, user: str, secret: str, server: str, expires_s: int) -> Any:
    """The identity of an account at a registrar, with its digest secret."""
    account = account_settings(settings, f"sip:{user}@{server}")
    account.regConfig.registrarUri = settings.at_transport(f"sip:{server}")
    account.regConfig.timeoutSec = expires_s
    account.regConfig.retryIntervalSec = 0
    account.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, secret))
    return account


def account_settings(settings: PhoneSettings, identity: str) -> Any:
    """What both have in common: no guessing of addresses, RTP on the phone's address."""
    account = pj.AccountConfig()
    account.idUri = identity
    account.natConfig.contactRewriteUse = 0
    account.natConfig.viaRewriteUse = 0
    account.natConfig.sdpNatRewriteUse = 0
    account.natConfig.sipOutboundUse = 0
    account.natConfig.udpKaIntervalSec = 0
    media = account.mediaConfig
    media.transportConfig.boundAddress = settings.ip
    media.transportConfig.port = 0
    media.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL if settings.srtp else pj.PJMEDIA_SRTP_DISABLED
    media.srtpSecureSignaling = 0
    return account
