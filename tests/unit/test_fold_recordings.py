"""Recordings in the fold, on a journal as a real Asterisk 22.10.1 and this dialplan wrote it, and on scripted ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pbx112.domain.call import fold
from pbx112.domain.events import LOST, RECORDING, JournalEvent
from pbx112.domain.record import Recording, RecordingKind
from tests.support.journal import Script, events_of, word

WARM = Path(__file__).parent / "journals" / "real_recorded_warm.csv"
FILE = "2026/11/21/n-1.1-caller.wav"
SCRIPT = Script()


def recordings_of(events: Sequence[JournalEvent]) -> tuple[Recording, ...]:
    record = fold("node1", events)
    assert record is not None
    return record.recordings


def begins(at: float, file: str = FILE, kind: str = "caller", step: str = "begun") -> str:
    extra = word(SCRIPT.linked, kind, file, step)
    return SCRIPT.on_caller(RECORDING, at, context="recording-say", extra=extra)


def answered(at: float) -> str:
    return SCRIPT.on_caller("ANSWER", at, context="in-queue", app="Queue")


def scripted(*lines: str) -> tuple[Recording, ...]:
    return recordings_of(events_of("".join([*SCRIPT.arrives(), *lines]).encode()))


def test_given_a_real_warm_transfer_when_folded_then_both_files_are_named_with_what_they_should_last() -> None:
    caller, briefing = recordings_of(events_of(WARM.read_bytes()))
    assert caller == Recording(
        RecordingKind.CALLER,
        "2026/11/27/test9-1795799450.1-caller.wav",
        datetime(2026, 11, 27, 17, 10, 50, 870669, tzinfo=UTC),
        datetime(2026, 11, 27, 17, 11, 0, 640855, tzinfo=UTC),
        9770,
    )
    assert briefing == Recording(
        RecordingKind.BRIEFING,
        "2026/11/27/test9-1795799450.1-briefing-917957994502.1.wav",
        datetime(2026, 11, 27, 17, 10, 52, 553606, tzinfo=UTC),
        datetime(2026, 11, 27, 17, 10, 59, 95279, tzinfo=UTC),
        6542,
    )


def test_given_every_length_of_a_real_journal_when_folded_then_a_file_has_no_end_before_it_is_over() -> None:
    events = events_of(WARM.read_bytes())
    named = [recordings_of(events[:length]) for length in range(5, len(events))]
    assert [one.kind for one in named[-1]] == ["caller", "briefing"]
    for found in named:
        assert all((one.ended_at is None) == (one.expected_ms is None) for one in found)
        assert found == tuple(sorted(found, key=lambda one: one.started_at))


def test_given_a_caller_who_gives_up_when_folded_then_nothing_is_expected_in_his_file() -> None:
    (one,) = scripted(begins(0.01), *SCRIPT.ends(5))
    assert (one.file, one.expected_ms) == (FILE, 0)
    assert one.ended_at is not None


def test_given_an_answer_after_ringing_when_folded_then_the_sound_begins_with_it() -> None:
    (one,) = scripted(begins(0.01), answered(10), *SCRIPT.ends(15))
    assert one.expected_ms == 5000


def test_given_a_pbx_that_died_when_folded_then_nobody_knows_how_long_the_file_should_be() -> None:
    lost = JournalEvent(LOST, datetime(2027, 1, 1, tzinfo=UTC), SCRIPT.linked, SCRIPT.linked)
    (one,) = recordings_of(
        [*events_of("".join([*SCRIPT.arrives(), begins(0.01), answered(1)]).encode()), lost],
    )
    assert (one.ended_at is None, one.expected_ms) == (False, None)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("../../../etc/shadow", "caller"),
        ("2026/11/21/../x.wav", "caller"),
        ("2026/11/21/.x.wav", "caller"),
        ("2026/11/21/a/b.wav", "caller"),
        ("/2026/11/21/x.wav", "caller"),
        ("2026/11/21/x.wav\n", "caller"),
        ("", "caller"),
        (FILE, "another"),
    ],
)
def test_given_a_name_that_the_dialplan_does_not_write_when_folded_then_it_is_no_recording(
    file: str, kind: str
) -> None:
    assert scripted(begins(0.01, file, kind)) == ()
