"""A batch of the journal: what goes to the database in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pbx112.journal.parse import NotAnEvent, parse
from pbx112.journal.split import Piece, is_torn
from pbx112.storage.events import DeadLetter, JournalRow


@dataclass(frozen=True, slots=True)
class Batch:
    """Events and dead letters of some consecutive pieces; an event with an unreadable payload gives one of each."""

    rows: tuple[JournalRow, ...]
    letters: tuple[DeadLetter, ...]
    pieces: tuple[Piece, ...]
    file_id: str
    file_name: str

    def refused(self, reason: str) -> "Batch":
        """The same pieces as dead letters, for a database that does not take them as events."""
        letters = tuple(_letter(piece, self.file_id, self.file_name, reason) for piece in self.pieces)
        return Batch((), letters, self.pieces, self.file_id, self.file_name)


@dataclass(frozen=True, slots=True)
class Tear:
    """A line that Asterisk could write only in part, between two events (None: before the first, after the last).

    It writes each line at once, and says nothing when the disk is full: whole lines beside this one are missing too.
    """

    offset: int
    since: datetime | None
    until: datetime | None


def find_tears(batch: Batch) -> list[Tear]:
    """The torn lines of a batch: they begin as a record does and end where, without a line's end, the next begins."""
    times = {row.offset: row.event.at for row in batch.rows}
    tears: list[Tear] = []
    for place, piece in enumerate(batch.pieces):
        if piece.start in times or not is_torn(piece):
            continue
        before = [times[other.start] for other in batch.pieces[:place] if other.start in times]
        behind = (times[other.start] for other in batch.pieces[place + 1 :] if other.start in times)
        tears.append(Tear(piece.start, before[-1] if before else None, next(behind, None)))
    return tears


def make_batch(pieces: Sequence[Piece], file_id: str, file_name: str) -> Batch:
    """Parse the pieces; never raises."""
    rows: list[JournalRow] = []
    letters: list[DeadLetter] = []
    for piece in pieces:
        fault = piece.fault
        if fault is None:
            try:
                parsed = parse(piece)
            except NotAnEvent as error:
                fault = str(error)
            else:
                rows.append(JournalRow(parsed.event, file_id, piece.start, parsed.rest))
                fault = parsed.fault
        if fault is not None:
            letters.append(_letter(piece, file_id, file_name, fault))
    return Batch(tuple(rows), tuple(letters), tuple(pieces), file_id, file_name)


def _letter(piece: Piece, file_id: str, file_name: str, reason: str) -> DeadLetter:
    return DeadLetter(file_id, file_name, piece.start, piece.end - piece.start, reason[:500], piece.raw)
