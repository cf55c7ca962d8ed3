"""Every channel variable and channel function that the intake reads or sets, and the AGI lines that do it."""

import base64
import binascii
import re
import uuid
from collections.abc import Mapping, Sequence

from pbx112.agi.display import shown_name, shown_number
from pbx112.domain.addresses import UNREADABLE
from pbx112.domain.caller import SipIdentity
from pbx112.domain.record import Intake, Reordered
from pbx112.services.intake import ArrivedCall, Routing

QUEUE = "PBX112_QUEUE"
PRIORITY = "PBX112_PRIORITY"
USUAL = "PBX112_USUAL"
"""The queue's own priority, for a caller who has another one for PATIENCE seconds; empty for everybody else."""

PATIENCE = "PBX112_PATIENCE"
LANG = "PBX112_LANG"
CALL_ID = "PBX112_CALL_ID"
CALLER_NUM = "PBX112_CALLER_NUM"
CALLER_NAME = "PBX112_CALLER_NAME"
FACTS = "PBX112_FACTS"
"""What agencies are told of the caller (agi/handed.py)."""

INTAKE = "PBX112_INTAKE"
"""The sentinel, set last: the dialplan tests it, because a dying server yields AGISTATUS=SUCCESS too."""


def _header(name: str, line: int = 1) -> str:
    return f"PJSIP_HEADER(read,{name},{line})"


_QUESTIONS = (
    {
        "endpoint": "CHANNEL(endpoint)",
        "linkedid": "CHANNEL(linkedid)",
        "extension": "CALLERID(dnid)",  # EXTEN is `s` here; what was dialled is one of trunk.conf, exactly
        "sip_call_id": "CHANNEL(pjsip,call-id)",
        "remote": "CHANNEL(pjsip,remote_addr)",
        "asserted1": _header("P-Asserted-Identity"),
        "asserted2": _header("P-Asserted-Identity", 2),
        "asserted3": _header("P-Asserted-Identity", 3),
        "from": _header("From"),
        "privacy": _header("Privacy"),
        "remote_party": _header("Remote-Party-ID"),
        "contact": _header("Contact"),
        "accept-language": _header("Accept-Language"),
    },
    {
        "x-service-urn": _header("X-Service-URN"),
        "p-access-network-info 1": _header("P-Access-Network-Info"),
        "p-access-network-info 2": _header("P-Access-Network-Info", 2),
        "cellular-network-info": _header("Cellular-Network-Info"),
        "priority": _header("Priority"),
        "resource-priority": _header("Resource-Priority"),
        "call-info 1": _header("Call-Info"),
        "call-info 2": _header("Call-Info", 2),
        "history-info 1": _header("History-Info"),
        "history-info 2": _header("History-Info", 2),
        "diversion": _header("Diversion"),
        "geolocation 1": _header("Geolocation"),
        "geolocation 2": _header("Geolocation", 2),
    },
)
"""What is asked, a question a line of fewer than 1,000 bytes; names with a number are lines of one header."""

_IDENTITY = ("asserted1", "asserted2", "asserted3", "from", "privacy", "remote_party", "contact")
_CALL = ("endpoint", "linkedid", "extension", "sip_call_id", "remote")
_PARENTHESES = "(" * 8
_UNSAFE = re.compile(r"[^A-Za-z0-9 +?._-]")


def read_commands(token: str) -> list[str]:
    """The lines that fetch everything; each answer starts with `token`, which the caller cannot have guessed.

    Values come as base64, because a header may hold line breaks. Asterisk looks for a `:` outside of
    parentheses in the text *after* the header was put in and takes the rest for a substring's offset: an
    unmatched `)` before a `:` in a header would empty the value. The opening parentheses outweigh eight of
    those, and the token behind the value shows whether it came whole.
    """
    return [
        f"GET FULL VARIABLE {token}|"
        + "|".join(f"${{BASE64_ENCODE({_PARENTHESES}${{{expression}}}{token})}}" for expression in question.values())
        for question in _QUESTIONS
    ]


def read_answers(answers: Sequence[str], token: str) -> ArrivedCall:
    """The call told by the answers to `read_commands`; a value that did not come whole is UNREADABLE."""
    told: dict[str, str] = {}
    for question, data in zip(_QUESTIONS, answers, strict=True):
        words = data.split("|")[1:]
        words += [""] * (len(question) - len(words))
        told |= {name: _decoded(word, token) for name, word in zip(question, words, strict=False)}
    return ArrivedCall(
        endpoint=told["endpoint"],
        linkedid=told["linkedid"],
        extension=told["extension"],
        sip_call_id=told["sip_call_id"],
        remote=told["remote"],
        identity=SipIdentity(
            asserted=_joined(told["asserted1"], told["asserted2"], told["asserted3"]),
            from_=told["from"],
            contact=told["contact"],
            privacy=told["privacy"],
            remote_party=told["remote_party"],
        ),
        headers=_headers(told),
    )


def _headers(told: Mapping[str, str]) -> dict[str, str]:
    """All other headers by their names in lower case, the lines of one joined by line breaks; none that is empty."""
    headers: dict[str, str] = {}
    for name, value in told.items():
        if name not in _IDENTITY and name not in _CALL and value:
            header = name.partition(" ")[0]
            headers[header] = _joined(headers.get(header, ""), value)
    return headers


def _joined(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def set_command(routing: Routing, call: uuid.UUID | None, by: Intake, facts: str = "") -> str:
    """One line that sets everything the dialplan goes by, the sentinel last. `facts` is safe as `handed` made it."""
    values = {
        QUEUE: routing.queue,
        PRIORITY: str(routing.priority),
        **_order(routing.reordered),
        LANG: routing.language,
        CALL_ID: str(call or ""),
        CALLER_NUM: shown_number(routing.caller),
        CALLER_NAME: shown_name(routing.caller, routing.language),
    }
    told = ",".join(f"{name}={safe(value)}" for name, value in values.items())
    known = f",{FACTS}={facts}" if facts else ""
    return f'EXEC MSet "{told}{known},{INTAKE}={by}"'


def _order(reordered: Reordered | None) -> dict[str, str]:
    return {} if reordered is None else {USUAL: str(reordered.usual), PATIENCE: str(reordered.seconds)}


def safe(value: str) -> str:
    """The value without anything that MSet, an AGI line or a SIP display name would read as more than text."""
    return _UNSAFE.sub("", value)[:80].strip()


def _decoded(word: str, token: str) -> str:
    try:
        text = base64.b64decode(word, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return UNREADABLE
    if not text.startswith(_PARENTHESES) or not text.endswith(token):
        return UNREADABLE
    return text[len(_PARENTHESES) : -len(token)]
