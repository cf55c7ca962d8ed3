"""Short-lived programs of the machine: run one to its end, with a deadline, and keep what it said last."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from pbx112.domain.errors import Pbx112Error

P = ParamSpec("P")
T = TypeVar("T")

_KEPT_LINES = 4000
_TOLD_LINES = 12


class CommandFailed(Pbx112Error):
    """A program of the machine could not be started, failed, or took longer than its deadline."""

    slug = "command-failed"


class Scope:
    """The programs that one piece of blocking work runs, so that the work can be broken off as a whole."""

    def __init__(self) -> None:
        """An open scope without programs."""
        self._lock = threading.Lock()
        self._pids: set[int] = set()
        self._ended = False

    def add(self, pid: int) -> None:
        """Note a program that runs now; in an ended scope it is ended at once."""
        with self._lock:
            self._pids.add(pid)
            if self._ended:
                end_group(pid)

    def remove(self, pid: int) -> None:
        """Forget a program that has ended."""
        with self._lock:
            self._pids.discard(pid)

    def end(self) -> None:
        """End every program, and those that the work still tries to start."""
        with self._lock:
            self._ended = True
            for pid in self._pids:
                end_group(pid)


current_scope: ContextVar[Scope] = ContextVar("current_scope")
"""The scope of the work that runs here; threads that the work starts must be given it."""


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread. When cancelled, end its programs and wait for it to notice.

    asyncio.to_thread alone would let the work go on behind our back, and make Ctrl-C wait for its end.
    """
    scope = Scope()
    outer = current_scope.set(scope)
    working = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))  # takes the scope along
    current_scope.reset(outer)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        scope.end()
        await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # fetched, or asyncio would report it as forgotten
        raise


def tied_to_parent(
    argv: Sequence[str], *, death_signal: signal.Signals | None = signal.SIGTERM, user: tuple[int, int] | None = None
) -> tuple[str, ...]:
    """Give argv a prefix so that the program gets `death_signal` when the thread that started it ends.

    `user` is the (uid, gid) to run as; only root may ask for one. The prefix is util-linux's setpriv, which
    replaces itself by the program, so the process id stays the program's own. It is used instead of a
    preexec_fn because that runs Python in a forked copy of a process with threads, and uvloop has no `user=`.
    Raises CommandFailed when the program does not exist.
    """
    if shutil.which(argv[0]) is None:
        # Looked for here, because setpriv would start and then fail in words of its own.
        raise CommandFailed(f"The program {argv[0]} is missing on this machine; install the package it is in.")
    flags: list[str] = []
    if user is not None:
        flags += [f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups"]
    if death_signal is not None:
        flags += ["--pdeathsig", death_signal.name.removeprefix("SIG")]
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    if not flags or (setpriv is None and user is None):
        return tuple(argv)
    if setpriv is None:
        raise CommandFailed("The program setpriv is missing; install the package util-linux.")
    return (setpriv, *flags, "--", *argv)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program that works on a stranger's bytes may have; the kernel ends it, or refuses, beyond that."""

    cpu_s: int
    memory_bytes: int
    file_bytes: int
    files: int = 32


def limited(argv: Sequence[str], limits: Limits) -> tuple[str, ...]:
    """Give argv a prefix so that the program runs within limits, and only when nobody else needs the processor.

    Raises CommandFailed when this machine cannot limit.
    """
    for tool, package in (("nice", "coreutils"), ("prlimit", "util-linux")):
        if shutil.which(tool) is None:
            raise CommandFailed(f"The program {tool} is missing; install the package {package}.")
    bounds = (
        f"--cpu={limits.cpu_s}",
        f"--as={limits.memory_bytes}",
        f"--fsize={limits.file_bytes}",
        f"--nofile={limits.files}",
        "--core=0",
    )
    return ("nice", "-n", "15", "prlimit", *bounds, "--", *argv)


def run(
    argv: Sequence[str],
    *,
    deadline_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
    on_line: Callable[[str], None] | None = None,
    stdin: Path | None = None,
) -> str:
    """Run a program to its end and return its output (standard output and error together, the last lines).

    It reads the file `stdin`, or nothing. It is alone in its own session: Ctrl-C reaches only us, and whatever it
    leaves behind is ended with it.
    Raises CommandFailed with the program's last lines when it fails or is still running after `deadline_s`.
    """
    name = Path(argv[0]).name
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    late = threading.Event()
    process = _start(tied_to_parent(argv, user=user), name, env, cwd, stdin)
    scope = current_scope.get(None) or Scope()
    scope.add(process.pid)

    def end_late() -> None:
        late.set()
        end_group(process.pid)

    timer = threading.Timer(deadline_s, end_late)
    timer.daemon = True
    timer.start()
    try:
        with process:
            assert process.stdout is not None  # noqa: S101  (a pipe was asked for above; this tells mypy)
            for line in process.stdout:
                kept.append(line.rstrip("\n"))
                if on_line is not None:
                    on_line(line.rstrip("\n"))
    except BaseException:
        # Also for Ctrl-C: without this, `with process` would wait for a program that nobody stops.
        end_group(process.pid)
        raise
    finally:
        timer.cancel()
        scope.remove(process.pid)
    if late.is_set():
        raise CommandFailed(f"{name} was stopped: it was not done after {deadline_s:.0f} seconds.{_tail(kept)}")
    if process.returncode != 0:
        raise CommandFailed(f"{name} failed ({describe_exit(process.returncode)}).{_tail(kept)}")
    return "\n".join(kept)


def describe_exit(code: int) -> str:
    """Say a return code in words: `exit code 1`, or `ended by SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


def end_group(pid: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Signal every process of the group that `pid` leads; no error when none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, with_signal)


def _start(
    argv: Sequence[str], name: str, env: Mapping[str, str] | None, cwd: Path | None, stdin: Path | None
) -> subprocess.Popen[str]:
    try:
        with (stdin or Path(os.devnull)).open("rb") as source:
            return subprocess.Popen(
                argv,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
    except OSError as error:
        raise CommandFailed(f"{name} could not be started: {error}") from error


def _tail(lines: deque[str]) -> str:
    told = [line for line in lines if line.strip()][-_TOLD_LINES:]
    return "".join(f"\n  {line}" for line in told)
