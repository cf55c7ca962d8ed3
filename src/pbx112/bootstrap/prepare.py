"""What must stand before Asterisk starts: tables, a first configuration, secrets, rendered files."""

import compileall
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

import pbx112
from pbx112.bootstrap.applied import database_url, migration_url
from pbx112.domain.configuration import Configuration
from pbx112.domain.demo import DEMO_CENTRE, DRILL_ACCOUNT, is_demo
from pbx112.host.asterisk import AsteriskInstall, find_asterisk, missing_tools
from pbx112.host.command import in_thread
from pbx112.host.debian import ensure_tools
from pbx112.host.folders import write_whole
from pbx112.host.prompts import ensure_prompts
from pbx112.host.secrets import Secrets, ensure_secrets, read_secrets
from pbx112.pbx.apply import kept_file
from pbx112.pbx.layout import Installed, prepare_folders, run_dir, write_files
from pbx112.pbx.prompt_files import PromptFiles
from pbx112.pbx.render import Place, render
from pbx112.services.prompts import bring
from pbx112.services.users import CENTRE_USERS, ensure_users, reset_passwords
from pbx112.settings import Settings
from pbx112.storage.configuration import (
    applied_version,
    get_version,
    has_applied,
    load_configuration,
    record_application,
    save_configuration,
)
from pbx112.storage.engine import make_engine, transaction
from pbx112.storage.migrate import migrate

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What stands ready: `first_start` is True when this start made the demo centre."""

    configuration: Configuration
    secrets: Secrets
    install: AsteriskInstall
    first_start: bool
    changed: list[str]


async def setup(settings: Settings, progress: Progress) -> None:
    """Fetch Asterisk and the tools when the machine lacks any, and make the prompts."""
    if missing_tools(settings.asterisk, settings.runtime_dir):
        await in_thread(ensure_tools, settings.runtime_dir, progress)
    await in_thread(
        ensure_prompts, prompts_dir(settings), settings.runtime_dir, settings.state_dir / "sounds", progress
    )


async def prepare(settings: Settings, progress: Progress) -> Prepared:
    """Migrate, make the demo centre on an empty database, and render Asterisk's files."""
    progress("Bringing the database to this version's tables ...")
    await migrate(migration_url(settings), migrations=settings.home / "migrations")
    install = find_asterisk(settings.asterisk, settings.runtime_dir)
    configuration, secrets, first_start = await _centre(settings, progress)
    place = make_place(settings, install, secrets)
    _compile_classic_intake()
    intake = intake_argv(settings, configuration)
    prepare_folders(place, Installed(install.data_dir, install.sounds_dir, prompts_dir(settings)), intake)
    changed = write_files(place.etc_dir, render(configuration, place, settings.home))
    kept_file(place.etc_dir).unlink(missing_ok=True)  # what a dead application left is overwritten
    write_applied(settings, configuration)
    return Prepared(configuration, secrets, install, first_start, changed)


def write_applied(settings: Settings, configuration: Configuration) -> None:
    """Keep the configuration for the intakes and the next start, which need no database."""
    write_whole(settings.applied_file, json.dumps(configuration.to_json(), indent=1).encode(), 0o640)


def _compile_classic_intake() -> None:
    """Compile the classic script now: Asterisk's user may not be able to keep the byte code."""
    for folder in ("agi", "domain", "services"):
        compileall.compile_dir(Path(pbx112.__file__).parent / folder, quiet=2)


def intake_argv(settings: Settings, configuration: Configuration) -> list[str]:
    """How Asterisk starts the classic script."""
    script = Path(pbx112.__file__).parent / "agi" / "classic.py"
    arguments = [str(settings.applied_file), configuration.default_queue, settings.node]
    return [sys.executable, "-I", "-S", str(script), *arguments]


async def _centre(settings: Settings, progress: Progress) -> tuple[Configuration, Secrets, bool]:
    """The configuration that this node runs (a draft is not applied by a start), and the secrets that it needs."""
    engine = make_engine(database_url(settings))
    try:
        async with transaction(engine) as connection:
            applied = await applied_version(connection, settings.node)
            first_start = False
            if applied is not None:
                configuration = await get_version(connection, applied)
            else:
                newest = await load_configuration(connection)
                first_start = newest is None
                configuration = newest or await save_configuration(connection, DEMO_CENTRE, who="first start")
            if not await has_applied(connection, settings.node):
                await record_application(
                    connection, configuration.version, node=settings.node, who="first start", state="applied", told=()
                )
            secrets = ensure_account_secrets(settings, configuration)
            await ensure_users(connection, configuration, lambda name: secrets.users[name])
            if _demo_secret(settings, configuration):
                await reset_passwords(connection, secrets.users)
        await _bring_prompts(settings, engine, progress)
        return configuration, secrets, first_start
    finally:
        await engine.dispose()


async def _bring_prompts(settings: Settings, engine: AsyncEngine, progress: Progress) -> None:
    """Without a prompt of the centre's own, callers hear the built-in one: no reason not to start."""
    try:
        await bring(engine, PromptFiles(own_prompts_dir(settings)))
    except OSError as error:
        progress(f"The centre's own prompts could not be written: {error}")


def own_prompts_dir(settings: Settings) -> Path:
    """Where the centre's own prompts for waiting callers are."""
    return settings.state_dir / "prompts"


def ensure_account_secrets(settings: Settings, configuration: Configuration) -> Secrets:
    """The secrets, with a password for every SIP account and first web user of the configuration."""
    return ensure_secrets(
        settings.secrets_file,
        phones=_accounts(configuration),
        users=[*CENTRE_USERS, *(operator.name for operator in configuration.operators)],
        demo_secret=_demo_secret(settings, configuration),
    )


def _demo_secret(settings: Settings, configuration: Configuration) -> str | None:
    """PBX112_DEMO_SECRET, for a demo centre only: it must never become a real centre's password."""
    if settings.demo_secret is None or not is_demo(configuration):
        return None
    return settings.demo_secret.get_secret_value()


def make_place(settings: Settings, install: AsteriskInstall, secrets: Secrets) -> Place:
    """Where this node's Asterisk stands, from the settings."""
    base = settings.asterisk_dir
    tls = settings.state_dir / "tls"
    return Place(
        node=settings.node,
        lang=settings.lang,
        base_dir=base,
        run_dir=run_dir(base),
        modules_dir=install.modules_dir,
        moh_dir=prompts_dir(settings) / "moh",
        sip=settings.sip_bind,
        agi=settings.intake_address,
        copies=settings.agi_bind,
        ami=settings.ami_bind,
        rtp=settings.rtp_range,
        cert_file=tls / "pbx112.crt",
        key_file=tls / "pbx112.key",
        ami_secret=secrets.ami,
        ami_apply_secret=secrets.ami_apply,
        phone_secrets=secrets.phones,
    )


def asterisk_argv(settings: Settings) -> list[str]:
    """How to run Asterisk on this state folder; `-f` or `-rx` follow."""
    install = find_asterisk(settings.asterisk, settings.runtime_dir)
    return [*install.argv, "-C", str(settings.asterisk_dir / "etc" / "asterisk.conf")]


def prompts_dir(settings: Settings) -> Path:
    """Where the spoken prompts and the comfort music are made; a centre with recordings of its own has its own."""
    own = (settings.state_dir / "sounds").is_dir()
    return (settings.state_dir if own else settings.runtime_dir) / "prompts"


def token_secret(settings: Settings) -> str:
    """The key that signs bearer tokens."""
    return read_secrets(settings.secrets_file).token


def _accounts(configuration: Configuration) -> list[str]:
    lines = [line for agency in configuration.agencies for line in agency.accounts]
    return [*(operator.name for operator in configuration.operators), *lines, DRILL_ACCOUNT]
