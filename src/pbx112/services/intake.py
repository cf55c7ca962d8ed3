"""Where an arriving call goes: a pure decision from what the trunk told and what the centre configured.

Shared by the FastAGI server and the classic script, so it imports the domain only (the script starts cold
for every call).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pbx112.domain.caller import RAW_LIMIT, Caller, CallerClass, SipIdentity, classify, clean
from pbx112.domain.configuration import Configuration, Queue, Trunk
from pbx112.domain.dialled import NumberReader, normalise
from pbx112.domain.entry import Entrant, Entry, entry_of, first_language
from pbx112.domain.marks import read_service
from pbx112.domain.record import Reordered

_NOBODY = Caller(CallerClass.UNPARSEABLE, warnings=("number_unreadable", "cannot_call_back"))


HEADER_LIMITS = {"geolocation": 1200, "p-access-network-info": 512, "cellular-network-info": 512, "call-info": 512}
"""Bytes (UTF-8) that are kept of a header, where it is not RAW_LIMIT."""
_MANY_LINES = frozenset({*HEADER_LIMITS, "p-asserted-identity", "history-info"})

CUT = "…"
"""Stands at the end of a text that was longer than what is kept of it."""


NUISANCE_WARNING = "nuisance_likely"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the operators made of this caller before: a warning for the next one, and perhaps a later place."""

    warning: str | None = None
    reordered: Reordered | None = None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the service knows beside the call and the configuration, from memory; the classic script knows nothing.

    `e164` reads a number in a trunk's format and `is_possible` tells what a telephone can have (as `classify` takes
    them). `location` gives the location documents of an INVITE by its Call-ID and address, `judge` says what is known
    of a caller at his queue's priority.
    """

    e164: NumberReader = normalise
    is_possible: Callable[[str], bool] = bool
    location: Callable[[str, str], str] = lambda sip_call_id, remote: ""
    judge: Callable[[Caller, int], Judgement] = lambda caller, priority: Judgement()


NO_KNOWLEDGE = Knowledge()


@dataclass(frozen=True, slots=True)
class ArrivedCall:
    """A call on its trunk, as Asterisk tells it; header values are raw, an absent one is an empty string.

    `endpoint` is the PJSIP endpoint, which is the trunk's name. Several P-Asserted-Identity lines stand in
    `identity.asserted`, one a line; `headers` are the others by their names in lower case, lines joined alike.
    """

    endpoint: str
    linkedid: str
    extension: str = ""
    sip_call_id: str = ""
    remote: str = ""
    identity: SipIdentity = field(default_factory=SipIdentity)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Routing:
    """What the intake decided. (When the trunk is answered stands in the dialplan: it must hold without us, too.)

    `entry_rule` is the number (from 1) of the rule that chose the queue; None: the default queue.
    """

    caller: Caller
    queue: str
    priority: int
    language: str
    service: str
    reordered: Reordered | None = None
    entry_rule: int | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator must know of this call, as stable words."""
        return self.caller.warnings


def located(call: ArrivedCall, knowledge: Knowledge) -> ArrivedCall:
    """The call with the location documents of its INVITE; whatever they hold, the call goes on. Never raises."""
    try:
        lines = knowledge.location(call.sip_call_id, call.remote)
    except Exception:
        # Most likely a document that is not what it should be: a location less, not a call.
        return call
    if not lines:
        return call
    geolocation = "\n".join(filter(None, (lines, call.headers.get("geolocation", ""))))
    return replace(call, headers={**call.headers, "geolocation": geolocation})


def route(call: ArrivedCall, configuration: Configuration, knowledge: Knowledge = NO_KNOWLEDGE) -> Routing:
    """Decide queue, priority, language and caller class. Never raises: the worst answer is the default queue."""
    try:
        routing = _decide(call, configuration, knowledge)
        trunk = configuration.trunk(call.endpoint)
        return routing if trunk is not None and trunk.drill else _judged(routing, knowledge)
    except Exception:
        # A rule that fails must not cost the call its queue; the warning tells that one did.
        return _to(Queue(configuration.default_queue, configuration.default_queue), _warned(_NOBODY), "sos")


def _decide(call: ArrivedCall, configuration: Configuration, knowledge: Knowledge) -> Routing:
    trunk = configuration.trunk(call.endpoint)
    service = read_service(call.headers.get("x-service-urn", ""), call.extension)
    caller = _caller(call, trunk, knowledge)
    try:
        # A drill has its operator in the default queue only, and tests the way that most calls go.
        entry = None if trunk is not None and trunk.drill else _entry(call, service, configuration)
    except Exception:
        caller, entry = _warned(caller), None
    if entry is None:
        default = configuration.default_queue
        return _to(configuration.queue(default) or Queue(default, default), caller, service)
    routing = replace(_to(entry.queue, caller, service), entry_rule=entry.number)
    return routing if entry.rule.priority is None else replace(routing, priority=entry.rule.priority)


def _entry(call: ArrivedCall, service: str, configuration: Configuration) -> Entry | None:
    language = first_language(call.headers.get("accept-language", ""))
    return entry_of(Entrant(call.endpoint, call.extension, service, language), configuration)


def _judged(routing: Routing, knowledge: Knowledge) -> Routing:
    """The same for a caller whom operators know. That this fails must not cost the call what was decided."""
    try:
        judgement = knowledge.judge(routing.caller, routing.priority)
    except Exception:
        return replace(routing, caller=_warned(routing.caller))
    if judgement.warning is not None:
        warnings = (*routing.caller.warnings, judgement.warning)
        routing = replace(routing, caller=replace(routing.caller, warnings=warnings))
    if judgement.reordered is None:
        return routing
    return replace(routing, priority=judgement.reordered.given, reordered=judgement.reordered)


def _to(queue: Queue, caller: Caller, service: str) -> Routing:
    return Routing(
        caller=caller,
        queue=queue.name,
        priority=queue.priority,
        language=queue.language,
        service=service,
    )


def _caller(call: ArrivedCall, trunk: Trunk | None, knowledge: Knowledge) -> Caller:
    if trunk is None:
        caller = classify(call.identity, trusted=False)
        return replace(caller, warnings=(*caller.warnings, "unknown_trunk"))
    return classify(
        call.identity,
        trusted=trunk.trusted,
        from_trusted=trunk.from_trusted,
        number_format=trunk.number_format,
        pseudo_patterns=trunk.pseudo_patterns,
        e164=knowledge.e164,
        is_possible=knowledge.is_possible,
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
        **call.headers,
        "p-asserted-identity": asserted if "\n" in asserted else "",
        "remote-party-id": call.identity.remote_party,
        "privacy": call.identity.privacy,
    }
    return {name: _kept(name, value) for name, value in raw.items() if value}


def _kept(name: str, value: str) -> str:
    """The header with everything made visible that is not to be printed, but for the breaks between its lines."""
    limit = HEADER_LIMITS.get(name, RAW_LIMIT)
    lines = value[:limit].split("\n") if name in _MANY_LINES else [value[:limit]]
    whole = "\n".join(map(_visible, lines)).encode("utf-8", "replace")
    kept = whole[:limit].decode("utf-8", "ignore")
    return kept + (CUT if len(value) > limit or len(whole) > limit else "")


def _visible(line: str) -> str:
    return "".join(clean(line[start : start + RAW_LIMIT]) for start in range(0, len(line), RAW_LIMIT))
