"""Where an arriving call goes: a pure decision from what the trunk told and what the centre configured.

Shared by the FastAGI server and the classic script, so it imports the domain only (the script starts cold
for every call).
"""

import re
from dataclasses import dataclass, field, replace

from pbx112.domain.caller import RAW_LIMIT, Caller, CallerClass, SipIdentity, classify, clean
from pbx112.domain.configuration import Configuration, Queue, Trunk

UNREADABLE = "?"
"""Stands for a header that is there and could not be fetched whole; it never reads as a number."""

_SERVICE = re.compile(r"urn:service:(sos(?:\.[a-z0-9-]{1,40}){0,3})(?![a-z0-9.-])", re.IGNORECASE)
_SERVICES = frozenset(
    {
        "sos",
        "sos.ambulance",
        "sos.animal-control",
        "sos.ecall.automatic",
        "sos.ecall.manual",
        "sos.fire",
        "sos.gas",
        "sos.marine",
        "sos.mountain",
        "sos.physician",
        "sos.poison",
        "sos.police",
    }
)
_NOBODY = Caller(CallerClass.UNPARSEABLE, warnings=("number_unreadable",))


CUT = "…"
"""Stands at the end of a text that was longer than what is kept of it."""


@dataclass(frozen=True, slots=True)
class ArrivedCall:
    """A call on its trunk, as Asterisk tells it; header values are raw, an absent one is an empty string.

    `endpoint` is the PJSIP endpoint, which is the trunk's name. Several P-Asserted-Identity lines stand in
    `identity.asserted`, one a line.
    """

    endpoint: str
    linkedid: str
    extension: str = ""
    identity: SipIdentity = field(default_factory=SipIdentity)
    access_network: str = ""
    service_urn: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """What the intake decided. (When the trunk is answered stands in the dialplan: it must hold without us, too.)"""

    caller: Caller
    queue: str
    priority: int
    language: str
    service: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator must know of this call, as stable words."""
        return self.caller.warnings


def route(call: ArrivedCall, configuration: Configuration) -> Routing:
    """Decide queue, priority, language and caller class. Never raises: the worst answer is the default queue."""
    try:
        return _decide(call, configuration)
    except Exception:
        # A rule that fails must not cost the call its queue; the warning tells that one did.
        return _to(Queue(configuration.default_queue, configuration.default_queue), _warned(_NOBODY), "sos")


def read_service(*texts: str) -> str:
    """The emergency service (RFC 5031) named by the first text that has one; `sos` when none or unknown."""
    for text in texts:
        found = _SERVICE.search(text)
        if found is not None:
            service = found.group(1).lower()
            return service if service in _SERVICES else "sos"
    return "sos"


def _decide(call: ArrivedCall, configuration: Configuration) -> Routing:
    trunk = configuration.trunk(call.endpoint)
    queue = configuration.queue(configuration.default_queue)
    if queue is None:
        queue = Queue(configuration.default_queue, configuration.default_queue)
    return _to(queue, _caller(call, trunk), read_service(call.service_urn, call.extension))


def _to(queue: Queue, caller: Caller, service: str) -> Routing:
    return Routing(
        caller=caller,
        queue=queue.name,
        priority=queue.priority,
        language=queue.language,
        service=service,
    )


def _caller(call: ArrivedCall, trunk: Trunk | None) -> Caller:
    if trunk is None:
        caller = classify(call.identity, trusted=False)
        return replace(caller, warnings=(*caller.warnings, "unknown_trunk"))
    try:
        return _classified(call, trunk, trunk.pseudo_patterns)
    except Exception:
        # Most likely a pattern that is no regular expression: the number is still worth having.
        return _warned(_classified(call, trunk, ()))


def _classified(call: ArrivedCall, trunk: Trunk, pseudo_patterns: tuple[str, ...]) -> Caller:
    return classify(
        call.identity,
        trusted=trunk.trusted,
        number_format=trunk.number_format,
        pseudo_patterns=pseudo_patterns,
    )


def _warned(caller: Caller) -> Caller:
    return replace(caller, warnings=(*caller.warnings, "intake_rule_failed"))


def raw_headers(call: ArrivedCall) -> dict[str, str]:
    """The headers that were there, by their names in lower case, bounded and safe to show.

    Without From, Contact and the first P-Asserted-Identity, which the dialplan writes down at the arrival,
    before any intake; with all of P-Asserted-Identity when there are several lines of it.
    """
    asserted = call.identity.asserted
    raw = {
        "p-access-network-info": call.access_network,
        "x-service-urn": call.service_urn,
        "p-asserted-identity": asserted.replace("\n", ", ") if "\n" in asserted else "",
        "remote-party-id": call.identity.remote_party,
        "privacy": call.identity.privacy,
    }
    return {name: clean(value) + (CUT if len(value) > RAW_LIMIT else "") for name, value in raw.items() if value}
