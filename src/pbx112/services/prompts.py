"""A centre's own sound prompts: uploaded and converted, put to use, and brought to this node's Asterisk.

The database says which version callers hear; each node has the file, and asks Asterisk to read it the way a
configuration is applied. What fails there is told, and done again by `PromptKeeper`, as are the changes that another
node made.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_parts import Fault
from pbx112.domain.errors import Overloaded, Pbx112Error
from pbx112.domain.prompts import (
    MOST_BYTES,
    MOST_FILE_NAME,
    PromptUse,
    check_name,
    kind_of,
    say,
    unfit,
)
from pbx112.services.ports import PromptFiles, PromptMaker
from pbx112.storage import prompts as stored
from pbx112.storage.engine import reading, transaction
from pbx112.storage.prompts import PromptVersion

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 30.0
_BYTES_A_MS = 16
_HEADER_BYTES = 44


async def bring(engine: AsyncEngine, files: PromptFiles) -> bool:
    """Have the versions in use as files on this node; True when one was not. Raises DatabaseUnavailable, OSError."""
    async with reading(engine) as connection:
        wanted = await stored.prompts_in_use(connection)
    lacking = await asyncio.to_thread(files.lacking, wanted)
    for use in lacking:
        async with reading(engine) as connection:
            wav = await stored.prompt_wav(connection, use)
        await asyncio.to_thread(files.put, use, wav)
    return bool(lacking)


class OwnPrompts:
    """What a configuration needs to know of prompts. Implements the configuration desk's Prompts."""

    def __init__(self, engine: AsyncEngine, files: PromptFiles, *, node: str, lang: str) -> None:
        self._engine = engine
        self._files = files
        self._node = node
        self._lang = lang

    async def bring(self) -> Sequence[str]:
        """Have the files of the versions in use; what failed is told, and keeps nobody from applying."""
        try:
            await bring(self._engine, self._files)
        except (Pbx112Error, OSError) as error:
            log.warning("The prompts' files could not be brought up to date.", reason=str(error))
            return (say("not_written", self._lang, node=self._node, reason=error),)
        return ()

    async def missing(self, configuration: Configuration) -> tuple[Fault, ...]:
        """The queues that name a prompt which this node does not have in their language."""
        return await asyncio.to_thread(missing, configuration, self._files)


def missing(configuration: Configuration, files: PromptFiles) -> tuple[Fault, ...]:
    """The queues whose callers hear the built-in prompt instead of the one that they name, on this node."""
    return tuple(
        Fault(f"queues.{queue.name}.comfort", "no_prompt", {"prompt": queue.comfort, "language": queue.language})
        for queue in configuration.queues
        if queue.comfort and not files.has(queue.comfort, queue.language)
    )


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in one language: its versions, the newest first, the one in use, and the queues that name it."""

    name: str
    language: str
    in_use: int | None
    queues: tuple[str, ...]
    versions: tuple[PromptVersion, ...]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What came of an upload: the version, whether callers hear it, and what did not succeed, in sentences."""

    version: PromptVersion
    in_use: bool
    told: tuple[str, ...]


class PromptDesk:
    """Where an admin's prompts go through; `lang` is the language of what is refused.

    `refresh` has Asterisk read what runs once more.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        files: PromptFiles,
        maker: PromptMaker,
        refresh: Callable[[], Awaitable[object]],
        *,
        node: str,
        lang: str,
    ) -> None:
        self._engine = engine
        self._files = files
        self._maker = maker
        self._refresh = refresh
        self._node = node
        self._lang = lang
        self._making = False
        self._bringing = asyncio.Lock()
        self._owed = False
        self._reason = ""

    @property
    def told(self) -> tuple[str, ...]:
        """Why Asterisk on this node does not play yet what was put to use; nothing when it does."""
        return (say("not_read", self._lang, node=self._node, reason=self._reason),) if self._reason else ()

    async def prompts(self, configuration: Configuration) -> list[Prompt]:
        """All of them, by name and language; `configuration` tells which queues name each."""
        async with reading(self._engine, snapshot=True) as connection:
            versions = await stored.list_prompts(connection)
            uses = await stored.prompts_in_use(connection)
        used = {(use.name, use.language): use.version for use in uses}
        found: dict[tuple[str, str], list[PromptVersion]] = {}
        for version in versions:
            found.setdefault((version.name, version.language), []).append(version)
        return [
            Prompt(name, language, used.get((name, language)), _queues(configuration, name), tuple(those))
            for (name, language), those in found.items()
        ]

    async def missing(self, configuration: Configuration) -> tuple[Fault, ...]:
        """The queues that name a prompt which is not there."""
        return await asyncio.to_thread(missing, configuration, self._files)

    async def wav(self, use: PromptUse) -> bytes:
        """A version's sound, as callers hear it. Raises NoSuchPrompt."""
        async with reading(self._engine) as connection:
            return await stored.prompt_wav(connection, use)

    async def upload(
        self, name: str, language: str, recording: bytes, *, file_name: str, use: bool, who: str
    ) -> Uploaded:
        """Convert a recording and keep it as the next version. With `use`, or as the first, callers hear it.

        Raises PromptUnfit with the reason in words, CannotConvert, Overloaded (another is being converted).
        """
        check_name(name, language, self._lang)
        wav = await self._made(recording, file_name)
        duration_ms = (len(wav) - _HEADER_BYTES) // _BYTES_A_MS
        async with transaction(self._engine) as connection:
            version = await stored.add_prompt(
                connection, name, language, wav=wav, duration_ms=duration_ms, file_name=file_name, who=who
            )
            heard = use or version.version == 1
            if heard:
                await stored.use_prompt(connection, PromptUse(name, language, version.version), who=who)
        log.info("A prompt was uploaded.", name=name, language=language, version=version.version, who=who)
        return Uploaded(version, heard, await self._carried_out() if heard else ())

    async def use(self, use: PromptUse, *, who: str) -> tuple[str, ...]:
        """Let callers hear this version from now on. What did not succeed is told. Raises NoSuchPrompt."""
        async with transaction(self._engine) as connection:
            await stored.use_prompt(connection, use, who=who)
        return await self._carried_out()

    async def keep(self) -> None:
        """Do what another node's admin wants, and what did not succeed before; for ever."""
        while True:
            before = self._reason
            await self._try(always=False)
            if self._reason and self._reason != before:
                log.warning("The prompts are not up to date; it is tried again.", reason=self._reason)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _carried_out(self) -> tuple[str, ...]:
        await self._try(always=True)
        return self.told

    async def _try(self, *, always: bool) -> None:
        """Files, then Asterisk; keeps the reason why not. Without `always` Asterisk is asked only when it has to."""
        async with self._bringing:
            try:
                self._owed |= await bring(self._engine, self._files) or always
                if self._owed:
                    await self._refresh()
            except (Pbx112Error, OSError) as error:
                self._reason = str(error)
            else:
                self._owed, self._reason = False, ""

    async def _made(self, recording: bytes, file_name: str) -> bytes:
        if len(file_name) > MOST_FILE_NAME or not file_name.isprintable():
            raise unfit("file_name", self._lang)
        if not recording:
            raise unfit("empty", self._lang)
        if len(recording) > MOST_BYTES:
            raise unfit("too_large", self._lang, most=MOST_BYTES // 2**20)
        kind = kind_of(recording)
        if kind is None:
            raise unfit("unknown", self._lang)
        with self._alone():
            return await self._maker.make(recording, kind)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One conversion at a time: the processor is for calls."""
        if self._making:
            raise Overloaded(say("busy", self._lang))
        self._making = True
        try:
            yield
        finally:
            self._making = False


def _queues(configuration: Configuration, name: str) -> tuple[str, ...]:
    return tuple(queue.name for queue in configuration.queues if queue.comfort == name)
