"""One drill call at a time: the lock between the service's own drill and those by hand."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pbx112.bootstrap.drill import drill, drill_lock
from pbx112.bootstrap.watch import place_canary
from pbx112.host.folders import FolderInUse, FolderLock
from pbx112.host.secrets import SecretsBroken
from pbx112.services.canary import Canary, DrillUnderWay
from pbx112.services.metrics import Metrics
from pbx112.settings import Settings

HOLD = "import sys; from pathlib import Path; from pbx112.host.folders import FolderLock\n"
HOLD += "held = FolderLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def centre(tmp_path: Path) -> Settings:
    """A centre that was never started: a drill whose turn it is finds no secrets, and stops there."""
    return Settings(state_dir=tmp_path / "state")


@contextmanager
def drill_of_another_process(centre: Settings) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", HOLD, str(drill_lock(centre))]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


async def test_given_a_drill_under_way_when_another_is_typed_then_it_waits_and_says_so_in_words(
    centre: Settings,
) -> None:
    said: list[str] = []
    with drill_of_another_process(centre):
        began = time.monotonic()
        with pytest.raises(DrillUnderWay, match="Another drill call of this centre is under way"):
            await drill(centre, said.append, patience=0.5)
        assert time.monotonic() - began >= 0.5
    assert said == ["another drill call is under way; waiting until it is over"]


async def test_given_a_drill_that_waits_when_the_others_process_is_killed_then_it_is_its_turn(centre: Settings) -> None:
    with drill_of_another_process(centre) as other:
        waiting = asyncio.create_task(drill(centre, lambda line: None))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        other.kill()
        with pytest.raises(SecretsBroken):
            await asyncio.wait_for(waiting, 5)


async def test_given_a_drill_that_failed_or_was_cancelled_when_the_next_is_placed_then_nothing_is_in_its_way(
    centre: Settings,
) -> None:
    with pytest.raises(SecretsBroken):
        await drill(centre, lambda line: None)
    FolderLock(drill_lock(centre)).release()


async def test_given_a_drill_by_hand_when_the_canarys_is_due_then_it_is_skipped_at_once_and_not_failed(
    centre: Settings,
) -> None:
    metrics = Metrics()
    canary = Canary(lambda: place_canary(centre), 15, metrics)
    with drill_of_another_process(centre):
        await asyncio.wait_for(canary.once(), 1)
        assert (canary.failures, canary.problem) == (0, None)
    await canary.once()
    assert canary.failures == 1
    results = {
        result: metrics.registry.get_sample_value("pbx112_canary_total", {"result": result}) for result in RESULTS
    }
    assert results == {"skipped": 1, "failed": 1, "passed": None}


RESULTS = ("passed", "failed", "skipped")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_given_a_drill_that_root_types_when_the_service_has_a_user_of_its_own_then_he_can_take_the_lock_later(
    centre: Settings,
) -> None:
    centre.state_dir.mkdir()
    os.chown(centre.state_dir, 65534, 65534)
    lock = FolderLock(drill_lock(centre))
    with pytest.raises(FolderInUse):
        FolderLock(drill_lock(centre))
    lock.release()
    assert drill_lock(centre).stat().st_uid == 65534
