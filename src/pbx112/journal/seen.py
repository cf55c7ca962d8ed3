"""Which files of the journal were seen beside it: so that one which somebody takes away unread leaves a gap.

The names stand in a small file of their own in the journal's folder, because the database may be away while files come
and go. It is written anew and renamed over the old one: a kill leaves the one or the other. What it has not yet of
files that are there, the next look adds; what it tells a second time, the database has already.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.journal.tail import JournalFile, base_id, list_files, renewed
from pbx112.storage.engine import transaction
from pbx112.storage.events import insert_gap, is_gap_noted, read_files
from pbx112.storage.position import lock_position

log = structlog.get_logger(__name__)

_NAME = ".journal-files.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that was there: its first event's time, and when it was last written (None: while it was the live one)."""

    name: str
    first_at: float
    last_at: float | None


def look(path: Path) -> dict[str, Seen]:
    """Remember the files of the journal `path` that are there now; those that were seen and are gone, by identity.

    Blocking. Raises OSError: then nothing is forgotten.
    """
    here = list_files(path)
    known = _read(path.with_name(_NAME))
    now = known | {file.file_id: _seen(file) for file in here}
    if now != known:
        _write(path.with_name(_NAME), now)
    gone = now.keys() - {file.file_id for file in here}
    if gone:
        gone -= {file.file_id for file in list_files(path)}  # one that is renamed just now is nowhere for a moment
    return {file_id: now[file_id] for file_id in gone}


def forget(path: Path, file_ids: set[str]) -> None:
    """Remember these no longer. Blocking; raises OSError."""
    known = _read(path.with_name(_NAME))
    _write(path.with_name(_NAME), {file_id: seen for file_id, seen in known.items() if file_id not in file_ids})


async def note_gone(engine: AsyncEngine, node: str, gone: Mapping[str, Seen]) -> set[str]:
    """Write a gap for each of these files that nothing was read of; those that are settled and may be forgotten.

    Raises DatabaseUnavailable.
    """
    settled: set[str] = set()
    async with transaction(engine) as conn:
        # Held, so that neither the reader nor a second keeper is at it.
        held = await lock_position(conn, node)
        for file_id, seen in gone.items():
            if file_id == base_id(held.file_id):
                continue  # the reader holds it open and reads on, or says itself that it is gone
            settled.add(file_id)
            if not await read_files(conn, node, [file_id, renewed(file_id)]):
                await _note(conn, node, seen)
    return settled


async def _note(conn: AsyncConnection, node: str, seen: Seen) -> None:
    since, until = (None if at is None else datetime.fromtimestamp(at, UTC) for at in (seen.first_at, seen.last_at))
    reason = f"The journal file {seen.name} was taken away (deleted, moved or compressed) before it was read."
    if not await is_gap_noted(conn, node, since=since, reason=reason):
        await insert_gap(conn, node, since=since, until=until, reason=reason)
        log.error("The journal has a gap.", reason=reason, since=since, until=until, node=node)


def _seen(file: JournalFile) -> Seen:
    return Seen(file.path.name, file.first_at, None if file.live else file.written_at)


def _read(path: Path) -> dict[str, Seen]:
    try:
        stored: dict[str, dict[str, Any]] = orjson.loads(path.read_bytes())
        return {file_id: Seen(**seen) for file_id, seen in stored.items()}
    except FileNotFoundError:
        return {}
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        log.warning("The list of journal files cannot be read; it is begun anew.", path=str(path), reason=str(error))
        return {}


def _write(path: Path, seen: Mapping[str, Seen]) -> None:
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(orjson.dumps({file_id: asdict(one) for file_id, one in seen.items()}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
