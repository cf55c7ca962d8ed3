"""Configuration -> the text of Asterisk's files. Pure but for reading the templates."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pbx112.domain.configuration import Configuration, Queue, Trunk
from pbx112.domain.demo import DRILL_ACCOUNT
from pbx112.domain.errors import ConfigurationInvalid

LANGUAGES = ("id", "en")
_DRILL_PENALTY = 112_000
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL}\Z")
_SILENT_WAIT, _SILENT_REPEATS = range(1, 31), range(1, 6)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f";<>\\${}\[\],|]')


@dataclass(frozen=True, slots=True)
class Place:
    """Where this node's Asterisk stands: folders, addresses, and the secrets its files carry."""

    node: str
    lang: str
    base_dir: Path
    run_dir: Path
    modules_dir: Path
    moh_dir: Path
    sip: tuple[str, int]
    agi: tuple[str, int]
    copies: tuple[str, int]
    ami: tuple[str, int]
    rtp: tuple[int, int]
    cert_file: Path
    key_file: Path
    ami_secret: str
    ami_apply_secret: str
    phone_secrets: Mapping[str, str]

    @property
    def etc_dir(self) -> Path:
        """The folder of the rendered files."""
        return self.base_dir / "etc"


@dataclass(frozen=True, slots=True)
class Phone:
    """A SIP account of an operator or of an agency's line."""

    name: str
    display_name: str
    number: str
    context: str
    language: str
    secret: str


def render(configuration: Configuration, place: Place, home: Path) -> dict[str, str]:
    """The text of every file below `etc/`, by name. Raises ConfigurationInvalid for a name Asterisk cannot carry."""
    _check_names(configuration)
    for queue in configuration.queues:
        _check_silent(queue)
    for trunk in configuration.trunks:
        _check_outbound(trunk)
    environment = Environment(
        loader=FileSystemLoader([home / "asterisk", home / "dialplan"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is Asterisk's files; names are checked, free text goes through `text`
    )
    environment.filters["text"] = plain_text
    values = _values(configuration, place)
    files: dict[str, str] = {}
    for folder in ("asterisk", "dialplan"):
        for source in sorted((home / folder).glob("*.conf*")):
            if source.suffix == ".j2":
                files[source.stem] = environment.get_template(source.name).render(values)
            else:
                files[source.name] = source.read_text(encoding="utf-8")
    return files


def plain_text(value: str) -> str:
    """Free text (a display name) without anything that Asterisk's files or dialplan could read as more than text."""
    return _UNSAFE.sub(" ", value)[:60].strip()


def phones(configuration: Configuration, secrets: Mapping[str, str]) -> Iterator[Phone]:
    """Every SIP account: operators, agencies' lines, the drill's scripted operator."""
    for operator in configuration.operators:
        yield Phone(
            operator.name,
            operator.display_name,
            operator.extension,
            "from-operator",
            operator.language,
            secrets[operator.name],
        )
    for agency in configuration.agencies:
        for line in agency.lines:
            yield Phone(line, agency.display_name, line, "from-agency", "id", secrets[line])
    yield Phone(DRILL_ACCOUNT, "Drill", DRILL_ACCOUNT, "from-operator", "id", secrets[DRILL_ACCOUNT])


def _values(configuration: Configuration, place: Place) -> dict[str, object]:
    return {
        "node": place.node,
        "lang": place.lang,
        "languages": LANGUAGES,
        "etc_dir": place.etc_dir,
        "base_dir": place.base_dir,
        "run_dir": place.run_dir,
        "modules_dir": place.modules_dir,
        "moh_dir": place.moh_dir,
        "sip_host": place.sip[0],
        "sip_port": place.sip[1],
        "agi_host": place.agi[0],
        "agi_port": place.agi[1],
        "copies_host": place.copies[0],
        "copies_port": place.copies[1],
        "ami_host": place.ami[0],
        "ami_port": place.ami[1],
        "rtp_start": place.rtp[0],
        "rtp_end": place.rtp[1],
        "cert_file": place.cert_file,
        "key_file": place.key_file,
        "ami_secret": place.ami_secret,
        "ami_apply_secret": place.ami_apply_secret,
        "trunks": configuration.trunks,
        "queues": configuration.queues,
        "operators": configuration.operators,
        "phones": list(phones(configuration, place.phone_secrets)),
        "drill_account": DRILL_ACCOUNT,
        "drill_penalty": _DRILL_PENALTY,
        "default_queue": configuration.default_queue,
    }


def _check_names(configuration: Configuration) -> None:
    named: list[tuple[str, str]] = [("trunk", trunk.name) for trunk in configuration.trunks]
    named += [("queue", queue.name) for queue in configuration.queues]
    named += [("operator", operator.name) for operator in configuration.operators]
    named += [("operator's extension", operator.extension) for operator in configuration.operators]
    named += [("agency line", line) for agency in configuration.agencies for line in agency.lines]
    named += [("overflow phone", name) for queue in configuration.queues for name in queue.overflow]
    named += [("operator's queue", m.queue) for operator in configuration.operators for m in operator.memberships]
    for what, name in named:
        if not _NAME.match(name):
            raise ConfigurationInvalid(
                f"The {what} {name!r} cannot be an Asterisk name: use letters, digits, '-' and '_', at most 40."
            )
    if configuration.queue(configuration.default_queue) is None:
        raise ConfigurationInvalid(
            f"The default queue {configuration.default_queue!r} does not exist: 112 would ring nobody. Create it first."
        )
    extensions = [(operator.extension, f"operator {operator.name}") for operator in configuration.operators]
    _check_unique("extension", extensions)
    # One duplicate account, and Asterisk drops every account of the file.
    accounts = [(trunk.name, f"trunk {trunk.name}") for trunk in configuration.trunks]
    accounts += [(operator.name, f"operator {operator.name}") for operator in configuration.operators]
    accounts += [(line, f"line of {agency.name}") for agency in configuration.agencies for line in agency.lines]
    _check_unique("SIP account", [*accounts, (DRILL_ACCOUNT, "drill")])


def _check_silent(queue: Queue) -> None:
    # Operator and caller are apart as long as it lasts.
    if queue.silent_wait_seconds not in _SILENT_WAIT or queue.silent_repeats not in _SILENT_REPEATS:
        raise ConfigurationInvalid(
            f"The queue {queue.name} would ask a silent caller {queue.silent_repeats} times and wait "
            f"{queue.silent_wait_seconds} s each time: choose 1 to {_SILENT_REPEATS[-1]} times and 1 to "
            f"{_SILENT_WAIT[-1]} s."
        )


def _check_outbound(trunk: Trunk) -> None:
    if trunk.outbound is None:
        return
    host, _, port = trunk.outbound.rpartition(":")
    whole_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if not (whole_port and _is_host(host)):
        raise ConfigurationInvalid(
            f"The address for calls back of trunk {trunk.name}, {trunk.outbound!r}, is none: write host and port, such "
            "as 10.1.2.3:5060, [2001:db8::1]:5060 or sbc.carrier.id:5060, or leave it out."
        )


def _is_host(host: str) -> bool:
    try:
        if host.startswith("[") and host.endswith("]"):
            return ipaddress.IPv6Address(host[1:-1]).scope_id is None
        ipaddress.IPv4Address(host)
    except ValueError:
        return _HOST.match(host) is not None
    return True


def _check_unique(what: str, named: list[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for name, owner in named:
        if name in seen:
            raise ConfigurationInvalid(f"The {what} {name!r} is used twice, by {seen[name]} and {owner}: change one.")
        seen[name] = owner
