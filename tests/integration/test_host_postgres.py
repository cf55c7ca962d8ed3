"""The embedded PostgreSQL: it starts, keeps what was committed through kill -9, and leaves no process."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from pbx112.host import postgres_cluster
from pbx112.host.folders import FolderInUse
from pbx112.host.postgres import EmbeddedPostgres, PostgresFailed


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)


async def ended(pid: int) -> bool:
    """True once no process of this id is left, within ten seconds."""
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return True
        await asyncio.sleep(0.05)
    return False


async def test_given_an_empty_folder_when_started_then_database_and_roles_are_there(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    await server.start()
    try:
        service = await connect(server.service_url)
        row = await service.fetchrow(
            "SELECT current_user AS who, current_database() AS base, current_setting('server_encoding') AS encoding,"
            " current_setting('fsync') AS fsync, current_setting('listen_addresses') AS listens,"
            " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS super"
        )
        await service.close()
        assert row is not None
        assert dict(row) == {
            "who": "pbx112_service",
            "base": "pbx112",
            "encoding": "UTF8",
            "fsync": "on",
            "listens": "",
            "super": False,
        }
        owner = await connect(server.owner_url)
        await owner.execute("CREATE TABLE calls (id int)")
        await owner.close()
    finally:
        await server.stop()


async def test_given_a_committed_row_when_the_server_is_killed_then_the_next_start_has_it(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    try:
        owner = await connect(server.owner_url)
        await owner.execute("CREATE TABLE calls (id int); INSERT INTO calls VALUES (112)")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        owner.terminate()
        await server.stop()
        await server.start()
        owner = await connect(server.owner_url)
        assert await owner.fetchval("SELECT id FROM calls") == 112
        await owner.close()
    finally:
        await server.stop()


async def test_given_an_open_connection_when_stopped_then_no_process_and_no_socket_is_left(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    owner = await connect(server.owner_url)
    pid = server.pid
    assert pid is not None
    await server.stop()
    owner.terminate()
    assert server.pid is None
    assert await ended(pid)
    assert not (tmp_path / "run").exists()
    await server.stop()


async def test_given_a_stale_pid_file_with_a_living_process_when_started_then_it_does_not_hinder(
    tmp_path: Path,
) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    await server.stop()
    # After a restart of a container the old number may be any other program's, here our own.
    (tmp_path / "data/postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}/data\n")
    await server.start()
    await server.stop()


async def test_given_a_folder_in_use_when_a_second_one_starts_then_it_is_refused(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    try:
        with pytest.raises(FolderInUse, match="Another pbx112 uses"):
            await EmbeddedPostgres(tmp_path).start()
        (await asyncio.wait_for(connect(server.owner_url), 10)).terminate()
    finally:
        await server.stop()


@pytest.mark.parametrize("name", ["d" * 110, "a folder, with % and #"])
async def test_given_a_path_that_no_socket_can_have_when_started_then_the_socket_is_elsewhere(
    tmp_path: Path, name: str
) -> None:
    server = EmbeddedPostgres(tmp_path / name)
    await server.start()
    try:
        far = (tmp_path / name / "run").readlink()
        assert far.is_dir()
        (await connect(server.service_url)).terminate()
        url = server.service_url
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        await server.stop()
        await server.start()
        # Whoever holds the address from before the crash reaches the server again.
        assert server.service_url == url
        (await connect(url)).terminate()
    finally:
        await server.stop()
    assert not far.exists()


async def test_given_data_of_another_version_when_started_then_the_error_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresFailed, match="was made by PostgreSQL 16"):
        await EmbeddedPostgres(tmp_path).start()


async def test_given_a_broken_cluster_when_started_then_the_error_carries_the_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    await server.stop()
    (tmp_path / "data/global/pg_control").unlink()
    with pytest.raises(PostgresFailed, match=r"did not start(.|\n)*pg_control"):
        await server.start()
    assert server.pid is None


async def test_given_an_interrupted_first_start_when_started_again_then_the_half_cluster_is_made_anew(
    tmp_path: Path,
) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new/PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    await server.stop()


SURVIVOR = """
import asyncio, sys
from pathlib import Path
from pbx112.host.postgres import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_given_a_running_server_when_its_parent_is_killed_then_it_ends_and_the_folder_is_free(
    tmp_path: Path,
) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SURVIVOR, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 60))
    parent.kill()
    await parent.wait()
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    await server.stop()
    assert await ended(pid)


async def test_given_an_orphaned_server_when_started_then_it_is_stopped_first(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    orphan = server._child
    assert orphan is not None
    assert orphan.pid is not None
    # As if its owner were gone without a trace: the lock is free, and the server still runs.
    assert server._lock is not None
    server._lock.release()
    said: list[str] = []
    heir = EmbeddedPostgres(tmp_path, said.append)
    await heir.start()
    try:
        assert any("that a killed pbx112 left" in line for line in said)
        assert await orphan.wait() == 0
    finally:
        await heir.stop()


def test_given_no_wheel_when_the_programs_are_looked_for_then_the_error_names_both_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres_cluster, "find_spec", lambda _: None)
    with pytest.raises(PostgresFailed, match=r"make setup.*PBX112_DATABASE_URL"):
        postgres_cluster.binaries()
