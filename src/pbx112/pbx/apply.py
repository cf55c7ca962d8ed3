"""Makes a configuration Asterisk's: write its files, have them read, and hold what Asterisk reports against them.

Asterisk reads a file again while calls go on: no channel, no waiting caller and no logged-in member is dropped by it.
What was there before is kept in one file until the read-back is done, so that a process that dies in between leaves
the way back: `recover` goes it.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import structlog

from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import ApplyFailed, ConfigurationInvalid, Pbx112Error
from pbx112.pbx.layout import write_file
from pbx112.pbx.read_back import changed_endpoints, differences
from pbx112.pbx.rendered import included
from pbx112.services.ports import Reloader, Rendering

log = structlog.get_logger(__name__)

_PJSIP = "pjsip.conf"
_MODULES: Mapping[str, str] = {
    _PJSIP: "res_pjsip.so",
    "musiconhold.conf": "res_musiconhold.so",
    "queuerules.conf": "app_queue.so",
    "queues.conf": "app_queue.so",
    "confbridge.conf": "app_confbridge.so",
    "features.conf": "features",
    "extensions.conf": "pbx_config.so",
}
"""What reads a file, in the order in which they are reloaded: the dialplan last, as it names all others."""


def kept_file(etc_dir: Path) -> Path:
    """Where the files of before stand while others are applied."""
    return etc_dir.with_name("etc-before.json")


class Applier:
    """Writes below `etc_dir` what `render` makes of a configuration, and has Asterisk read it. One at a time.

    `session` logs in to Asterisk with the right to reload.
    """

    def __init__(
        self,
        etc_dir: Path,
        render: Callable[[Configuration], Mapping[str, str]],
        session: Callable[[], AbstractAsyncContextManager[Reloader]],
    ) -> None:
        self._etc = etc_dir
        self._before = kept_file(etc_dir)
        self._render = render
        self._session = session
        self._one = asyncio.Lock()

    async def plan(self, configuration: Configuration) -> Rendering:
        """What applying it would change. Raises ConfigurationInvalid."""
        files = await asyncio.to_thread(self._render, configuration)
        return _checked(await asyncio.to_thread(self._changed, files), files)

    async def apply(self, configuration: Configuration, tell: Callable[[str], None]) -> Rendering:
        """Write, reload, read back. Raises ConfigurationInvalid, ApplyFailed, or what Reloader raises."""
        async with self._one:
            files = await asyncio.to_thread(self._render, configuration)
            before = await asyncio.to_thread(self._changed, files)
            rendering = _checked(before, files)
            if not before:
                return rendering
            async with self._session() as asterisk:
                tell("write")
                await asyncio.to_thread(self._write, files, before)
                try:
                    await self._read_by(asterisk, files, before, tell)
                except BaseException as error:
                    await self._restored(asterisk, before, tell, error)
                    raise
            await asyncio.to_thread(self._before.unlink, missing_ok=True)
            return rendering

    async def recover(self) -> bool:
        """Put the files of before back, where a process died while it applied others. True when it did."""
        async with self._one:
            if not self._before.exists():
                return False
            before = await asyncio.to_thread(self._kept)
            await asyncio.to_thread(self._put_back, before)
            async with self._session() as asterisk:
                for module in _rendering(before).modules:
                    await asterisk.reload(module)
            await asyncio.to_thread(self._before.unlink, missing_ok=True)
            return True

    async def _read_by(
        self,
        asterisk: Reloader,
        files: Mapping[str, str],
        before: Mapping[str, str | None],
        tell: Callable[[str], None],
    ) -> None:
        for module in _rendering(before).modules:
            tell(f"reload:{module}")
            await asterisk.reload(module)
        tell("read-back")
        asked = changed_endpoints(before[_PJSIP] or "", files[_PJSIP]) if _PJSIP in before else set()
        found = await differences(asterisk, files, before, asked)
        if found:
            raise ApplyFailed("Asterisk does not have what was rendered; the configuration of before is back.", found)

    async def _restored(
        self, asterisk: Reloader, before: Mapping[str, str | None], tell: Callable[[str], None], why: BaseException
    ) -> None:
        """Go back. What fails here leaves the kept file, so that the next start goes back once more."""
        tell("restore")
        log.error("A configuration could not be applied; the files of before come back.", reason=repr(why))
        await asyncio.to_thread(self._put_back, before)
        try:
            for module in _rendering(before).modules:
                await asterisk.reload(module)
        except Pbx112Error as error:
            log.error("Asterisk did not read the files of before; it does at its next start.", reason=str(error))  # noqa: TRY400
            return
        await asyncio.to_thread(self._before.unlink, missing_ok=True)

    def _changed(self, files: Mapping[str, str]) -> dict[str, str | None]:
        """The files that would change, with what stands in them now; None: there is none yet."""
        found: dict[str, str | None] = {}
        for name, text in files.items():
            path = self._etc / name
            now = path.read_text(encoding="utf-8") if path.exists() else None
            if now != text:
                found[name] = now
        return found

    def _write(self, files: Mapping[str, str], before: Mapping[str, str | None]) -> None:
        write_file(self._before, json.dumps(before))
        for name in before:
            write_file(self._etc / name, files[name])

    def _kept(self) -> dict[str, str | None]:
        kept: dict[str, str | None] = json.loads(self._before.read_text(encoding="utf-8"))
        return kept

    def _put_back(self, before: Mapping[str, str | None]) -> None:
        for name, text in before.items():
            if text is None:
                (self._etc / name).unlink(missing_ok=True)
            else:
                write_file(self._etc / name, text)


def _checked(changed: Iterable[str], files: Mapping[str, str]) -> Rendering:
    """Raises ConfigurationInvalid for a file that only a start of Asterisk reads: no configuration changes one."""
    fixed = set(changed) - _MODULES.keys() - included(files)
    if fixed:
        raise ConfigurationInvalid(
            f"{', '.join(sorted(fixed))} would change, which Asterisk reads at its start only: another version of "
            "pbx112 wrote it. Restart pbx112 at a quiet hour (systemctl restart pbx112-prepare pbx112-asterisk)."
        )
    return _rendering(changed)


def _rendering(changed: Iterable[str]) -> Rendering:
    """What reads these files; one without a module of its own is a part of the dialplan."""
    names = set(changed)
    wanted = {_MODULES.get(name, "pbx_config.so") for name in names}
    return Rendering(
        tuple(sorted(names)), tuple(module for module in dict.fromkeys(_MODULES.values()) if module in wanted)
    )
