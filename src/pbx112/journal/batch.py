"""A batch of the journal: what goes to the database in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from pbx112.journal.parse import NotAnEvent, parse
from pbx112.journal.split import Piece
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
