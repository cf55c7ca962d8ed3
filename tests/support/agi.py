"""Asterisk's side of an AGI dialogue, with environments and answers as Asterisk 22.10.1 sent them."""

import base64
from collections.abc import Mapping

ENVIRONMENT = (
    b"agi_network: yes\nagi_network_script: intake\nagi_request: agi://127.0.0.1:4573/intake\n"
    b"agi_channel: PJSIP/carrier-a-00000013\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: 1795287756.19\n"
    b"agi_version: 22.10.1\nagi_callerid: %s\nagi_calleridname: %s\nagi_callingpres: 0\nagi_callingani2: 0\n"
    b"agi_callington: 0\nagi_callingtns: 0\nagi_dnid: 112\nagi_rdnis: unknown\nagi_context: intake\n"
    b"agi_extension: s\nagi_priority: 12\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 140056302077632\n\n"
)

PLAIN = ENVIRONMENT % (b"+6281234567890", b"unknown")

HOSTILE = ENVIRONMENT % (
    b"1\n\n200 result=1 (x)\nagi_network_script: evil\n520-Invalid command syntax.  Proper usage follows:\nHANGUP\n",
    b'Jos\xe9 \r"x',
)
"""From `<sip:1%0a%0a200%20result=1%20(x)%0a..@c>`: the environment ends early, its rest looks like answers."""

USAGE = b"520-Invalid command syntax.  Proper usage follows:\nSets a variable.\nAnd more.\n520 End of proper usage.\n"

ORDERS = (
    (
        *("endpoint", "linkedid", "extension", "sip_call_id", "remote", "asserted1", "asserted2", "asserted3"),
        *("from", "privacy", "remote_party", "contact", "accept_language"),
    ),
    (
        *("service_urn", "access_network1", "access_network2", "cellular", "priority", "resource_priority"),
        *("call_info1", "call_info2", "history1", "history2", "diversion", "geolocation1", "geolocation2"),
    ),
)
"""What the intake asks, question by question."""

CALL = {
    "endpoint": "carrier-a",
    "linkedid": "1795287756.19",
    "extension": "112",
    "asserted1": "<sip:+6281234567890@carrier.example>",
}


class AsteriskSide:
    """Answers the intake's commands as Asterisk does, and keeps what was set and written."""

    def __init__(self, values: Mapping[str, str] = CALL) -> None:
        self._values = values
        self.commands: list[str] = []
        self.variables: dict[str, str] = {}
        self.words: list[str] = []

    def answer(self, line: bytes) -> bytes:
        """The answer to one command line."""
        command = line.decode("ascii").rstrip("\n")
        self.commands.append(command)
        if command.startswith("GET FULL VARIABLE "):
            token = command.split()[3].split("|")[0]
            order = ORDERS[len([old for old in self.commands if old.startswith("GET FULL")]) - 1]
            words = [self._word(name, token) for name in order]
            return f"200 result=1 ({'|'.join([token, *words])})\n".encode()
        if command.startswith("EXEC CELGenUserEvent PBX112_INTAKE,"):
            self.words.append(command.split(",", 1)[1])
            return b"200 result=0\n"
        if command.startswith('EXEC MSet "'):
            pairs = command.removeprefix('EXEC MSet "').removesuffix('"').split(",")
            self.variables.update((name, value) for name, _, value in (pair.partition("=") for pair in pairs))
            return b"200 result=0\n"
        return b"510 Invalid or unknown command\n"

    def _word(self, name: str, token: str) -> str:
        return base64.b64encode(f"(((((((({self._values.get(name, '')}{token}".encode()).decode()
