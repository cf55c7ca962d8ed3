"""Versions of the configuration: edited as drafts, checked, applied to Asterisk and read back, undone.

Every edit is a version of its own, made on the version that its author saw. The newest version is the draft; what this
node runs is the one it applied last, which stays when a later one fails.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_check import broken, faults
from pbx112.domain.configuration_diff import Change, changes
from pbx112.domain.configuration_parts import Fault
from pbx112.domain.configuration_words import say
from pbx112.domain.errors import (
    ApplyFailed,
    ConfigurationFaulty,
    DatabaseUnavailable,
    EditConflict,
    NotFound,
    Pbx112Error,
)
from pbx112.services.ports import Applier, Rendering
from pbx112.storage import configuration as stored
from pbx112.storage.engine import reading, transaction

log = structlog.get_logger(__name__)

Edit = Callable[[Configuration], Configuration]


class Live(Protocol):
    """What this node runs with."""

    @property
    def configuration(self) -> Configuration:
        """The applied configuration."""
        ...

    async def go_live(self, configuration: Configuration) -> Sequence[str]:
        """Asterisk has it: keep it on disk, route by it, move the operators who are logged in. Told in sentences."""
        ...


class Prompts(Protocol):
    """The centre's own sound prompts, as far as a configuration needs them."""

    async def bring(self) -> Sequence[str]:
        """Have their files on this node. Told in sentences."""
        ...

    async def missing(self, configuration: Configuration) -> tuple[Fault, ...]:
        """Those that queues name and that are not there: callers hear the built-in ones."""
        ...


class BuiltInPrompts:
    """No prompts but the built-in ones."""

    async def bring(self) -> Sequence[str]:
        """Nothing is to be brought."""
        return ()

    async def missing(self, configuration: Configuration) -> tuple[Fault, ...]:
        """Nobody misses any."""
        return ()


@dataclass(frozen=True, slots=True)
class Draft:
    """The newest version, and the one this node runs; `warnings` keep nothing from being applied."""

    configuration: Configuration
    applied: Configuration
    warnings: tuple[Fault, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What applying it would change."""
        return changes(self.applied, self.configuration)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What keeps it from being applied."""
        return faults(self.configuration)


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of applying: the version, the files and modules, and what else was done, in sentences."""

    version: int
    rendering: Rendering
    told: tuple[str, ...]


class ConfigurationDesk:
    """Where an admin's work goes through; `lang` is the language of what is refused."""

    def __init__(
        self,
        engine: AsyncEngine,
        applier: Applier,
        live: Live,
        prompts: Prompts | None = None,
        *,
        node: str,
        lang: str,
    ) -> None:
        self._engine = engine
        self._applier = applier
        self._live = live
        self._prompts = prompts or BuiltInPrompts()
        self._node = node
        self._lang = lang
        self._one = asyncio.Lock()
        self._not_taken = 0
        self.steps: list[str] = []
        """What the running application has come to, or the last one; the newest last."""

    @property
    def applying(self) -> bool:
        """Whether a version is being applied just now."""
        return self._one.locked()

    async def draft(self) -> Draft:
        """The newest version beside what runs. Raises NotFound before the first start, DatabaseUnavailable."""
        async with reading(self._engine, snapshot=True) as connection:
            newest = await stored.load_configuration(connection)
        if newest is None:
            raise NotFound("There is no configuration yet; start the system once (pbx112 prepare).")
        return Draft(newest, self._live.configuration, await self._prompts.missing(newest))

    async def edit(self, edit: Edit, *, expected_version: int, who: str) -> Configuration:
        """Save the edited draft as a version. Returns it.

        Raises EditConflict when the draft is no longer at `expected_version`, ConfigurationFaulty with every fault
        that no draft may hold, and what `edit` raises; nothing is changed then.
        """
        async with transaction(self._engine) as connection:
            newest = await stored.load_configuration(connection)
            if newest is None or newest.version != expected_version:
                raise EditConflict(
                    f"The configuration is at version {newest.version if newest else 0}, and this edit began from "
                    f"{expected_version}; read it again and repeat the edit."
                )
            edited = replace(edit(newest), version=newest.version)
            if edited == newest:
                return newest
            self._refuse(broken(edited))
            return await stored.save_configuration(connection, edited, who=who)

    async def plan(self) -> Rendering:
        """The files that applying the draft would change, and what Asterisk would read again."""
        return await self._applier.plan((await self.draft()).configuration)

    async def apply(self, *, expected_version: int, who: str) -> Applied:
        """Make the draft Asterisk's. A caller who waits or talks, and an operator who is logged in, notices nothing.

        Raises EditConflict, ConfigurationFaulty (112 would be unreachable), ApplyFailed (what was before is back), and
        what Asterisk's link raises (likewise).
        """
        if self._one.locked():
            raise EditConflict("Another version is being applied just now; wait until it is done.")
        async with self._one:
            configuration = (await self.draft()).configuration
            if configuration.version != expected_version:
                raise EditConflict(
                    f"The configuration is at version {configuration.version} by now; look at it before it is applied."
                )
            self._refuse(faults(configuration))
            return await self._apply(configuration, who)

    async def refresh(self) -> Rendering:
        """Have Asterisk read anew what runs, where its files are others by now. Raises what `apply` raises."""
        async with self._one:
            rendering = await self._applier.apply(self._live.configuration, lambda _: None)
        log.info("What runs was rendered again.", files=rendering.files)
        return rendering

    async def rollback(self, to: int, *, expected_version: int, who: str) -> Applied:
        """Make an earlier version the newest one, and apply it. Raises NotFound, and what `apply` raises."""
        saved = await self.take_back(to, expected_version=expected_version, who=who)
        return await self.apply(expected_version=saved.version, who=who)

    async def surge(self, *, on: bool, who: str) -> Applied:
        """Turn surge mode on or off in what runs, and in the draft; nothing else of the draft is applied.

        One switch, for the moment when there is no time: it needs no version. Raises what `apply` raises.
        """
        draft = await self.draft()
        running = replace(draft.applied, surge=on, version=draft.configuration.version)
        saved = await self.edit(lambda _: running, expected_version=running.version, who=who)
        applied = await self.apply(expected_version=saved.version, who=who)
        rest = replace(draft.configuration, surge=on, version=applied.version)
        if draft.changes:
            await self.edit(lambda _: rest, expected_version=applied.version, who=who)
        return applied

    async def follow(self) -> Applied | None:
        """Apply what another node applied since, so that all nodes run the same; None when this one does.

        A version that this Asterisk did not take is not tried again by itself. Raises what `apply` raises.
        """
        async with reading(self._engine) as connection:
            version = await stored.newest_applied(connection)
            if version is None or version <= max(self._live.configuration.version, self._not_taken):
                return None
            configuration = await stored.get_version(connection, version)
        async with self._one:
            if configuration.version <= self._live.configuration.version:
                return None
            self._not_taken = version
            return await self._apply(configuration, f"node {self._node}")

    async def take_back(self, to: int, *, expected_version: int, who: str) -> Configuration:
        """Make an earlier version the newest one, as a draft. Raises NotFound, EditConflict, ConfigurationFaulty."""
        async with reading(self._engine) as connection:
            old = await stored.get_version(connection, to)
        return await self.edit(lambda _: old, expected_version=expected_version, who=who)

    async def versions(self, *, limit: int = 100) -> list[dict[str, Any]]:
        """The newest versions first, each with what came of applying it on any node."""
        async with reading(self._engine, snapshot=True) as connection:
            versions = await stored.list_versions(connection, limit=limit)
            tries = await stored.list_applications(connection, limit=limit * 4)
        return [{**one, "applications": [t for t in tries if t["version"] == one["id"]]} for one in versions]

    async def compared(self, before: int, after: int) -> tuple[Change, ...]:
        """The differences between two versions. Raises NotFound."""
        async with reading(self._engine) as connection:
            old, new = await stored.get_version(connection, before), await stored.get_version(connection, after)
        return changes(old, new)

    async def _apply(self, configuration: Configuration, who: str) -> Applied:
        self.steps = []
        prompts = await self._prompts.bring()
        try:
            rendering = await self._applier.apply(configuration, self.steps.append)
        except Pbx112Error as error:
            told = error.told if isinstance(error, ApplyFailed) else (str(error),)
            self.steps.append("failed")
            await self._record(configuration.version, who, "failed", told)
            raise
        self.steps.append("members")
        warned = [say(fault, self._lang) for fault in await self._prompts.missing(configuration)]
        told = (*await self._live.go_live(configuration), *prompts, *warned)
        self.steps.append("applied")
        await self._record(configuration.version, who, "applied", told)
        log.info("A configuration was applied.", version=configuration.version, who=who, files=rendering.files)
        return Applied(configuration.version, rendering, told)

    async def _record(self, version: int, who: str, state: Any, told: Sequence[str]) -> None:
        """What was done is done, also when the database cannot be told of it."""
        try:
            async with transaction(self._engine) as connection:
                await stored.record_application(connection, version, node=self._node, who=who, state=state, told=told)
        except DatabaseUnavailable:
            log.exception("That a configuration was applied could not be recorded.", version=version, state=state)

    def _refuse(self, found: Sequence[Fault]) -> None:
        if found:
            sentences = [(fault.where, say(fault, self._lang)) for fault in found]
            raise ConfigurationFaulty(sentences, found)
