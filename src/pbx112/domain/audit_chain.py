"""The audit's chain: how a row is hashed, and whether a row fits the one before it.

`migrations/0006` writes the same in SQL when a row is added; here it is computed anew, from what is stored, so a check
trusts nothing that the database computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

NOTHING = bytes(32)
"""What the first row continues."""

CHAIN_BEGINS = "audit.chain"
"""The action of the row that covers what stood in the audit before there was a chain."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit, each column as PostgreSQL writes it as text (times in UTC); None is NULL."""

    id: int
    at: str
    who: str
    action: str
    subject: str
    before: str | None
    after: str | None

    def content(self, position: int) -> bytes:
        """The bytes that are hashed for this row at this place; 0 for rows of before the chain."""
        parts = (str(position), str(self.id), self.at, self.who, self.action, self.subject, self.before, self.after)
        return canonical(parts)

    def __str__(self) -> str:
        return f"audit id {self.id} ({self.at}, {self.who}, {self.action} {self.subject})"


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain; `entry` is None when the audit has no row of that id any more."""

    position: int
    audit_id: int
    prev_hash: bytes
    hash: bytes
    entry: Entry | None


def canonical(parts: Sequence[str | None]) -> bytes:
    """Texts as bytes that no other texts give: each as `length:text`, None as `-`."""
    return b"".join(_canonical(part) for part in parts)


def chained(prev_hash: bytes, content: bytes) -> bytes:
    """The hash of a row behind the row with `prev_hash`."""
    return sha256(prev_hash + content).digest()


@dataclass(slots=True)
class Chain:
    """Follows the chain row by row; `position` and `head` are those of the last row that fits."""

    position: int = 0
    head: bytes = NOTHING

    def follow(self, link: Link) -> str | None:
        """Take the next row; words when it does not fit, and then nothing is taken."""
        fault = self._fault(link)
        if fault is None:
            self.position, self.head = link.position, link.hash
        return fault

    def _fault(self, link: Link) -> str | None:
        if link.position != self.position + 1:
            return f"Row {self.position + 1} of the chain is missing; the next one there is row {link.position}."
        where = f"Row {link.position}"
        if link.entry is None:
            return f"{where}: audit id {link.audit_id} is missing in the audit; somebody removed it."
        if link.prev_hash != self.head:
            return f"{where}, {link.entry}, does not continue row {self.position}: its previous hash is another one."
        if chained(self.head, link.entry.content(link.position)) != link.hash:
            return f"{where}, {link.entry}, is not what was written: its content or its hash was changed."
        return None


def _canonical(part: str | None) -> bytes:
    if part is None:
        return b"-"
    raw = part.encode()
    return b"%d:%s" % (len(raw), raw)
