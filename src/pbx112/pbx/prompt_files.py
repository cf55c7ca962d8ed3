"""This node's files of a centre's own prompts: `<name>/<language>/v<version>/<name>.wav`, and a link to the one in use.

A version has a folder of its own and never changes in it, so that a caller who hears one goes on hearing it when
another is put to use: Asterisk opens the file again each time that it comes to its end. Musiconhold.conf names the
version's folder, and so a change of version is a change of a file that the applier knows how to make, and to undo.
A sound that somebody put into `<name>/<language>/` by hand is heard where no version is in use.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pbx112.domain.prompts import PromptUse

_IN_USE = "in-use"
_KEPT_S = 24 * 3600.0  # nobody waits for longer than that


class PromptFiles:
    """The files below one folder. Implements the services' PromptFiles. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one = threading.Lock()

    def has(self, name: str, language: str) -> bool:
        """Whether callers of this language can hear this prompt here."""
        return heard_folder(self._folder, name, language) is not None

    def lacking(self, wanted: Iterable[PromptUse]) -> list[PromptUse]:
        """Those which are not the version in use here."""
        return [one for one in wanted if _in_use(self._folder / one.name / one.language) != f"v{one.version}"]

    def put(self, prompt: PromptUse, wav: bytes) -> None:
        """Have this version here, and in use: whole, and then at once."""
        with self._one:
            self._put(prompt, wav)

    def _put(self, prompt: PromptUse, wav: bytes) -> None:
        home = self._folder / prompt.name / prompt.language
        home.mkdir(parents=True, exist_ok=True)
        version = home / f"v{prompt.version}"
        if not _is_whole(version):
            _write(version, f"{prompt.name}.wav", wav)
        before = _in_use(home)
        if before is not None:
            os.utime(home / before)
        new = home / f".{_IN_USE}.{os.getpid()}"
        new.unlink(missing_ok=True)
        new.symlink_to(version.name)
        new.replace(home / _IN_USE)
        for old in _long_unused(home, version.name):
            shutil.rmtree(old, ignore_errors=True)


def heard_folder(folder: Path, name: str, language: str) -> Path | None:
    """The folder with the one file that callers hear; None: they hear the built-in prompt."""
    home = folder / name / language
    version = _in_use(home)
    if version is not None:
        return home / version
    return home if any(home.glob("*.wav")) else None


def _in_use(home: Path) -> str | None:
    """The version's folder that the link names, when its file is there."""
    try:
        name = (home / _IN_USE).readlink().name
    except OSError:
        return None
    return name if _is_whole(home / name) else None


def _is_whole(version: Path) -> bool:
    return any(file.stat().st_size for file in version.glob("*.wav"))


def _write(version: Path, name: str, wav: bytes) -> None:
    aside = Path(tempfile.mkdtemp(prefix=".new-", dir=version.parent))
    try:
        aside.chmod(0o755)
        with (aside / name).open("wb") as file:
            file.write(wav)
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(version, ignore_errors=True)  # what a full disk may have left of it
        aside.rename(version)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _long_unused(home: Path, kept: str) -> Iterator[Path]:
    before = time.time() - _KEPT_S
    for version in home.glob("v*"):
        if version.name != kept and version.is_dir() and version.stat().st_mtime < before:
            yield version
