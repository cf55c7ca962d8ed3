"""The classic script as Asterisk runs it: a process of its own, on pipes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from pbx112.agi import classic
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.record import call_id
from tests.support.agi import HOSTILE, PLAIN, USAGE, AsteriskSide

SCRIPT = Path(classic.__file__)
SLOW = "import signal; signal.setitimer = lambda *_: None; import runpy, sys; sys.argv = sys.argv[1:]; "
SLOW += f"sys.executable = {sys.executable!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
"""Runs the script without its deadline: a busy test machine may need longer to start it."""


@pytest.fixture
def applied(tmp_path: Path) -> Path:
    path = tmp_path / "applied.json"
    path.write_text(json.dumps(DEMO_CENTRE.to_json()))
    return path


@contextmanager
def script(applied: Path, *, patient: bool = True, queue: str = "112") -> Iterator[subprocess.Popen[bytes]]:
    start: Sequence[str] = ["-c", SLOW] if patient else []
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", *start, str(SCRIPT), str(applied), queue, "node1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def streams(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert process.stdin and process.stdout and process.stderr
    return process.stdin, process.stdout, process.stderr


def call(applied: Path, environment: bytes = PLAIN, queue: str = "112") -> tuple[AsteriskSide, bytes, int]:
    side = AsteriskSide()
    with script(applied, queue=queue) as process:
        answers, commands, errors = streams(process)
        answers.write(environment)
        answers.flush()
        for line in commands:
            answers.write(side.answer(line))
            answers.flush()
        return side, errors.read(), process.wait(10)


def test_given_a_call_when_the_script_takes_it_in_then_the_same_is_set_as_by_fastagi(applied: Path) -> None:
    side, errors, code = call(applied)

    assert side.variables["PBX112_INTAKE"] == "classic"
    assert side.variables["PBX112_QUEUE"] == "112"
    assert side.variables["PBX112_CALLER_NUM"] == "+6281234567890"
    assert side.variables["PBX112_CALL_ID"] == str(call_id("node1", "1795287756.19"))
    assert len(side.words) == 1
    assert (errors, code) == (b"", 0)  # pyst2 writes every line to stderr


def test_given_a_hostile_environment_when_the_script_runs_then_nothing_in_it_is_an_answer(applied: Path) -> None:
    """pyst2: the rest behind an early blank line is taken for answers, and Latin-1 ends the script."""
    side, errors, _ = call(applied, HOSTILE)

    assert side.variables["PBX112_CALLER_NUM"] == "+6281234567890"
    assert errors == b""


@pytest.mark.parametrize("content", [None, "", "{", '{"version": 1}', "[]", "\xff"])
def test_given_no_readable_configuration_when_the_script_runs_then_the_default_queue_is_set(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "applied.json"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    side, errors, _ = call(path, queue="darurat")

    assert side.variables["PBX112_QUEUE"] == "darurat"
    assert side.variables["PBX112_INTAKE"] == "classic"
    assert errors == b""


@pytest.mark.parametrize("answer", [b"", b"HANGUP\n", USAGE[:60], b"511 Command Not Permitted\n", b"\xff\n"])
def test_given_a_dialogue_that_breaks_off_when_the_script_runs_then_it_ends_quietly(
    applied: Path, answer: bytes
) -> None:
    """pyst2 reads a broken usage text for ever, and raises ValueError for a line that is no answer."""
    with script(applied) as process:
        answers, commands, errors = streams(process)
        answers.write(PLAIN)
        answers.flush()
        first = AsteriskSide().answer(commands.readline())
        answers.write(first + answer)
        answers.close()
        assert process.wait(10) == 0
        assert errors.read() == b""


def test_given_asterisk_that_says_nothing_when_its_time_is_over_then_the_script_is_ended(applied: Path) -> None:
    started = time.monotonic()
    with script(applied, patient=False) as process:
        assert process.wait(10) == -signal.SIGALRM
    assert time.monotonic() - started < 3


def test_given_the_script_when_it_starts_then_nothing_heavy_is_imported() -> None:
    """It starts cold for every call: no database, no framework, no event loop."""
    root = SCRIPT.parents[2]
    code = f"import sys; sys.path[:0] = {[str(root), *sys.path]!r}; import pbx112.agi.script; print(*sys.modules)"
    listing = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True, timeout=20
    )
    heavy = {"asyncio", "sqlalchemy", "structlog", "pydantic", "panoramisk", "phonenumbers", "pathlib", "socket"}

    assert not heavy & set(listing.stdout.split())


def test_given_the_script_when_it_is_run_then_it_writes_no_file(applied: Path) -> None:
    before = sorted(applied.parent.iterdir())
    call(applied)

    assert sorted(applied.parent.iterdir()) == before
