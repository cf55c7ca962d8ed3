"""When the journal is renamed."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from pbx112.journal.rotate import KeepRules, rotate
from tests.support.journal import BASE, line

LARGE = KeepRules.of(max_mb=1, keep_days=14)


def written(folder: Path, age_s: float, size: int = 0) -> Path:
    journal = folder / "journal.csv"
    seconds = int(time.time() - age_s)
    journal.write_text(line("CHAN_START", f"{seconds}.000001") + "x" * size)
    return journal


@pytest.mark.parametrize(("age_s", "size"), [(90_000, 0), (10, 1024 * 1024)])
def test_given_an_old_or_a_large_journal_when_looked_at_then_it_is_renamed(
    tmp_path: Path, age_s: float, size: int
) -> None:
    journal = written(tmp_path, age_s, size)
    content = journal.read_bytes()
    renamed = rotate(journal, LARGE)
    assert renamed is not None
    assert re.fullmatch(r"journal\.csv\.\d{8}T\d{6}\.\d{6}Z", renamed.name)
    assert renamed.read_bytes() == content
    assert not journal.exists()


def test_given_a_young_small_journal_or_none_when_looked_at_then_it_stays(tmp_path: Path) -> None:
    assert rotate(tmp_path / "journal.csv", LARGE) is None
    journal = written(tmp_path, 10)
    assert rotate(journal, LARGE) is None
    journal.write_text("")
    assert rotate(journal, KeepRules(0, 0)) is None
    assert journal.exists()


def test_given_a_clock_that_went_back_when_looked_at_then_the_journal_stays(tmp_path: Path) -> None:
    journal = tmp_path / "journal.csv"
    journal.write_text(line("CHAN_START", f"{BASE + 10**9}.000001"))
    assert rotate(journal, LARGE) is None
