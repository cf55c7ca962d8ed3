"""Folders and files that more than one process may meet: locks, whole-or-nothing writes, the right to pass through."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from pbx112.domain.errors import Pbx112Error


class FolderInUse(Pbx112Error):
    """Another process holds the lock of a folder that only one may use at a time."""

    slug = "folder-in-use"


class FolderClosed(Pbx112Error):
    """An unprivileged program of ours cannot pass through a parent folder."""

    slug = "folder-closed"


class FolderLock:
    """An exclusive lock on a file, held until `release`; the kernel frees it when the holder dies, however it dies."""

    def __init__(self, file: Path) -> None:
        """Take the lock at once; raises FolderInUse when another process holds it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            # A command that root types must not shut the service's own user out of a file in the user's folder.
            owner = file.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise FolderInUse(f"Another pbx112 uses {file.parent}. Stop it, or wait until it is done.") from error
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the lock free; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def wait_for_lock(file: Path, progress: Callable[[str], None], deadline_s: float) -> FolderLock:
    """Take the lock of `file`, waiting for its holder for up to `deadline_s`; then raise FolderInUse."""
    deadline = time.monotonic() + deadline_s
    told = False
    while True:
        with contextlib.suppress(FolderInUse):
            return FolderLock(file)
        if not told:
            progress(f"Another pbx112 works on {file.parent}; waiting for it ...")
            told = True
        if time.monotonic() > deadline:
            return FolderLock(file)
        time.sleep(0.5)


def write_whole(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        # Never wider than it will be, not even for a moment: it may hold secrets.
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
            stream.write(content)
        aside.chmod(mode)
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def let_pass(folder: Path, program: str, progress: Callable[[str], None]) -> None:
    """Let other users pass through a folder and its parents (search only, never list or read).

    For a `program` that we as root start as `nobody`. Says through `progress` what it changed; raises FolderClosed
    when a folder cannot be changed.
    """
    for place in reversed((folder, *folder.parents)):
        mode = place.stat().st_mode & 0o7777
        if mode & 0o001:
            continue
        try:
            place.chmod(mode | 0o001)
        except OSError as error:
            raise FolderClosed(
                f"{program} runs as the user nobody, who cannot enter {place}. Allow it (chmod o+x {place}), "
                "put the project elsewhere, or run as an ordinary user."
            ) from error
        progress(f"{program} runs as nobody: others may now pass through {place}, not list it (chmod o+x).")
