"""Long-lived programs that we own: start one, log it, stop it in order, start it again when it dies."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from pbx112.domain.errors import Pbx112Error
from pbx112.host.command import CommandFailed, describe_exit, end_group, tied_to_parent

log = structlog.get_logger(__name__)

_LOG_LIMIT = 20 * 1024 * 1024
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class ProcessFailed(Pbx112Error):
    """A program that the service needs could not be started or ended at once."""

    slug = "process-failed"


class Supervised(Protocol):
    """What `supervise` needs of a running program. `Child` and `EmbeddedPostgres` are such."""

    @property
    def pid(self) -> int | None:
        """Its process id, or None when it does not run."""

    async def wait(self) -> int:
        """Wait for its end and return its exit code (minus the signal number when a signal ended it)."""

    async def stop(self) -> None:
        """End it, within a deadline of its own; nothing happens when it has ended."""


class Child:
    """One program that runs as long as we do, in a session of its own.

    The own session keeps a Ctrl-C at the terminal away from it: only we get it, and stop our children in
    order. When we are killed without a chance to do that, the kernel sends it `term_signal`, unless
    `survive_parent` is set. It must be started from the main thread: the kernel ties it to that thread.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        term_signal: signal.Signals = signal.SIGTERM,
        survive_parent: bool = False,
    ) -> None:
        """Name a program for people (`Asterisk`); `user` is (uid, gid), for root only; output goes to `log_file`."""
        self.name = name
        self.log_file = log_file
        self._argv = tuple(argv)
        self._user = user
        self._death_signal = None if survive_parent else term_signal
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._term_signal = term_signal
        self._process: asyncio.subprocess.Process | None = None
        self._swept: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process is not None and self.returncode is None else None

    @property
    def returncode(self) -> int | None:
        """How it ended: the exit code, minus the signal number, or None while it runs or before its start."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it; its output is appended to the log file. Raises ProcessFailed when that cannot be done."""
        if self.pid is not None:
            raise ProcessFailed(f"{self.name} runs already (process {self.pid}).")
        try:
            argv = tied_to_parent(self._argv, death_signal=self._death_signal, user=self._user)
        except CommandFailed as error:
            raise ProcessFailed(f"{self.name} could not be started. {error}") from error
        try:
            output = _open_log(self.log_file)
        except OSError as error:
            raise ProcessFailed(f"{self.name} has no log file: {error}") from error
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessFailed(f"{self.name} could not be started: {error}") from error
        finally:
            os.close(output)

    async def wait(self) -> int:
        """Wait for its end and return how it ended."""
        if self._process is None:
            raise ProcessFailed(f"{self.name} was never started.")
        process = self._process
        code = await process.wait()
        if process is not self._swept:
            # Once, at its end: later the number could be another program's group.
            self._swept = process
            end_group(process.pid)
        return code

    async def stop(self, term_signal: signal.Signals | None = None, deadline_s: float = 10.0) -> None:
        """Ask it to end; after `deadline_s` seconds kill it. Also ends what it has left in its process group."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(term_signal or self._term_signal)
        try:
            await asyncio.wait_for(self.wait(), deadline_s)
        except TimeoutError:
            log.warning(f"{self.name} did not end within {deadline_s:.0f} s and was killed.", process=self.name)
            end_group(process.pid)
            await self.wait()
        except asyncio.CancelledError:
            # Cancelled ourselves while waiting: no child is left without an owner.
            end_group(process.pid)
            raise

    def log_tail(self, lines: int = 8) -> str:
        """Return the last lines of its log, for an error message."""
        return tail_of(self.log_file, lines)


def tail_of(file: Path, lines: int = 8) -> str:
    """Return the last lines of a text file, indented for an error message; empty when there is none."""
    try:
        with file.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 8192))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in text.splitlines()[-lines:])


async def supervise(
    start: Callable[[], Awaitable[Supervised]],
    name: str,
    *,
    first: Supervised | None = None,
    steady_s: float = 30.0,
    longest_pause_s: float = _LONGEST_PAUSE_S,
) -> None:
    """Keep a program running until cancelled: start it, and start it again when it dies.

    `start` starts one and returns it when it is ready; `first` is one that already runs. The pause before a new
    start doubles from 0.2 to 5 seconds, and is short again after it has run for `steady_s`. The very first
    start raises its error; later ones are reported and tried again. On cancellation the program is stopped.
    """
    running = first if first is not None else await start()
    pause = _FIRST_PAUSE_S
    while True:
        began = time.monotonic()
        pid = running.pid
        try:
            code = await running.wait()
        finally:
            # A dead leader may leave helpers in its group; a cancelled wait leaves the program itself.
            await running.stop()
        if time.monotonic() - began >= steady_s:
            pause = _FIRST_PAUSE_S
        log.warning(
            f"{name} (process {pid}) has died: {describe_exit(code)}. It is started again in {pause:.1f} s.",
            process=name,
            exit_code=code,
        )
        running, pause = await _start_again(start, name, pause, longest_pause_s)


async def _start_again(
    start: Callable[[], Awaitable[Supervised]], name: str, pause: float, longest_pause_s: float
) -> tuple[Supervised, float]:
    while True:
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest_pause_s)
        try:
            running = await start()
        except (Pbx112Error, OSError) as error:
            log.error(f"{name} could not be started again; next try in {pause:.1f} s. {error}", process=name)  # noqa: TRY400
            continue
        log.info(f"{name} runs again (process {running.pid}).", process=name)
        return running, pause


def _open_log(file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Two generations bound the disk; a program that restarts in a loop must not fill it.
    if file.exists() and file.stat().st_size > _LOG_LIMIT:
        file.replace(file.with_name(file.name + ".1"))
    # Not readable by others: logs may hold callers' numbers.
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
