"""Which Asterisk runs our calls, where its parts stand, and the drill's tools beside it."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pbx112.domain.errors import Pbx112Error
from pbx112.host.command import CommandFailed, run
from pbx112.host.unpacked import MULTIARCH, UnpackedRoot, root_of

OLDEST = (22, 10)
"""The oldest Asterisk that is taken: its 22.10 mended security faults and app_queue's stuck queues."""

# A program's place below the unpacked root, and the environment it needs there.
_TOOLS = {"sipp": "usr/bin/sipp", "espeak-ng": "usr/bin/espeak-ng", "sox": "usr/bin/sox"}
_PACKAGES = {"sipp": "sip-tester", "espeak-ng": "espeak-ng", "sox": "sox"}

_CALM_PIECE = "macroform-cold_day.wav"

_VERSION = re.compile(r"Asterisk (?:certified[/-])?(\d+\.\d+(?:\.\d+)*)")


class AsteriskMissing(Pbx112Error):
    """No Asterisk, or no tool, that can be used was found; the message says where it was looked for."""

    slug = "asterisk-missing"


@dataclass(frozen=True)
class AsteriskInstall:
    """One usable Asterisk: how to start it (`argv`, options follow it) and where its own files stand."""

    argv: tuple[str, ...]
    version: str
    modules_dir: Path
    data_dir: Path
    sounds_dir: Path
    moh_dir: Path


def find_asterisk(explicit: str | None, runtime_dir: Path) -> AsteriskInstall:
    """Return the Asterisk to run: the one named, else the system's if new enough, else the unpacked one.

    `explicit` is PBX112_ASTERISK, a binary's path or name. Raises AsteriskMissing in words.
    """
    if explicit:
        return _named(explicit)
    return _system() or _unpacked(runtime_dir)


def parse_version(text: str) -> tuple[str, tuple[int, ...]] | None:
    """Take `22.10.1` and (22, 10, 1) out of what `asterisk -V` says; None when it says no version (git builds)."""
    match = _VERSION.search(text)
    return None if match is None else (match[1], tuple(int(part) for part in match[1].split(".")))


def tool_argv(name: str, runtime_dir: Path) -> tuple[str, ...]:
    """Return how to start `sipp`, `espeak-ng` or `sox`; arguments follow. Raises AsteriskMissing.

    The system's own is taken when there is one. What an unpacked one needs in its environment is part of the result
    (by `env`), so the caller has nothing to know.
    """
    if system := shutil.which(name):
        return (system,)
    root = UnpackedRoot(runtime_dir.resolve() / "asterisk" / "root")
    if not (root.path / _TOOLS[name]).exists():
        raise AsteriskMissing(
            f"The program {name} is missing. Run `pbx112 setup`, which fetches it, or install the package "
            f"{_PACKAGES[name]}."
        )
    argv = root.argv(_TOOLS[name])
    if name == "espeak-ng":
        return (shutil.which("env") or "/usr/bin/env", f"ESPEAK_DATA_PATH={root.libraries}", *argv)
    return argv


def find_moh(runtime_dir: Path) -> Path:
    """Return a piece of music for waiting callers, unpacked or the system's. Raises AsteriskMissing."""
    root = UnpackedRoot(runtime_dir.resolve() / "asterisk" / "root")
    for folder in (root.path / "usr/share/asterisk/moh", *(place / "moh" for place in _data_dirs(Path("/usr")))):
        pieces = sorted(folder.glob("*.wav"))
        if pieces:
            return next((piece for piece in pieces if piece.name == _CALM_PIECE), pieces[0])
    raise AsteriskMissing(
        "There is no music for waiting callers. Run `pbx112 setup`, which fetches some, or install the package "
        "asterisk-moh-opsound-wav."
    )


def missing_tools(explicit: str | None, runtime_dir: Path) -> list[str]:
    """Name what a first start needs and cannot find yet: `asterisk`, `sipp`, `espeak-ng`, `sox`, `music`."""
    checks: dict[str, Callable[[], object]] = {
        "asterisk": lambda: find_asterisk(explicit, runtime_dir),
        **{name: partial(tool_argv, name, runtime_dir) for name in _TOOLS},
        "music": lambda: find_moh(runtime_dir),
    }
    missing = []
    for name, check in checks.items():
        try:
            check()
        except AsteriskMissing:
            missing.append(name)
    return missing


def _named(explicit: str) -> AsteriskInstall:
    binary = shutil.which(explicit) or shutil.which(str(Path(explicit).expanduser()))
    if binary is None:
        raise AsteriskMissing(f"PBX112_ASTERISK names {explicit}, and there is no program of that name to run.")
    install, version = _inspect(Path(binary))
    if version[:2] < OLDEST:
        raise AsteriskMissing(
            f"PBX112_ASTERISK names {explicit}, which is Asterisk {install.version}; this needs {_oldest()} or newer. "
            "Unset PBX112_ASTERISK to use the one that `pbx112 setup` fetches."
        )
    return install


def _system() -> AsteriskInstall | None:
    # An ordinary user's PATH often lacks the folders of servers.
    binary = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if binary is None:
        return None
    try:
        install, version = _inspect(Path(binary))
    except AsteriskMissing:
        return None
    return install if version[:2] >= OLDEST else None


def _unpacked(runtime_dir: Path) -> AsteriskInstall:
    binary = runtime_dir.resolve() / "asterisk" / "root" / "usr/sbin/asterisk"
    if not binary.exists():
        raise AsteriskMissing(
            f"This machine has no Asterisk {_oldest()} or newer. Run `pbx112 setup`, which unpacks one below "
            f"{runtime_dir} without touching the system, or name a binary in PBX112_ASTERISK."
        )
    return _inspect(binary)[0]


def _inspect(binary: Path) -> tuple[AsteriskInstall, tuple[int, ...]]:
    root = root_of(binary)
    argv = (str(binary),) if root is None else root.argv(str(binary.resolve().relative_to(root.path)))
    try:
        said = run([*argv, "-V"], deadline_s=30)
    except CommandFailed as error:
        raise AsteriskMissing(f"{binary} does not run. {error}") from error
    found = parse_version(said)
    if found is None:
        raise AsteriskMissing(f"{binary} does not say which version of Asterisk it is, but: {said[:200]!r}.")
    prefix = binary.resolve().parent.parent
    modules = _first_with("app_queue.so", _module_dirs(prefix), f"{binary}'s modules")
    data = _first_with("sounds", _data_dirs(prefix), f"{binary}'s sounds")
    return AsteriskInstall(argv, found[0], modules, data, data / "sounds", data / "moh"), found[1]


def _module_dirs(prefix: Path) -> list[Path]:
    return [prefix / lib / "asterisk" / "modules" for lib in (f"lib/{MULTIARCH}", "lib64", "lib")]


def _data_dirs(prefix: Path) -> list[Path]:
    # Debian's place; a source build's with its own prefix; a source build's without one.
    return [prefix / "share/asterisk", prefix / "var/lib/asterisk", Path("/var/lib/asterisk")]


def _first_with(entry: str, folders: list[Path], what: str) -> Path:
    for folder in folders:
        if (folder / entry).exists():
            return folder
    looked = ", ".join(str(folder) for folder in folders)
    raise AsteriskMissing(f"{what} were not found (looked for {entry} in {looked}).")


def _oldest() -> str:
    return ".".join(map(str, OLDEST))
