"""One running centre for the acceptance tests; each test leaves it as it found it."""

import os
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from tests.support.centre import Centre, running_centre, until


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    """The centre, started once, and ended before other tests measure times or need the processor."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    async with running_centre(tmp_path_factory.mktemp("centre"), worker=worker) as centre:
        yield centre


@pytest_asyncio.fixture(loop_scope="session")
async def centre(running: Centre) -> AsyncIterator[Centre]:
    """The centre with nobody logged in and no call up, before and after the test; nothing in the service grows."""
    service = running.child("pbx112", "serve")
    before = await used(running, service)
    yield running
    for n in range(1, 5):
        await running.api("POST", f"/v1/operators/op{n}/logout")

    async def quiet() -> bool | None:
        live = await running.get("/v1/live")
        members = [member for queue in live["queues"] for member in queue["members"]]
        alarms = [alarm["key"] for alarm in (await running.get("/v1/alarms"))["items"]]
        if members or any(key.startswith("queue-") for key in alarms):
            return None
        return True if await running.channels() == 0 else None

    async def given_back() -> bool | None:
        after = await used(running, service)
        # The pool fills once, and a keep-alive connection may be just ending; a leak stays, and fails here.
        return True if all(after[name] <= max(before[name], FULL[name]) for name in FULL) else None

    await until(quiet, 10, "no channel, no member and no alarm of a queue after the test")
    if service.is_running():
        await until(given_back, 10, f"no more than {before} in use, now {await used(running, service)}")


FULL = {"tasks": 20, "connections": 7, "descriptors": 40, "threads": 24}
"""What a service at rest with a full pool may have."""


async def used(centre: Centre, service: psutil.Process) -> dict[str, int]:
    """What the service holds now: asyncio tasks, database connections, descriptors, threads."""
    metrics = (await centre.api("GET", "/metrics")).text
    tasks = next(line.split()[1] for line in metrics.splitlines() if line.startswith("pbx112_tasks "))
    connection = await centre.database()
    try:
        connections: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
    threads, descriptors = service.num_threads(), service.num_fds()
    return {
        "tasks": round(float(tasks)),
        "connections": connections,
        "descriptors": descriptors,
        "threads": threads,
    }
