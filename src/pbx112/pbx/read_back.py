"""Does Asterisk have what was rendered? Its own reports are held against the files, word by word.

What Asterisk reports: every priority of the dialplan, every SIP account with its password and settings, the carriers'
addresses, the queues with their strategy. It does not report a queue's times: for those counts that the file is in
place and app_queue read it without a complaint.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from pbx112.pbx.rendered import Section, dialplan, sections
from pbx112.services.ports import Reloader

_SHOWN = 5
_ENDPOINT_FIELDS = {
    "context": "context",
    "language": "language",
    "callerid": "callerid",
    "set_var": "setvar",
    "from_user": "fromuser",
    "aors": "aors",
    "auth": "auth",
    "identify_by": "identifyby",
    "geoloc_incoming_call_profile": "geolocincomingcallprofile",
}
"""A setting in pjsip.conf, and its name in AMI's EndpointDetail."""


async def differences(
    asterisk: Reloader, files: Mapping[str, str], changed: Iterable[str], endpoints: Iterable[str]
) -> list[str]:
    """What Asterisk has otherwise than the files say, in words; empty is good.

    `changed` are the files that were written, `endpoints` the SIP accounts whose every setting is asked for. Raises
    what Reloader raises.
    """
    names = set(changed)
    found: list[str] = []
    if names - {"pjsip.conf", "queues.conf", "queuerules.conf", "musiconhold.conf"}:
        found += _compared("dialplan", dialplan(files), await asterisk.dialplan())
    if "queues.conf" in names:
        queues = {s.name: s.last("strategy") for s in sections(files["queues.conf"]) if s.name != "general"}
        found += _compared("queue", queues, await asterisk.queues())
    if "pjsip.conf" in names:
        found += await _accounts(asterisk, sections(files["pjsip.conf"]), set(endpoints))
    return found


def changed_endpoints(before: str, after: str) -> set[str]:
    """The SIP endpoints that two texts of pjsip.conf have otherwise, the new ones among them."""
    old, new = (_by_kind(sections(text), "endpoint") for text in (before, after))
    return {name for name, section in new.items() if name not in old or old[name].values != section.values}


async def _accounts(asterisk: Reloader, file: list[Section], asked: set[str]) -> list[str]:
    endpoints = _by_kind(file, "endpoint")
    has = await asterisk.endpoints()
    found = _compared("SIP account", dict.fromkeys(endpoints, ""), dict.fromkeys(has, ""))
    passwords = {name: (s.last("username"), s.last("password")) for name, s in _by_kind(file, "auth").items()}
    told = await asterisk.passwords()
    found += [f"SIP account {name}: another password" for name in passwords if told.get(name) != passwords[name]]
    expected = {s.last("endpoint"): s.values.get("match", []) for s in _by_kind(file, "identify").values()}
    for name in sorted(asked & endpoints.keys() & has):
        told_of = await asterisk.endpoint(name)
        found += _settings(endpoints[name], told_of.settings)
        found += _addresses(name, expected.get(name, []), told_of.addresses)
    return found


def _settings(section: Section, told: Mapping[str, str]) -> list[str]:
    return [
        f"SIP account {section.name}, {setting}: {told.get(word, '')!r} instead of {section.last(setting)!r}"
        for setting, word in _ENDPOINT_FIELDS.items()
        if setting in section.values and _plain(told.get(word, "")) != _plain(section.last(setting))
    ]


def _addresses(name: str, wanted: Iterable[str], told: Iterable[str]) -> list[str]:
    has = {_network(address) for address in told}
    # A host name stands there as its addresses, which only Asterisk has looked up.
    missing = [source for source in wanted if _network(source) and _network(source) not in has]
    return [f"trunk {name}: {source} is not taken for its address" for source in missing]


def _network(address: str) -> str:
    try:
        return str(ip_network(address, strict=False))
    except ValueError:
        return ""


def _by_kind(file: Iterable[Section], kind: str) -> dict[str, Section]:
    return {s.name: s for s in file if not s.template and s.last("type") == kind}


def _plain(value: str) -> str:
    """Caller ids come back quoted."""
    return " ".join(value.replace('"', "").split())


def _compared(what: str, wanted: Mapping[Any, object], told: Mapping[Any, object]) -> list[str]:
    missing = [key for key in wanted if key not in told]
    more = [key for key in told if key not in wanted]
    other = [key for key in wanted if key in told and told[key] != wanted[key]]
    found = [f"{what} {_name(key)} is missing" for key in missing[:_SHOWN]]
    found += [f"{what} {_name(key)} should not be there" for key in more[:_SHOWN]]
    found += [f"{what} {_name(key)}: {told[key]!r} instead of {wanted[key]!r}" for key in other[:_SHOWN]]
    left = len(missing) + len(more) + len(other) - len(found)
    return [*found, f"{what}: {left} more differences"] if left > 0 else found


def _name(key: object) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)
