"""Every channel variable and channel function that the intake reads or sets, and the AGI lines that do it."""

import base64
import binascii
import re
import uuid

from pbx112.agi.display import shown_name, shown_number
from pbx112.domain.caller import SipIdentity
from pbx112.domain.record import Intake
from pbx112.services.intake import UNREADABLE, ArrivedCall, Routing

QUEUE = "PBX112_QUEUE"
PRIORITY = "PBX112_PRIORITY"
LANG = "PBX112_LANG"
CALL_ID = "PBX112_CALL_ID"
CALLER_NUM = "PBX112_CALLER_NUM"
CALLER_NAME = "PBX112_CALLER_NAME"
INTAKE = "PBX112_INTAKE"
"""The sentinel, set last: the dialplan tests it, because a dying server yields AGISTATUS=SUCCESS too."""

_READ = {
    "endpoint": "CHANNEL(endpoint)",
    "linkedid": "CHANNEL(linkedid)",
    "extension": "EXTEN",
    "asserted1": "PJSIP_HEADER(read,P-Asserted-Identity,1)",
    "asserted2": "PJSIP_HEADER(read,P-Asserted-Identity,2)",
    "from": "PJSIP_HEADER(read,From,1)",
    "privacy": "PJSIP_HEADER(read,Privacy,1)",
    "remote_party": "PJSIP_HEADER(read,Remote-Party-ID,1)",
    "contact": "PJSIP_HEADER(read,Contact,1)",
    "access_network1": "PJSIP_HEADER(read,P-Access-Network-Info,1)",
    "service_urn": "PJSIP_HEADER(read,X-Service-URN,1)",
    "access_network2": "PJSIP_HEADER(read,P-Access-Network-Info,2)",
}
_PARENTHESES = "(" * 8
_UNSAFE = re.compile(r"[^A-Za-z0-9 +?._-]")


def read_command(token: str) -> str:
    """One line that fetches everything; its answer starts with `token`, which the caller cannot have guessed.

    Values come as base64, because a header may hold line breaks. Asterisk looks for a `:` outside of
    parentheses in the text *after* the header was put in and takes the rest for a substring's offset: an
    unmatched `)` before a `:` in a header would empty the value. The opening parentheses outweigh eight of
    those, and the token behind the value shows whether it came whole.
    """
    return f"GET FULL VARIABLE {token}|" + "|".join(
        f"${{BASE64_ENCODE({_PARENTHESES}${{{expression}}}{token})}}" for expression in _READ.values()
    )


def read_answer(data: str, token: str) -> ArrivedCall:
    """The call told by the answer to `read_command`; a value that did not come whole is UNREADABLE."""
    words = data.split("|")[1:]
    words += [""] * (len(_READ) - len(words))
    told = {name: _decoded(word, token) for name, word in zip(_READ, words, strict=False)}
    asserted = [told["asserted1"], told["asserted2"]]
    access_network = [told["access_network1"], told["access_network2"]]
    return ArrivedCall(
        endpoint=told["endpoint"],
        linkedid=told["linkedid"],
        extension=told["extension"],
        identity=SipIdentity(
            asserted="\n".join(value for value in asserted if value),
            from_=told["from"],
            contact=told["contact"],
            privacy=told["privacy"],
            remote_party=told["remote_party"],
        ),
        access_network=", ".join(value for value in access_network if value),
        service_urn=told["service_urn"],
    )


def set_command(routing: Routing, call: uuid.UUID | None, by: Intake) -> str:
    """One line that sets everything the dialplan goes by, the sentinel last."""
    values = {
        QUEUE: routing.queue,
        PRIORITY: str(routing.priority),
        LANG: routing.language,
        CALL_ID: str(call or ""),
        CALLER_NUM: shown_number(routing.caller),
        CALLER_NAME: shown_name(routing.caller, routing.language),
        INTAKE: by,
    }
    return 'EXEC MSet "' + ",".join(f"{name}={safe(value)}" for name, value in values.items()) + '"'


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
