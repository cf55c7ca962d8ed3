"""Configuration -> the text of Asterisk's files. Pure but for reading the templates, and what own prompts there are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_check import broken, loops
from pbx112.domain.configuration_words import say
from pbx112.domain.demo import DRILL_ACCOUNT
from pbx112.domain.errors import ConfigurationFaulty
from pbx112.domain.skills import DRILL_PENALTY, places
from pbx112.pbx.agencies import keys, lines, modes
from pbx112.pbx.waiting import Waiting, own_prompts

LANGUAGES = ("id", "en")
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

    @property
    def own_prompts_dir(self) -> Path:
        """Where a centre's own prompts for waiting callers are kept, as `prompt_files` says."""
        return self.base_dir.parent / "prompts"


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
    """The text of every file below `etc/`, by name. Raises ConfigurationFaulty for what they could not carry."""
    _check(configuration)
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


def _check(configuration: Configuration) -> None:
    """The last check, whatever way a configuration came. A display name is only text here (`plain_text`)."""
    found = [fault for fault in (*broken(configuration), *loops(configuration)) if fault.problem != "display_name"]
    if found:
        raise ConfigurationFaulty([(fault.where, say(fault, "en")) for fault in found])


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
        for line in agency.accounts:
            yield Phone(line, agency.display_name, line, "from-agency", "id", secrets[line])
    yield Phone(DRILL_ACCOUNT, "Drill", DRILL_ACCOUNT, "from-operator", "id", secrets[DRILL_ACCOUNT])


def _values(configuration: Configuration, place: Place) -> dict[str, object]:
    prompts = own_prompts(configuration, place.own_prompts_dir, LANGUAGES)
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
        "waiting": {queue.name: Waiting(queue, prompts, surge=configuration.surge) for queue in configuration.queues},
        "record_callbacks": any(q.recording for q in configuration.queues if q.name == configuration.default_queue),
        "own_prompts": prompts,
        "surge": configuration.surge,
        "operators": configuration.operators,
        "places": {operator.name: places(configuration, operator) for operator in configuration.operators},
        "phones": list(phones(configuration, place.phone_secrets)),
        "drill_account": DRILL_ACCOUNT,
        "drill_penalty": DRILL_PENALTY,
        "default_queue": configuration.default_queue,
        "agencies": configuration.agencies,
        "lines": {agency.name: list(lines(agency, configuration)) for agency in configuration.agencies},
        "transfers": [(mode, agency.name) for agency in configuration.agencies for mode in modes(agency)],
        "transfer_keys": [key for agency in configuration.agencies for key in keys(agency)],
    }
