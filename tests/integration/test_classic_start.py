"""The classic script's start: what it may import, and how soon Asterisk hears its first command."""

from __future__ import annotations

import compileall
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pbx112.agi import classic
from pbx112.domain.demo import DEMO_CENTRE
from tests.support.agi import PLAIN

SCRIPT = Path(classic.__file__)
PACKAGE = SCRIPT.parents[1]
OURS = {"pbx112"}
PYST2 = {"asterisk", "six"}
"""pyst2's package, and the one that it needs."""

START_MS, STARTS = 150.0, 9

AT_ITS_END = """
import atexit, os, sys
standard = sys.stdlib_module_names | {{"__main__", "sitecustomize", "usercustomize"}}

def tell():
    found = {{name.partition(".")[0] for name in sys.modules}} - standard
    files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
    with open({told!r}, "w") as out:
        out.write(" ".join(sorted(found)) + "\\n" + "\\n".join(files))

atexit.register(tell)
sys.argv = sys.argv[1:]
import signal
signal.setitimer = lambda *_: None  # a busy test machine may need longer
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def applied(tmp_path: Path) -> Path:
    path = tmp_path / "applied.json"
    path.write_text(json.dumps(DEMO_CENTRE.to_json()))
    return path


def command(applied: Path) -> list[str]:
    """As Asterisk runs it, but for the interpreter's own words."""
    return [str(SCRIPT), str(applied), "112", "node1"]


def test_given_the_script_when_it_takes_a_call_in_then_only_the_standard_library_and_pyst2_are_imported(
    applied: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    code = AT_ITS_END.format(told=str(told))
    answers = PLAIN + b"200 result=0\n" * 40
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *command(applied)],
        input=answers,
        capture_output=True,
        timeout=30,
        check=False,
    )
    names, *files = told.read_text().splitlines()
    found = set(names.split())

    assert found <= OURS | PYST2, found - OURS - PYST2
    assert "asterisk" in found
    assert str(PACKAGE / "domain" / "caller.py") in files  # it classifies with the same code
    packages = [file for file in files if "site-packages" in file]
    assert all(Path(file).name == "six.py" or "asterisk" in Path(file).parts for file in packages), packages


@pytest.mark.alone
def test_given_an_idle_machine_when_the_script_starts_then_its_first_command_comes_below_150_ms(applied: Path) -> None:
    for folder in ("agi", "domain", "services"):  # as `prepare` does
        compileall.compile_dir(PACKAGE / folder, quiet=2)
    taken = [first_command_ms(applied) for _ in range(STARTS)]
    print(f"start to the first command (ms): {taken}")
    assert statistics.median(taken) < START_MS


def first_command_ms(applied: Path) -> float:
    """From the start of the process to the first command that Asterisk could read."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", *command(applied)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PLAIN)
        process.stdin.flush()
        first = process.stdout.readline()
        taken = (time.perf_counter() - began) * 1000
        process.kill()
    return taken if first else float("inf")  # its own deadline ended it
