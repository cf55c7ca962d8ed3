"""Changing the admin's rules: the new ones and the audit in one transaction."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.rules import Rules
from pbx112.storage import audit
from pbx112.storage.rules import StoredRules, load, save


async def change_rules(conn: AsyncConnection, rules: Rules, *, expected_version: int, who: str) -> StoredRules:
    """Save the rules and write the audit; the caller commits. Returns them with their new version.

    Raises EditConflict when they are no longer at `expected_version`.
    """
    before = await load(conn)
    after = await save(conn, rules, expected_version=expected_version)
    await audit.append(
        conn,
        who=who,
        action="rules.save",
        subject=f"version {after.version}",
        before=before.rules.to_json(),
        after=after.rules.to_json(),
    )
    return after
