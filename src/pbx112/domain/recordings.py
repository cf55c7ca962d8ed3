"""A call's recordings, folded: the dialplan names each file as it begins (recording.conf); channels end them.

A recording begins before there is anything to hear (MixMonitor runs while it rings) and has sound from the answer of
its channel on. What it should last is known when its channel has ended, and never when Asterisk died under it.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from pbx112.domain import events as kinds
from pbx112.domain.events import JournalEvent
from pbx112.domain.readings import text_of, whole_ms
from pbx112.domain.record import Recording, RecordingKind

FILE = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.wav")


@dataclass(slots=True)
class Recordings:
    """What the events so far tell of a call's recordings. Every event of the call is noted."""

    _all: dict[str, Recording] = field(default_factory=dict)
    _channels: dict[str, str] = field(default_factory=dict)  # by file
    _answered: dict[str, datetime] = field(default_factory=dict)

    def note(self, event: JournalEvent) -> None:
        """Take an event in."""
        if event.kind == kinds.RECORDING:
            self._told(event)
        elif event.kind == "ANSWER":
            self._answer(event)
        elif event.kind in {"HANGUP", "CHAN_END"}:
            self._end(event.at, [file for file, channel in self._channels.items() if channel == event.unique_id])
        elif event.kind == kinds.LOST:
            self._all = {f: r if r.ended_at else replace(r, ended_at=event.at) for f, r in self._all.items()}

    def found(self) -> tuple[Recording, ...]:
        """All of them, in the order of their beginning."""
        return tuple(self._all.values())

    def _told(self, event: JournalEvent) -> None:
        file, kind = text_of(event.extra, "file"), text_of(event.extra, "kind")
        if not FILE.fullmatch(file) or kind not in set(RecordingKind):
            return
        if text_of(event.extra, "step") == "ended":
            self._end(event.at, [file])
        elif file not in self._all:
            self._all[file] = Recording(RecordingKind(kind), file, event.at)
            self._channels[file] = event.unique_id

    def _answer(self, event: JournalEvent) -> None:
        if event.unique_id in self._answered:
            return
        self._answered[event.unique_id] = event.at
        for file, channel in self._channels.items():
            if channel == event.unique_id and self._all[file].ended_at is None:
                self._all[file] = replace(self._all[file], started_at=event.at)

    def _end(self, at: datetime, files: list[str]) -> None:
        for file in files:
            one = self._all.get(file)
            if one is not None and one.ended_at is None:
                heard = self._channels[file] in self._answered
                expected = whole_ms(at - one.started_at) if heard else 0
                self._all[file] = replace(one, ended_at=at, expected_ms=expected)
