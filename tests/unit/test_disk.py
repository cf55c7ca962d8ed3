"""What is low, what could not be written, and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pbx112.services.disk import FileSystem, Unwritten, file_systems, readable, write_fault

GIB = 1024**3
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("total", "free", "inodes", "free_inodes", "level"),
    [
        (250 * GIB, 100 * GIB, 10**7, 10**6, None),
        (250 * GIB, 2 * GIB - 1, 10**7, 10**6, "warning"),
        (250 * GIB, GIB // 5, 10**7, 10**6, "critical"),
        (10 * GIB, GIB + 1, 10**7, 10**6, None),
        (1024**2, 1024 * 90, 0, 0, "warning"),
        (1024**2, 0, 0, 0, "critical"),
        (250 * GIB, 100 * GIB, 10**7, 9_999, "warning"),
        (250 * GIB, 100 * GIB, 10**7, 0, "critical"),
    ],
)
def test_given_what_is_free_when_judged_then_large_and_small_disks_have_their_limits(
    total: int, free: int, inodes: int, free_inodes: int, level: str | None
) -> None:
    assert FileSystem(("journal",), Path("/"), total, free, inodes, free_inodes).level == level


def test_given_places_on_one_file_system_when_looked_at_then_it_is_named_once(tmp_path: Path) -> None:
    (one,) = file_systems({"journal": tmp_path / "not" / "yet", "state": tmp_path})
    assert one.names == ("journal", "state")
    assert one.total > one.free > 0


def test_given_a_folder_when_a_write_is_tried_then_nothing_is_left_behind(tmp_path: Path) -> None:
    assert write_fault(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert write_fault(tmp_path / "missing") == "No such file or directory"


def test_given_a_disk_that_fills_and_is_freed_when_watched_then_one_gap_spans_all_of_it() -> None:
    watch = Unwritten()
    for second in range(0, 60, 2):
        full = 10 <= second < 30 and second != 20  # free for a moment in between
        watch.saw("full" if full else None, NOON + timedelta(seconds=second), None)
    assert watch.over == [(NOON + timedelta(seconds=8), NOON + timedelta(seconds=34), "full")]


def test_given_a_watch_that_begins_on_a_full_disk_when_freed_then_the_gap_begins_at_the_last_line() -> None:
    watch = Unwritten()
    written = NOON - timedelta(hours=3)
    watch.saw("full", NOON, written)
    watch.saw(None, NOON + timedelta(seconds=6), written)
    assert [gap[0] for gap in watch.over] == [written]


def test_given_sizes_when_shown_then_people_can_read_them() -> None:
    assert [readable(size) for size in (5, 2048, 3 * 1024**2, 5.5 * GIB)] == ["5 B", "2 KiB", "3 MiB", "5.5 GiB"]
