"""Connects the admin's desk: the compiler, Asterisk's second AMI user, and what this node runs with."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.ami.apply import ApplySession, apply_session
from pbx112.ami.link import AmiLink
from pbx112.bootstrap.applied import AMI_APPLY_USER
from pbx112.bootstrap.call_door import CallDoor
from pbx112.bootstrap.prepare import ensure_account_secrets, intake_argv, make_place, own_prompts_dir, write_applied
from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import DatabaseUnavailable, NotFound, Pbx112Error
from pbx112.host.asterisk import find_asterisk
from pbx112.host.recordings import Recordings
from pbx112.host.secrets import Secrets, read_secrets
from pbx112.pbx.apply import Applier
from pbx112.pbx.layout import write_intake
from pbx112.pbx.prompt_files import PromptFiles
from pbx112.pbx.render import render
from pbx112.services.configuring import ConfigurationDesk
from pbx112.services.member_moves import move
from pbx112.services.prompts import OwnPrompts, PromptDesk
from pbx112.settings import Settings
from pbx112.storage import audit
from pbx112.storage.engine import transaction

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0


class LiveConfiguration:
    """What this node runs with. `changed` is told that another configuration went live."""

    def __init__(self, settings: Settings, calls: CallDoor, ami: AmiLink, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._calls = calls
        self._ami = ami
        self._changed = changed

    @property
    def configuration(self) -> Configuration:
        """The applied configuration."""
        return self._calls.configuration

    async def go_live(self, configuration: Configuration) -> Sequence[str]:
        """Route by it, keep it on disk, and move the operators who are logged in; what failed is told."""
        self._calls.configuration = configuration
        told = []
        try:
            await asyncio.to_thread(self._keep, configuration)
        except OSError as error:
            log.exception("The applied configuration could not be written; the classic script goes by the last one.")
            told.append(f"{self._settings.applied_file}: {error}")
        told += await move(self._ami, self._ami.state, configuration)
        self._changed()
        return told

    def _keep(self, configuration: Configuration) -> None:
        write_applied(self._settings, configuration)
        write_intake(self._settings.asterisk_dir, intake_argv(self._settings, configuration))


def make_applier(settings: Settings, secrets: Secrets) -> Applier:
    """The compiler over this node's files and Asterisk."""
    host, port = settings.ami_ask or settings.ami_bind

    def rendered(configuration: Configuration) -> Mapping[str, str]:
        install = find_asterisk(settings.asterisk, settings.runtime_dir)
        known = ensure_account_secrets(settings, configuration)
        return render(configuration, make_place(settings, install, known), settings.home)

    def session() -> AbstractAsyncContextManager[ApplySession]:
        return apply_session(host, port, AMI_APPLY_USER, secrets.ami_apply)

    return Applier(settings.asterisk_dir / "etc", rendered, session)


def make_desks(
    settings: Settings, engine: AsyncEngine, applier: Applier, running: LiveConfiguration
) -> tuple[ConfigurationDesk, PromptDesk]:
    """Where an admin edits and applies, and where the centre's own prompts are."""
    files = PromptFiles(own_prompts_dir(settings))
    of = {"node": settings.node, "lang": settings.lang}
    desk = ConfigurationDesk(engine, applier, running, OwnPrompts(engine, files, **of), **of)
    maker = Recordings(settings.runtime_dir, settings.lang)
    return desk, PromptDesk(engine, files, maker, desk.refresh, **of)


def phone_passwords(settings: Settings, engine: AsyncEngine) -> Callable[[str, str], Awaitable[dict[str, str]]]:
    """Tells a SIP account's password to somebody (account, who asks); raises NotFound. That he asked is audited."""

    async def tell(account: str, who: str) -> dict[str, str]:
        password = (await asyncio.to_thread(read_secrets, settings.secrets_file)).phones.get(account)
        if password is None:
            raise NotFound(f"There is no SIP account {account}; one of a new operator is made when it is applied.")
        async with transaction(engine) as connection:
            await audit.append(connection, who=who, action="phone.read", subject=account)
        return {"account": account, "password": password, "server": str(settings.sip_bind)}

    return tell


async def recover(applier: Applier) -> None:
    """Go back to the files of before, when a process died while it applied others; then wait for nothing more."""
    while True:
        try:
            if await applier.recover():
                log.warning("A configuration was being applied when pbx112 died; the one of before is back.")
            break
        except (Pbx112Error, OSError) as error:
            log.warning("The configuration of before cannot be put back yet; it is tried again.", reason=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
    await asyncio.Event().wait()


async def follow(desk: ConfigurationDesk) -> None:
    """Run what another node has applied, for ever; a node alone asks a small question every few seconds."""
    while True:
        await asyncio.sleep(_RETRY_SECONDS)
        try:
            done = await desk.follow()
        except DatabaseUnavailable:
            continue
        except (Pbx112Error, OSError) as error:
            log.error("What another node applied could not be applied here.", reason=str(error))  # noqa: TRY400
            continue
        if done is not None:
            log.info("A configuration that another node applied runs here too.", version=done.version)
