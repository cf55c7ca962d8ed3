"""A centre's own sound prompts: every upload is a version that stays, and so does who put which to use."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import NoSuchPrompt
from pbx112.domain.prompts import PromptUse
from pbx112.storage import audit
from pbx112.storage.tables import prompt_uses, prompts

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('pbx112 prompts', 0))")


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A version without its sound; `sha256` is hexadecimal and of the sound as callers hear it."""

    name: str
    language: str
    version: int
    who: str
    at: datetime
    sha256: str
    duration_ms: int
    file_name: str


async def add_prompt(
    conn: AsyncConnection, name: str, language: str, *, wav: bytes, duration_ms: int, file_name: str, who: str
) -> PromptVersion:
    """Keep a sound as the next version of its name and language, and write the audit."""
    await conn.execute(_LOCK)
    mine = and_(prompts.c.name == name, prompts.c.language == language)
    newest: int = (await conn.execute(select(func.coalesce(func.max(prompts.c.version), 0)).where(mine))).scalar_one()
    values = {
        "name": name,
        "language": language,
        "version": newest + 1,
        "who": who,
        "sha256": hashlib.sha256(wav).digest(),
        "duration_ms": duration_ms,
        "file_name": file_name,
        "wav": wav,
    }
    row = (await conn.execute(insert(prompts).values(values).returning(*_COLUMNS))).one()
    added = _version(row)
    told = {"sha256": added.sha256, "duration_ms": duration_ms, "file_name": file_name}
    subject = str(PromptUse(name, language, added.version))
    await audit.append(conn, who=who, action="prompt.upload", subject=subject, after=told)
    return added


async def use_prompt(conn: AsyncConnection, use: PromptUse, *, who: str) -> bool:
    """Put a version to use, and write the audit; False when it is in use already. Raises NoSuchPrompt."""
    await conn.execute(_LOCK)
    known = select(prompts.c.id).where(
        prompts.c.name == use.name, prompts.c.language == use.language, prompts.c.version == use.version
    )
    if (await conn.execute(known)).first() is None:
        raise NoSuchPrompt(f"There is no prompt {use}.")
    uses = await prompts_in_use(conn)
    before = next((one.version for one in uses if (one.name, one.language) == (use.name, use.language)), None)
    if before == use.version:
        return False
    values = {"name": use.name, "language": use.language, "version": use.version, "who": who}
    await conn.execute(insert(prompt_uses).values(values))
    was = None if before is None else {"version": before}
    subject = f"{use.name}/{use.language}"
    await audit.append(conn, who=who, action="prompt.use", subject=subject, before=was, after={"version": use.version})
    return True


async def prompts_in_use(conn: AsyncConnection) -> list[PromptUse]:
    """The version of each prompt that callers hear."""
    table = prompt_uses
    newest = (
        select(table.c.name, table.c.language, table.c.version)
        .ext(distinct_on(table.c.name, table.c.language))
        .order_by(table.c.name, table.c.language, table.c.id.desc())
    )
    return [PromptUse(*row) for row in await conn.execute(newest)]


async def list_prompts(conn: AsyncConnection) -> list[PromptVersion]:
    """Every version, by name and language, the newest first."""
    order = (prompts.c.name, prompts.c.language, prompts.c.version.desc())
    return [_version(row) for row in await conn.execute(select(*_COLUMNS).order_by(*order))]


async def prompt_wav(conn: AsyncConnection, use: PromptUse) -> bytes:
    """A version's sound. Raises NoSuchPrompt."""
    wanted = select(prompts.c.wav).where(
        prompts.c.name == use.name, prompts.c.language == use.language, prompts.c.version == use.version
    )
    wav: bytes | None = (await conn.execute(wanted)).scalar()
    if wav is None:
        raise NoSuchPrompt(f"There is no prompt {use}.")
    return bytes(wav)


def _version(row: Sequence[Any]) -> PromptVersion:
    name, language, version, who, at, sha256, duration_ms, file_name = row
    return PromptVersion(name, language, version, who, at, sha256.hex(), duration_ms, file_name)


_COLUMNS = tuple(column for column in prompts.c if column.name not in {"id", "wav"})
