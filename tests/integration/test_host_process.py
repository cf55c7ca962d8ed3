"""Owned processes: an own session, an end in order, a new start after a death, nothing left behind."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from pbx112.host.command import CommandFailed, in_thread, run
from pbx112.host.process import Child, ProcessFailed, supervise

T = TypeVar("T")


async def until(look: Callable[[], T | None]) -> T:
    """Return what `look` returns as soon as that is something true; at most ten seconds."""
    async with asyncio.timeout(10):
        while True:
            if found := look():
                return found
            await asyncio.sleep(0.02)


async def until_gone(pid: int) -> None:
    def gone() -> bool:
        try:
            return "zombie" in Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    await until(gone)


async def until_text(file: Path, pattern: str) -> re.Match[str]:
    return await until(lambda: re.search(pattern, file.read_text()) if file.exists() else None)


async def until_runs(children: list[Child], number: int) -> int:
    """Wait for the child of this number (from 1) and return its process id."""
    return await until(lambda: children[number - 1].pid if len(children) >= number else None)


def shell(tmp_path: Path, script: str, *, survive_parent: bool = False) -> Child:
    return Child("The shell", ["/bin/sh", "-c", script], log_file=tmp_path / "log", survive_parent=survive_parent)


@pytest.fixture
async def children() -> AsyncIterator[list[Child]]:
    """Every child put into the list is stopped at the end of the test."""
    made: list[Child] = []
    yield made
    for child in made:
        await child.stop(deadline_s=0.1)


async def test_given_a_child_when_started_then_it_leads_its_own_session_and_writes_its_log(
    tmp_path: Path, children: list[Child]
) -> None:
    child = shell(tmp_path, "echo out; echo err >&2; sleep 60")
    children.append(child)
    await child.start()
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid
    await until_text(child.log_file, "out\nerr")
    assert child.log_file.stat().st_mode & 0o777 == 0o600
    assert "err" in child.log_tail()
    with pytest.raises(ProcessFailed, match="runs already"):
        await child.start()
    await child.stop()
    assert child.pid is None
    assert child.returncode == -signal.SIGTERM


async def test_given_a_child_that_ignores_the_signal_when_stopped_then_it_is_killed_with_its_group(
    tmp_path: Path, children: list[Child]
) -> None:
    child = shell(tmp_path, "trap '' TERM; sleep 60 & echo helper $!; while :; do sleep 60; done")
    children.append(child)
    await child.start()
    helper = int((await until_text(child.log_file, r"helper (\d+)"))[1])
    began = time.monotonic()
    with capture_logs() as said:
        await child.stop(deadline_s=0.3)
    assert time.monotonic() - began < 5
    assert child.returncode == -signal.SIGKILL
    assert "was killed" in said[0]["event"]
    await until_gone(helper)


async def test_given_a_child_that_ends_by_itself_when_waited_for_then_its_helpers_end_too(
    tmp_path: Path, children: list[Child]
) -> None:
    child = shell(tmp_path, "sleep 60 & echo helper $!; exit 3")
    children.append(child)
    await child.start()
    assert await child.wait() == 3
    helper = int((await until_text(child.log_file, r"helper (\d+)"))[1])
    await until_gone(helper)


async def test_given_no_such_program_when_started_then_the_death_is_in_words(tmp_path: Path) -> None:
    child = Child("The shell", ["/nowhere/sh"], log_file=tmp_path / "log", survive_parent=True)
    with pytest.raises(ProcessFailed, match="The shell could not be started"):
        await child.start()


async def test_given_a_grown_log_when_started_then_one_old_generation_is_kept(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx112.host.process._LOG_LIMIT", 10)
    (tmp_path / "log").write_text("much that was said before\n")
    child = shell(tmp_path, "echo new")
    children.append(child)
    await child.start()
    assert await child.wait() == 0
    assert child.log_file.read_text() == "new\n"
    assert (tmp_path / "log.1").read_text() == "much that was said before\n"


PARENT = """
import asyncio, sys
from pathlib import Path
from pbx112.host.process import Child

async def main():
    child = Child("sleep", ["sleep", "60"], log_file=Path(sys.argv[1]), survive_parent=sys.argv[2] == "survive")
    await child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["die", "survive"])
async def test_given_a_child_when_the_parent_is_killed_then_it_ends_unless_it_shall_survive(
    tmp_path: Path, how: str
) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path / "log"), how, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 30))
    parent.kill()
    await parent.wait()
    if how == "survive":
        await asyncio.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
    await until_gone(pid)


async def test_given_a_supervised_child_when_it_dies_then_it_is_started_again_and_the_death_is_told(
    tmp_path: Path, children: list[Child]
) -> None:
    async def start() -> Child:
        child = shell(tmp_path, "sleep 60")
        children.append(child)
        await child.start()
        return child

    with capture_logs() as said:
        keeper = asyncio.create_task(supervise(start, "Asterisk"))
        began = time.monotonic()
        for number in (1, 2):
            os.kill(await until_runs(children, number), signal.SIGKILL)
        await until_runs(children, 3)
        waited = time.monotonic() - began
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
    sentences = [line["event"] for line in said if "has died" in line["event"]]
    assert re.fullmatch(
        r"Asterisk \(process \d+\) has died: ended by SIGKILL\. It is started again in 0\.2 s\.", sentences[0]
    )
    assert sentences[1].endswith("started again in 0.4 s.")
    assert 0.6 <= waited < 5
    assert all(child.pid is None for child in children)


async def test_given_a_start_that_fails_when_supervised_then_the_first_is_raised_and_a_later_one_tried_again(
    tmp_path: Path, children: list[Child]
) -> None:
    attempts = 0

    async def start() -> Child:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ProcessFailed("There is no port.")
        child = shell(tmp_path, "sleep 60")
        children.append(child)
        await child.start()
        return child

    with pytest.raises(ProcessFailed, match="no port"):
        await supervise(start, "Asterisk")
    attempts = 0
    first = shell(tmp_path, "exit 1")
    await first.start()
    with capture_logs() as said:
        keeper = asyncio.create_task(supervise(start, "Asterisk", first=first))
        await until_runs(children, 1)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
    assert any("could not be started again; next try in 0.4 s. There is no port." in line["event"] for line in said)
    assert attempts == 2


def test_given_a_command_that_fails_when_run_then_the_error_has_its_last_lines() -> None:
    with pytest.raises(CommandFailed, match=r"sh failed \(exit code 4\)\.\n  the reason"):
        run(["sh", "-c", "echo the reason >&2; exit 4"], deadline_s=10)
    with pytest.raises(CommandFailed, match="program no-such-program is missing"):
        run(["no-such-program"], deadline_s=10)


def test_given_a_command_that_hangs_when_run_then_it_is_ended_with_its_helpers_at_the_deadline() -> None:
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="not done after 0 seconds"):
        run(["sh", "-c", "sleep 60 & sleep 60"], deadline_s=0.3)
    assert time.monotonic() - began < 5


async def test_given_blocking_work_when_cancelled_then_its_programs_end_and_it_starts_no_more(tmp_path: Path) -> None:
    def work() -> None:
        for number in range(3):
            run(["sh", "-c", f"echo {number} >> {tmp_path}/ran; sleep 60"], deadline_s=60)

    working = asyncio.create_task(in_thread(work))
    await until_text(tmp_path / "ran", "0")
    began = time.monotonic()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert time.monotonic() - began < 5
    assert (tmp_path / "ran").read_text() == "0\n"
