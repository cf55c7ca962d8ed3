"""How the journal's reader is doing."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

log = structlog.get_logger(__name__)

_GAP_SHOWN_SECONDS = 600
_TOO_LATE_MS = 5000


@dataclass(frozen=True, slots=True)
class JournalLag:
    """`position` is the committed byte of `file`. `oldest_unread_ms` counts only lines that could be read already.

    `healthy` is False while something is wrong; `problem` says what, and may also tell of a gap noticed lately.
    """

    bytes_behind: int
    oldest_unread_ms: int
    position: int
    file: str | None
    last_commit_at: datetime | None
    healthy: bool
    problem: str | None


class Health:
    """What the reader notes as it works; faults are logged when they begin and when they end, not in between."""

    def __init__(self) -> None:
        """Begin well."""
        self.problem_now: str | None = None
        self._gap: str | None = None
        self._gap_at = 0.0
        self._unread_since: datetime | None = None
        self._last_commit_at: datetime | None = None

    def fault(self, problem: str) -> bool:
        """Something is wrong now; True when that is new."""
        new = self.problem_now is None
        self.problem_now = problem
        if new:
            log.warning("The journal's reader waits; it goes on by itself.", reason=problem)
        return new

    def works(self) -> None:
        """A step went well."""
        if self.problem_now is not None:
            log.info("The journal's reader works again.", after=self.problem_now)
            self.problem_now = None

    def gap(self, reason: str) -> None:
        """Lines are missing; shown for ten minutes (the row in the database stays)."""
        self._gap, self._gap_at = reason, time.monotonic()

    def has_unread(self) -> None:
        """There are whole lines that are not committed yet."""
        if self._unread_since is None:
            self._unread_since = datetime.now(UTC)

    def waits_for_writer(self) -> None:
        """All whole lines are committed; the rest of a line is Asterisk's to write."""
        self._unread_since = None

    def committed(self, *, all_read: bool, last_at: datetime | None) -> None:
        """A batch up to the event of `last_at` is in the database; `all_read` when nothing was left behind it."""
        self._last_commit_at = datetime.now(UTC)
        # What is left was written after the last event that was read: after an outage that may be hours ago.
        self._unread_since = None if all_read else last_at or self._last_commit_at

    def lag(self, position: int, file: str | None, bytes_behind: int) -> JournalLag:
        """The present state."""
        if bytes_behind and self.problem_now is not None:
            self.has_unread()  # nobody reads, so nobody else would notice
        since = self._unread_since
        late_ms = 0 if since is None else max(round((datetime.now(UTC) - since).total_seconds() * 1000), 0)
        problem = self.problem_now
        if problem is None and late_ms > _TOO_LATE_MS:
            problem = "The journal's reader is behind; records come late."
        if problem is None and self._gap is not None and time.monotonic() - self._gap_at < _GAP_SHOWN_SECONDS:
            problem = self._gap
        return JournalLag(bytes_behind, late_ms, position, file, self._last_commit_at, problem is None, problem)
