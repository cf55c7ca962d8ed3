"""Real migrations on a real PostgreSQL, and what the service's role may not do."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import BadInput, DatabaseUnavailable, MigrationFailed
from pbx112.host.postgres import EmbeddedPostgres
from pbx112.storage import audit
from pbx112.storage.engine import make_engine, reading, transaction
from pbx112.storage.migrate import check_migrations, current_revision, migrate
from pbx112.storage.revisions import newest
from pbx112.storage.users import StoredUser, add_user, get_user
from tests.integration.conftest import MIGRATIONS, Database, as_owner
from tests.support.journal import Script, append
from tests.support.recorded import drained

APPEND_ONLY = [
    "events",
    "audit",
    "dead_letters",
    "journal_gaps",
    "configuration_versions",
    "configuration_applications",
    "prompts",
    "prompt_uses",
]


async def test_given_an_empty_database_when_many_migrate_at_once_then_it_is_made_once(
    empty_database: Database,
) -> None:
    assert await current_revision(empty_database.owner_url) is None
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(migrate(empty_database.owner_url, migrations=MIGRATIONS))
    assert await current_revision(empty_database.owner_url) == "0013"
    assert await check_migrations(empty_database.owner_url, migrations=MIGRATIONS) == []


async def test_given_a_filled_database_when_migrated_again_then_its_rows_are_there(
    database: Database, engine: AsyncEngine
) -> None:
    async with transaction(engine) as conn:
        await add_user(conn, StoredUser("admin", "admin", "hash"))
    await migrate(database.owner_url, migrations=MIGRATIONS)
    async with reading(engine) as conn:
        assert await get_user(conn, "admin") is not None


async def test_given_tables_that_are_not_the_codes_when_checked_then_the_differences_are_told(
    database: Database, empty_database: Database
) -> None:
    await as_owner(database.owner_url, "ALTER TABLE calls DROP COLUMN service", "DROP INDEX ix_calls_number")
    told = " ".join(await check_migrations(database.owner_url, migrations=MIGRATIONS))
    assert "service" in told
    assert "ix_calls_number" in told
    (told,) = await check_migrations(empty_database.owner_url, migrations=MIGRATIONS)
    assert "pbx112 migrate" in told


async def test_given_a_database_of_this_version_when_migrated_then_it_is_asked_once_and_alembic_stays_away(
    postgres: EmbeddedPostgres,
) -> None:
    assert max(file.name[:4] for file in (MIGRATIONS / "versions").glob("*.py")) == newest(MIGRATIONS)
    code = "import asyncio, sys; from pathlib import Path; from pbx112.storage.migrate import migrate\n"
    code += "asyncio.run(migrate(sys.argv[1], migrations=Path(sys.argv[2])))\n"
    code += "sys.exit('alembic' in sys.modules)"
    argv = [sys.executable, "-c", code, postgres.owner_url, str(MIGRATIONS)]
    process = await asyncio.create_subprocess_exec(*argv)
    assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_given_a_restored_database_without_the_role_when_migrated_then_the_login_may_be_it_again(
    empty_database: Database,
) -> None:
    login = f"owner_of_{empty_database.name}"
    await as_owner(
        empty_database.owner_url,
        f"CREATE ROLE {login} LOGIN CREATEROLE",
        f"ALTER DATABASE {empty_database.name} OWNER TO {login}",
        f"GRANT pbx112_service TO {login} WITH ADMIN OPTION",
    )
    url = empty_database.owner_url.replace("//pbx112@", f"//{login}@")
    try:
        await migrate(url, migrations=MIGRATIONS)
        await as_owner(empty_database.owner_url, f"REVOKE pbx112_service FROM {login}")
        with pytest.raises(MigrationFailed, match="GRANT pbx112_service TO"):
            await migrate(url, migrations=MIGRATIONS)
    finally:
        await as_owner(empty_database.owner_url, f"REASSIGN OWNED BY {login} TO pbx112", f"DROP OWNED BY {login}")
        await as_owner(empty_database.owner_url, f"DROP ROLE {login}")


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = DEFAULT", "DELETE FROM {}", "TRUNCATE {}"])
async def test_given_the_services_role_when_it_changes_what_happened_then_it_is_refused(
    engine: AsyncEngine, table: str, statement: str
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with transaction(engine) as conn:
            await conn.execute(text(statement.format(table)))


async def test_given_the_owners_login_when_the_service_uses_it_then_it_has_the_services_rights_only(
    database: Database,
) -> None:
    engine = make_engine(database.owner_url)
    try:
        async with transaction(engine) as conn:
            await audit.append(conn, who="me", action="x", subject="y")
        for sql in ("DELETE FROM audit", "RESET ROLE; DELETE FROM audit", "DROP TABLE audit"):
            with pytest.raises(ProgrammingError):
                async with transaction(engine) as conn:
                    for part in sql.split(";"):
                        await conn.execute(text(part))
    finally:
        await engine.dispose()


async def test_given_a_call_in_the_database_when_its_reader_runs_then_the_services_rights_are_enough(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    append(tmp_path / "journal.csv", [*Script().answered_call(), "garbage\n"])
    await drained(engine, tmp_path / "journal.csv")


async def test_given_a_login_that_may_not_make_tables_when_it_migrates_then_it_says_so_in_words(
    empty_database: Database,
) -> None:
    with pytest.raises(MigrationFailed, match="permission denied"):
        await migrate(empty_database.service_url, migrations=MIGRATIONS)


async def test_given_a_login_that_may_not_use_the_role_when_it_migrates_then_the_dba_gets_his_sql(
    postgres: EmbeddedPostgres, empty_database: Database
) -> None:
    login = f"app_{empty_database.name}"
    await as_owner(
        empty_database.owner_url,
        f"CREATE ROLE {login} LOGIN",
        f"ALTER DATABASE {empty_database.name} OWNER TO {login}",
    )
    url = empty_database.owner_url.replace("//pbx112@", f"//{login}@")
    try:
        with pytest.raises(MigrationFailed, match=f'GRANT pbx112_service TO "{login}";'):
            await migrate(url, migrations=MIGRATIONS)
        await as_owner(empty_database.owner_url, f'GRANT pbx112_service TO "{login}"')
        await migrate(url, migrations=MIGRATIONS)
        engine = make_engine(url)
        async with transaction(engine) as conn:
            assert (await conn.execute(text("SELECT current_user"))).scalar() == "pbx112_service"
        await engine.dispose()
    finally:
        await as_owner(empty_database.owner_url, f"REASSIGN OWNED BY {login} TO pbx112", f"DROP OWNED BY {login}")
        await as_owner(empty_database.owner_url, f"DROP ROLE {login}")


async def test_given_no_migrations_when_migrated_then_it_says_where_they_should_be(
    empty_database: Database, tmp_path: Path
) -> None:
    with pytest.raises(MigrationFailed, match="nowhere"):
        await migrate(empty_database.owner_url, migrations=tmp_path / "nowhere")


@pytest.mark.parametrize("url", ["sqlite:///x", "", "postgresql+psycopg://a@b/c", "mysql://a@b/c"])
def test_given_a_url_of_something_else_when_an_engine_is_made_then_it_says_what_to_write(url: str) -> None:
    with pytest.raises(BadInput, match="postgresql://"):
        make_engine(url)


async def test_given_a_database_nobody_listens_at_when_migrated_then_it_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate("postgresql://x@127.0.0.1:1/x", migrations=MIGRATIONS)
