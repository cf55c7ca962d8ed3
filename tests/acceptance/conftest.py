"""One running centre for the acceptance tests; each test leaves it as it found it."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.centre import Centre, running_centre, until


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    """The centre, started once."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    async with running_centre(tmp_path_factory.mktemp("centre"), worker=worker) as centre:
        yield centre


@pytest_asyncio.fixture(loop_scope="session")
async def centre(running: Centre) -> AsyncIterator[Centre]:
    """The centre with nobody logged in and no call up, before and after the test; descriptors do not grow."""
    service = running.child("pbx112", "serve")
    before = service.num_fds()
    yield running
    for n in range(1, 5):
        await running.api("POST", f"/v1/operators/op{n}/logout")

    async def quiet() -> bool | None:
        live = await running.get("/v1/live")
        members = [member for queue in live["queues"] for member in queue["members"]]
        return True if not members and await running.channels() == 0 else None

    await until(quiet, 10, "no channel and no member after the test")
    if service.is_running():
        # Keep-alive connections and the pool may have grown once; a leak grows with every test.
        assert service.num_fds() <= before + 8
