"""Asterisk and the drill's tools on a machine without them: Debian's own packages, unpacked beside the system.

Debian 12, 13 and Ubuntu have no Asterisk 22; Debian's next release has. Its packages are fetched with an apt state of
our own and unpacked into one folder, with the C library they were built for. Nothing is installed, no system file is
written, and an ordinary user may do it.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pbx112.domain.errors import Pbx112Error
from pbx112.host.asterisk import OLDEST, parse_version
from pbx112.host.command import CommandFailed, Scope, current_scope, run
from pbx112.host.folders import wait_for_lock, write_whole
from pbx112.host.mirror import debian_mirrors, network_settings
from pbx112.host.unpacked import MULTIARCH, UnpackedRoot

RELEASE = "forky"
PACKAGES = (
    "asterisk",
    "asterisk-core-sounds-en-wav",
    "asterisk-moh-opsound-wav",
    "sip-tester",
    "espeak-ng",
    "sox",
)

_SYSTEM_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NEEDED_BYTES = 900 * 1024 * 1024
_UPDATE_DEADLINE_S = 300.0
_DOWNLOAD_DEADLINE_S = 1800.0
_UNPACK_DEADLINE_S = 300.0
_LOCK_DEADLINE_S = 2400.0

Progress = Callable[[str], None]


class ToolsMissing(Pbx112Error):
    """Asterisk or a tool could not be had; the message says what failed and what to do."""

    slug = "tools-missing"


def ensure_tools(runtime_dir: Path, progress: Progress) -> None:
    """Have Asterisk 22, SIPp, eSpeak NG and SoX unpacked below `<runtime_dir>/asterisk`.

    Returns at once when they are there. An interrupted run is taken up again: what was fetched is kept, what was half
    unpacked is unpacked anew. `progress` gets sentences for people. Raises ToolsMissing.
    """
    home = runtime_dir.resolve() / "asterisk"
    if _is_complete(home):
        return
    lock = wait_for_lock(home / "lock", progress, _LOCK_DEADLINE_S)
    try:
        if not _is_complete(home):
            _fetch_and_unpack(home, progress)
    finally:
        lock.release()


def fetch_packages(home: Path, packages: Sequence[str], release: str, progress: Progress) -> Path:
    """Unpack these packages of a Debian release, and all they depend on, into a folder below `home`; gives it.

    The archives stay in `home/apt` until the caller has tried what was unpacked. Raises ToolsMissing.
    """
    _check_machine(home)
    apt = _Apt.prepare(home / "apt")
    keyring = _keyring(home, progress)
    _update(apt, keyring, release, progress)
    _download(apt, packages, release, progress)
    return _unpack(apt, home, progress)


def _fetch_and_unpack(home: Path, progress: Progress) -> None:
    version = _finish_root(fetch_packages(home, PACKAGES, RELEASE, progress))
    write_whole(home / "complete.json", json.dumps({"packages": PACKAGES, "asterisk": version}).encode())
    # The archives and lists are 180 MB that nothing needs any more.
    shutil.rmtree(home / "apt", ignore_errors=True)
    progress(f"{version} and its tools are ready in {home}.")


def _is_complete(home: Path) -> bool:
    """True when the stamp, written last of all, names just the packages that this version of pbx112 wants."""
    try:
        stamp = json.loads((home / "complete.json").read_text())
        return bool(stamp["packages"] == list(PACKAGES)) and (home / "root" / "usr").is_dir()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _check_machine(home: Path) -> None:
    missing = [name for name in ("apt-get", "apt-config", "dpkg-deb") if shutil.which(name) is None]
    if missing or MULTIARCH is None:
        lack = f"has no {', '.join(missing)}" if missing else f"is a {os.uname().machine}"
        raise ToolsMissing(
            f"Asterisk can be fetched on Debian or Ubuntu on amd64 or arm64 only, and this machine {lack}. "
            "Install Asterisk 22.10 or newer yourself and name its binary in PBX112_ASTERISK."
        )
    free = shutil.disk_usage(home).free
    if free < _NEEDED_BYTES:
        raise ToolsMissing(
            f"Asterisk needs {_NEEDED_BYTES // 2**20} MB for a moment (400 MB afterwards), and the disk of {home} "
            f"has {free // 2**20} MB left. Make room, or set PBX112_RUNTIME_DIR to a folder on another disk."
        )


@dataclass(frozen=True)
class _Apt:
    """An apt state of our own; `env` makes every apt program use it instead of the system's."""

    folder: Path
    env: Mapping[str, str]

    @property
    def archives(self) -> Path:
        return self.folder / "archives"

    @classmethod
    def prepare(cls, folder: Path) -> "_Apt":
        for name in ("lists/partial", "archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")  # empty: nothing counts as installed, so the whole closure is fetched
        network = network_settings(run(["apt-config", "dump"], deadline_s=30))
        settings = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::sourcelist": str(folder / "sources.list"),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": str(folder / "lists"),
            "Dir::State::status": str(folder / "status"),
            "Dir::State::extended_states": str(folder / "extended_states"),
            "Dir::Cache::archives": str(folder / "archives"),
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Dir::Log": str(folder),
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",  # the user _apt could not reach a checkout in a closed home
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "30",
        }
        text = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        write_whole(folder / "apt.conf", f"{text}{network}\n".encode())
        return cls(folder, {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"})


def _keyring(home: Path, progress: Progress) -> Path:
    """Return Debian's keys: the system's, or (Ubuntu has them in a package of its own) unpacked below `home`."""
    if _SYSTEM_KEYRING.exists():
        return _SYSTEM_KEYRING
    folder = home / "keyring"
    keyring = folder / _SYSTEM_KEYRING.relative_to("/")
    if keyring.exists():
        return keyring
    progress("Fetching Debian's archive keys from this machine's own package source ...")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run(["apt-get", "download", "debian-archive-keyring"], deadline_s=120, cwd=folder)
        for package in folder.glob("*.deb"):
            run(["dpkg-deb", "-x", str(package), str(folder)], deadline_s=60)
    except CommandFailed as error:
        raise ToolsMissing(
            "Debian's archive keys are missing here and could not be fetched. Install the package "
            f"debian-archive-keyring (`sudo apt-get update && sudo apt-get install debian-archive-keyring`). {error}"
        ) from error
    if not keyring.exists():
        raise ToolsMissing(f"The package debian-archive-keyring in {folder} does not hold {keyring.name}.")
    return keyring


def _update(apt: _Apt, keyring: Path, release: str, progress: Progress) -> None:
    """Read the list of packages from the first mirror that has it.

    A mirror that stands still (a company's snapshot) has a list older than Debian vouches for. Its signature is as good
    as ever, so it is taken, but only when no mirror is up to date.
    """
    failures = {}
    for mirror in debian_mirrors():
        progress(f"Reading Debian's list of packages from {mirror} ...")
        try:
            _read_list(apt, keyring, mirror, release)
        except CommandFailed as error:
            failures[mirror] = error
        else:
            return
    for mirror in [mirror for mirror, error in failures.items() if "is expired" in str(error)]:
        progress(f"The list of {mirror} is out of date but rightly signed; using it all the same ...")
        try:
            _read_list(apt, keyring, mirror, release, "-o", "Acquire::Check-Valid-Until=false")
        except CommandFailed as error:
            failures[mirror] = error
        else:
            return
    told = "\n".join(f"{mirror}: {error}" for mirror, error in failures.items())
    raise ToolsMissing(
        "Debian's list of packages could not be read. Check this machine's network and proxy (apt's own settings are "
        f"used), or install Asterisk 22.10 or newer yourself and name it in PBX112_ASTERISK.\n{told}"
    )


def _read_list(apt: _Apt, keyring: Path, mirror: str, release: str, *options: str) -> None:
    write_whole(apt.folder / "sources.list", f"deb [signed-by={keyring}] {mirror} {release} main\n".encode())
    # Without Error-Mode apt-get ends with success when it could not reach the mirror.
    argv = ["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", *options, "update"]
    run(argv, deadline_s=_UPDATE_DEADLINE_S, env=apt.env)


def _download(apt: _Apt, packages: Sequence[str], release: str, progress: Progress) -> None:
    """Fetch the packages and all they depend on; what an earlier run fetched is not fetched again."""
    told = _DownloadProgress(progress, release)
    argv = ["apt-get", "-q", "-y", "--download-only", "install", *packages]
    try:
        run(argv, deadline_s=_DOWNLOAD_DEADLINE_S, env=apt.env, on_line=told.line)
        # An older run may have left packages of versions that no longer belong together.
        run(["apt-get", "-q", "autoclean"], deadline_s=60, env=apt.env)
    except CommandFailed as error:
        raise ToolsMissing(
            f"The packages could not be fetched from Debian. Run the same again: what has arrived is kept. {error}"
        ) from error


class _DownloadProgress:
    """Turns apt's lines into a sentence every twenty packages."""

    def __init__(self, progress: Progress, release: str) -> None:
        self._progress = progress
        self._release = release
        self._total = "?"
        self._got = 0

    def line(self, line: str) -> None:
        if match := re.search(r"(\d+) newly installed", line):
            self._total = match[1]
        elif match := re.match(r"Need to get ([\d.,]+ \w+)", line):
            self._progress(f"Fetching {self._total} packages of Debian {self._release}: {match[1]} to go ...")
        elif line.startswith("Get:"):
            self._got += 1
            if self._got % 20 == 0:
                self._progress(f"  {self._got} packages fetched")


def _unpack(apt: _Apt, home: Path, progress: Progress) -> Path:
    """Unpack everything aside and rename it, so that `root` is whole whenever it exists."""
    packages = sorted(apt.archives.glob("*.deb"))
    size = sum(package.stat().st_size for package in packages) // 2**20
    progress(f"Unpacking {len(packages)} packages ({size} MB) ...")
    unfinished = home / "root.new"
    for old in (unfinished, home / "root"):
        shutil.rmtree(old, ignore_errors=True)
    unfinished.mkdir()

    def unpack(package: Path) -> None:
        run(["dpkg-deb", "-x", str(package), str(unfinished)], deadline_s=_UNPACK_DEADLINE_S)

    scope = current_scope.get(None) or Scope()
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), initializer=current_scope.set, initargs=(scope,))
    try:
        for number, _ in enumerate(pool.map(unpack, packages), 1):
            if number % 40 == 0:
                progress(f"  {number} of {len(packages)} packages unpacked")
    except CommandFailed as error:
        raise ToolsMissing(f"A package could not be unpacked; is the disk full? {error}") from error
    finally:
        # On Ctrl-C only the packages in hand are waited for, not the whole row.
        pool.shutdown(cancel_futures=True)
    unfinished.rename(home / "root")
    return home / "root"


def _finish_root(root: Path) -> str:
    """Do the little that the packages' install scripts would have done, try Asterisk, return its version line."""
    sounds = root / "usr/share/asterisk/sounds"
    # Debian makes this link at install time; without it prompts and transfers fail silently.
    if not (sounds / "en").exists():
        (sounds / "en").symlink_to("en_US_f_Allison")
    try:
        said = run(UnpackedRoot(root).argv("usr/sbin/asterisk", "-V"), deadline_s=60).strip()
    except CommandFailed as error:
        raise ToolsMissing(
            f"The unpacked Asterisk does not run on this machine. {error}\nRemove {root.parent} and try once more, or "
            "install Asterisk 22.10 or newer yourself and name it in PBX112_ASTERISK."
        ) from error
    version = parse_version(said)
    if version is None or version[1][:2] < OLDEST:
        raise ToolsMissing(
            f"The Debian mirror of this machine is too old: it has {said}, and 22.10 or newer is needed. Use another "
            "mirror in apt's sources, or name an Asterisk of your own in PBX112_ASTERISK."
        )
    return f"Asterisk {version[0]}"
