"""Reading the audit, and checking its chain from the first row to the last."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.domain.audit_chain import CHAIN_BEGINS, NOTHING, Chain, Entry, chained
from pbx112.domain.errors import BadInput, DatabaseUnavailable
from pbx112.storage.audit import as_texts, chain_head, links, unchained
from pbx112.storage.engine import reading

log = structlog.get_logger(__name__)

HEAD_SECONDS = 3600.0
_CHUNK = 500
_FIRST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's last row: written down elsewhere, it proves later that no newer rows were cut off before it."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"

    @classmethod
    def of(cls, text: str) -> "Head":
        """A head as `str` writes it. Raises BadInput."""
        position, _, digest = text.strip().partition(":")
        if not (position.isascii() and position.isdigit() and len(position) < 19 and len(digest) == 64):
            raise BadInput(f"{text[:100]} is no head of the chain; it is written POSITION:HASH, as verify prints it.")
        return cls(int(position), digest.lower())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. `fault` says in words which row does not fit; None: all of them do.

    `rows` fit, `before` stood in the audit before the chain; `head` is the last row that fits.
    """

    rows: int
    before: int
    head: Head
    fault: str | None

    @property
    def whole(self) -> bool:
        """True when every row fits."""
        return self.fault is None

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "whole": self.whole,
            "rows": self.rows,
            "rows_before": self.before,
            "head": {"position": self.head.position, "hash": self.head.hash},
            "fault": self.fault,
        }


async def verify(engine: AsyncEngine, *, expect: Head | None = None) -> Verdict:
    """Hash the whole audit anew, all of it as of one moment. Raises DatabaseUnavailable.

    `expect` is a head that was written down: the chain must have had it.
    """
    async with reading(engine, snapshot=True) as conn:
        await as_texts(conn)
        chain = Chain()
        first, fault = await _follow(conn, chain, expect)
        before = _covered(first)[0]
        if fault is None:
            before, fault = await _outside(conn, first)
    return Verdict(chain.position, before, Head(chain.position, chain.head.hex()), fault)


async def _follow(conn: AsyncConnection, chain: Chain, expect: Head | None) -> tuple[Entry | None, str | None]:
    """The first row's entry, and what does not fit."""
    first: Entry | None = None
    while True:
        found = await links(conn, after=chain.position, limit=_CHUNK)
        for link in found:
            fault = chain.follow(link)
            if fault is not None:
                return first, fault
            first = first or link.entry
            if expect is not None and expect.position == link.position and expect.hash != link.hash.hex():
                return first, f"Row {link.position} has another hash than the head that was written down."
        if len(found) < _CHUNK:
            break
        await asyncio.sleep(0)  # others have their turn
    if expect is not None and expect.position > chain.position:
        return (
            first,
            f"The chain ends at row {chain.position}; the head that was written down is row {expect.position}.",
        )
    return first, None


async def _outside(conn: AsyncConnection, first: Entry | None) -> tuple[int, str | None]:
    """How many rows stood before the chain, and what is wrong with rows that it does not have."""
    rows, last_id, digest = _covered(first)
    counted, found_digest, after = 0, NOTHING, None
    while True:
        found = await unchained(conn, after=after, limit=_CHUNK)
        for entry in found:
            if entry.id > last_id:
                return counted, f"The row {entry} is not in the chain; somebody added it past the database's own rules."
            counted += 1
            found_digest = chained(found_digest, entry.content(0))
        if len(found) < _CHUNK:
            break
        after = found[-1].id
    if counted != rows:
        return counted, f"Before the chain there were {rows} rows, and {counted} are there now."
    if rows and found_digest.hex() != digest:
        return counted, f"One of the {rows} rows of before the chain (audit ids up to {last_id}) was changed."
    return counted, None


def _covered(first: Entry | None) -> tuple[int, int, str]:
    """What the chain's first row says of the rows before it: how many, the last id, their digest."""
    if first is None or first.action != CHAIN_BEGINS or first.after is None:
        return 0, 0, NOTHING.hex()
    told = json.loads(first.after)
    return int(told["rows"]), int(told["last_id"]), str(told["sha256"])


@dataclass(slots=True)
class HeadLog:
    """Writes the chain's head into the service's log at the start and every hour, beyond the database owner's reach.

    A chain whose newest rows are cut off still fits; against a head of the log it does not.
    """

    engine: AsyncEngine
    seconds: float = HEAD_SECONDS

    async def run(self) -> None:
        """For ever."""
        while True:
            told = await self._tell()
            await asyncio.sleep(self.seconds if told else _FIRST_SECONDS)

    async def _tell(self) -> bool:
        try:
            async with reading(self.engine) as conn:
                found = await chain_head(conn)
        except (DatabaseUnavailable, DBAPIError):  # DBAPIError: the tables are not migrated yet
            return False
        if found is not None:
            log.info("The head of the audit's chain.", head=str(Head(found[0], found[1].hex())))
        return True
